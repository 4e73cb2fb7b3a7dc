"""Codes of an authenticator app (RFC 6238): six digits, thirty seconds, SHA-1."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyotp
import segno
from sqlalchemy import update

import config
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import CodeProof, CodeUsed, Enrolment, Proof, Proved, Question
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.request_context import Visitor
from models import Credential, User

STEP = 30
SECRET_BYTES = 20  # 160 bits: RFC 4226 section 4, R6
DRIFT = (0, 1)
"""Steps back from now: one, for the way here and a slow clock (RFC 6238 section 5.2)."""


@dataclass(frozen=True)
class Secret:
    """What the app and we know."""

    secret: str


class Totp:
    """A shared secret that an app makes codes of."""

    schema = CodeProof
    amr = ("otp",)
    strong = True

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Make a secret, as text, as `otpauth:` address and as a picture of that."""
        secret = Secret(crypto.random_base32(SECRET_BYTES))
        issuer = config.settings().service_name
        uri = pyotp.TOTP(secret.secret).provisioning_uri(name=user.email, issuer_name=issuer)
        picture = segno.make(uri, micro=False).svg_inline(scale=4)
        return Enrolment(asdict(secret), {"secret": secret.secret, "uri": uri, "qr_svg": picture})

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Return if the app makes our codes.

        Raises:
            InvalidCode: it does not.
        """
        _use(row, _step_of(row, proof["code"]))

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Ask for nothing: the app is always ready."""
        return Question()

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Return whose code it is, and use its step up.

        Raises:
            InvalidCode: no app's, or of another time.
            CodeUsed: its step was used before, or a later one.
        """
        for row in held:
            step = _step_of(row, proof["code"], none=0)
            if step:
                _use(row, step)
                return Proved(row, self.amr)
        raise InvalidCode


def _step_of(row: Credential, code: str, none: int | None = None) -> int:
    """Return the step of a code, which is the current one or the one before.

    Raises:
        InvalidCode: it is of neither, and there is no word for `none`.
    """
    app = pyotp.HOTP(Secret(**credential_store.read(row)).secret)
    now = clock.seconds() // STEP  # our clock alone (RFC 6238 section 6)
    typed = code.replace(" ", "")
    matching = [now - back for back in DRIFT if crypto.equal(app.at(now - back), typed)]
    if not matching and none is None:
        raise InvalidCode
    return matching[0] if matching else none or 0


def _use(row: Credential, step: int) -> None:
    """Use a step up: one UPDATE, so that each works once (RFC 6238 section 5.2)."""
    unused = update(Credential).where(Credential.id == row.id, Credential.counter < step)
    used = db.session.execute(unused.values(counter=step).returning(Credential.id))
    if used.first() is None:
        raise CodeUsed


piece = Totp()
