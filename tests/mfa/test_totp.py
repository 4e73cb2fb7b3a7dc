"""TOTP: test vectors of the standard, and an independent generator."""

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


def independent_totp(secret, moment):
    """Return the code of a time (Unix seconds), computed without the library."""
    key, step = base64.b32decode(secret), struct.pack(">Q", moment // 30)
    digest = hmac.new(key, step, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


@pytest.mark.requirement("MF-03")
def test_totp_codes_equal_the_vectors_of_the_standard():
    for moment, code in VECTORS.items():
        computed = pyotp.HOTP(RFC_SECRET).at(moment // totp.TIME_STEP)

        assert computed == independent_totp(RFC_SECRET, moment) == code[-6:], moment


@pytest.mark.requirement("MF-04")
def test_totp_enrolment_returns_secret_uri_and_qr_code(app, client, make_user):
    user = make_user()
    signed_in = client.as_(client.log_in(user))

    enrolled = signed_in.post("/auth/mfa/factors", {"kind": "totp", "label": "Phone"}).json

    assert len(base64.b32decode(enrolled["secret"])) == 20
    parsed = pyotp.parse_uri(enrolled["uri"])
    assert (parsed.secret, parsed.name) == (enrolled["secret"], user.email)
    assert enrolled["qr_svg"].startswith("<svg")
    assert enrolled["confirmed"] is False


@pytest.mark.requirement("MF-04")
def test_totp_that_is_unconfirmed_is_neither_required_nor_listed(app, client, make_user):
    user = make_user()
    client.as_(client.log_in(user)).post("/auth/mfa/factors", {"kind": "totp"})

    tokens = client.log_in(user)

    assert tokens["status"] == "authenticated"
    assert client.as_(tokens).get("/auth/mfa/factors").json["items"] == []
    assert rows(app, Credential)[0].confirmed_at is None


def test_totp_code_of_an_independent_generator_is_accepted(client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)

    code = independent_totp(user.secret, int(time.time()))

    assert client.complete_mfa(user, challenge, code=code)["status"] == "authenticated"


@pytest.mark.requirement("RG-06")
def test_recovery_codes_are_long_and_unique_and_replaced_as_a_set(app, client, make_user):
    user = make_user(factors=["totp"])
    old = user.recovery_codes
    tokens = client.complete_mfa(user, client.log_in(user))

    new = client.as_(tokens).post("/auth/mfa/recovery-codes").json["recovery_codes"]

    assert len(set(old + new)) == 20
    assert all(len(code.replace("-", "")) * 5 >= 64 for code in new)
    challenge = client.log_in(user)
    form = {"mfa_token": challenge["mfa_token"], "factor": "recovery_codes"}
    assert client.post("/auth/login/mfa", form | {"code": old[0]}).status_code == 401
    assert client.post("/auth/login/mfa", form | {"code": new[0].upper()}).status_code == 200
    assert all(code.encode() not in row.data for code in new for row in rows(app, Credential))
