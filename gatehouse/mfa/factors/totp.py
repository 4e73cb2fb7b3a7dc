"""TOTP codes of an authenticator app (RFC 6238): six digits, 30 seconds, SHA-1."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyotp
import segno
from sqlalchemy import update

import config
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import (
    ChallengeState,
    CodeResponse,
    CodeUsed,
    Enrolment,
    FactorChallenge,
    FactorResponse,
    VerifiedFactor,
)
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.request_context import RequestContext
from models import Credential, User

TIME_STEP = 30
SECRET_BYTES = 20  # 160 bits: RFC 4226 section 4, R6
DRIFT = (0, 1, -1)
"""Accepted time steps back from now: one, for network delay and slow clocks (RFC 6238 section 5.2),
and one ahead, as phones run ahead as often as behind (section 6)."""


@dataclass(frozen=True)
class Secret:
    """The secret shared with the app, in base32."""

    secret: str


class Totp:
    """A shared secret from which an app computes codes."""

    schema = CodeResponse
    amr = ("otp",)
    strong = True
    needs_phone = False
    next_after_failure = (
        "Wait for the next code of your app and type that one."
        " If it does not work either, set the clock of your phone to automatic."
    )

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Create a secret; return it as base32, as an `otpauth:` URI and as a QR code of it."""
        secret = Secret(crypto.random_base32(SECRET_BYTES))
        issuer = config.settings().service_name
        uri = pyotp.TOTP(secret.secret).provisioning_uri(name=user.email, issuer_name=issuer)
        qr_svg = segno.make(uri, micro=False).svg_inline(scale=4)
        return Enrolment(asdict(secret), {"secret": secret.secret, "uri": uri, "qr_svg": qr_svg})

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Verify a first code of the app.

        Raises:
            InvalidCode: the code is wrong.
        """
        _consume_step(row, _matching_step(row, response.code))

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Send nothing: the app shows the code."""
        return FactorChallenge()

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Return the enrolled app that a code comes from, and consume the code's time step.

        Raises:
            InvalidCode: the code matches no app and accepted time step.
            CodeUsed: its time step or a later one was used before.
        """
        for row in enrolled:
            step = _matching_step(row, response.code, default=0)
            if step:
                _consume_step(row, step)
                return VerifiedFactor(row, self.amr)
        raise InvalidCode


def _matching_step(row: Credential, code: str, default: int | None = None) -> int:
    """Return the time step of a code within `DRIFT`, or `default` if it matches none.

    Raises:
        InvalidCode: it matches none, and there is no default.
    """
    app = pyotp.HOTP(Secret(**credential_store.load_data(row)).secret)
    now = clock.unix_time() // TIME_STEP  # the server's clock only (RFC 6238 section 6)
    matching = [
        now - back for back in DRIFT if crypto.constant_time_equal(app.at(now - back), code)
    ]
    if not matching and default is None:
        raise InvalidCode
    return matching[0] if matching else default or 0


def _consume_step(row: Credential, step: int) -> None:
    """Consume a time step, in one UPDATE so that each works once (RFC 6238 section 5.2)."""
    unused = update(Credential).where(Credential.id == row.id, Credential.counter < step)
    updated = db.session.execute(unused.values(counter=step).returning(Credential.id))
    if updated.first() is None:
        raise CodeUsed


plugin = Totp()
