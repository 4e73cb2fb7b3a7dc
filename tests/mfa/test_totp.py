"""Authenticator apps: the vectors of the standard, and a generator of our own."""

import base64
import hashlib
import hmac
import struct
import time

import pyotp
import pytest

from gatehouse.mfa.factors import totp
from models import Credential
from tests.rows import rows

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = {59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924"}
"""RFC 6238 appendix B, SHA-1; six digits are their last six (RFC 4226 section 5.3)."""


def independent(secret, moment):
    key, step = base64.b32decode(secret), struct.pack(">Q", moment // 30)
    digest = hmac.new(key, step, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


@pytest.mark.requirement("MF-03")
@pytest.mark.parametrize(("moment", "code"), VECTORS.items())
def test_the_vectors_of_the_standard(app, time_machine, moment, code):
    time_machine.move_to(moment)
    shown = pyotp.HOTP(RFC_SECRET).at(moment // totp.STEP)

    assert shown == independent(RFC_SECRET, moment) == code[-6:]


@pytest.mark.requirement("MF-04")
def test_what_is_shown_to_set_an_app_up(app, client, make_user):
    user = make_user()
    mine = client.as_(client.log_in(user))

    shown = mine.post("/auth/mfa/factors", {"kind": "totp", "label": "Phone"}).json

    assert len(base64.b32decode(shown["secret"])) == 20
    parsed = pyotp.parse_uri(shown["uri"])
    assert (parsed.secret, parsed.name) == (shown["secret"], user.email)
    assert shown["qr_svg"].startswith("<svg")
    assert shown["confirmed"] is False


@pytest.mark.requirement("MF-04")
def test_a_factor_that_was_not_confirmed_is_neither_asked_for_nor_shown(app, client, make_user):
    user = make_user()
    client.as_(client.log_in(user)).post("/auth/mfa/factors", {"kind": "totp"})

    tokens = client.log_in(user)

    assert tokens["status"] == "authenticated"
    assert client.as_(tokens).get("/auth/mfa/factors").json["items"] == []
    assert rows(app, Credential)[0].confirmed_at is None


def test_a_code_of_an_independent_generator_is_taken(client, make_user):
    user = make_user(factors=["totp"])
    question = client.log_in(user)

    code = independent(user.secret, int(time.time()))

    assert client.second_step(user, question, code=code)["status"] == "authenticated"


@pytest.mark.requirement("RG-06")
def test_recovery_codes_are_long_different_and_replaced_as_a_set(app, client, make_user):
    user = make_user(factors=["totp"])
    old = user.recovery_codes
    tokens = client.second_step(user, client.log_in(user))

    new = client.as_(tokens).post("/auth/mfa/recovery-codes").json["recovery_codes"]

    assert len(set(old + new)) == 20
    assert all(len(code.replace("-", "")) * 5 >= 64 for code in new)
    question = client.log_in(user)
    form = {"mfa_token": question["mfa_token"], "factor": "recovery_codes"}
    assert client.post("/auth/login/mfa", form | {"code": old[0]}).status_code == 401
    assert client.post("/auth/login/mfa", form | {"code": new[0].upper()}).status_code == 200
    assert all(code.encode() not in row.data for code in new for row in rows(app, Credential))
