"""Malformed passkey responses are rejected cleanly, never with a server error."""

from functools import partial

import cbor2
import pytest

from models import Credential
from tests.mfa.authenticator import ED, UP, UV, unb64
from tests.mfa.conftest import (
    MALFORMED,
    REJECTED,
    is_rejected,
    is_success,
    rejection_reasons,
    status_and_code,
)
from tests.rows import rows


def nested(depth):
    return b"\x81" * depth + b"\x00"


def malformed_attestations():
    """Yield a name, and a function that makes an attestation object malformed."""
    yield "bytes after it", lambda data: data + b"\x00"
    yield "truncated", lambda data: data[:-1]
    yield "an empty map", lambda _: b"\xa0"
    yield "a number", lambda _: b"\x00"
    yield "10000 levels", lambda _: nested(10_000)
    yield "5 levels in the statement", lambda data: data.replace(b"\xa0", nested(4), 1)
    yield "a length beyond the end", lambda _: b"\xa1\x63fmt\x7b" + b"\x7f" * 8
    yield "a map of 2**63 entries", lambda _: b"\xbb\x7f" + b"\xff" * 7
    yield "a map of indefinite length", lambda data: b"\xbf" + data[1:] + b"\xff"
    yield "a tag", lambda data: b"\xd8\x1c" + data
    yield "no format", lambda data: cbor2.dumps({**cbor2.loads(data), "fmt": 1})
    yield "a statement that is a list", lambda d: cbor2.dumps({**cbor2.loads(d), "attStmt": []})
    yield "no data", lambda data: cbor2.dumps({**cbor2.loads(data), "authData": b""})
    yield "data that is text", lambda d: cbor2.dumps({**cbor2.loads(d), "authData": "a" * 200})


@pytest.mark.requirement("WA-13")
def test_attestation_object_that_is_malformed_is_rejected_cleanly(app, browser):
    responses = {
        name: status_and_code(browser.register(change_object=override))
        for name, override in malformed_attestations()
    }

    assert responses == dict.fromkeys(responses, MALFORMED)
    assert rows(app, Credential) == []


@pytest.mark.requirement("WA-13")
def test_authenticator_data_that_is_malformed_is_rejected_cleanly(perform_ceremony):
    overrides = [
        {"extra": b"\x00"},
        {"flags": UP | UV | ED},
        {"flags": UP | UV | ED, "extra": nested(10_000)[:3000]},
        {"flags": UP | UV | ED, "extra": b"\xa0\x00"},
        {"change_auth_data": lambda data: data[:36]},
    ]

    assert [status_and_code(perform_ceremony(**override)) for override in overrides] == [
        MALFORMED
    ] * 5


@pytest.mark.requirement("WA-13")
def test_authenticator_data_extensions_are_ignored(perform_ceremony):
    assert is_success(perform_ceremony(flags=UP | UV | ED, extra=cbor2.dumps({"credProtect": 2})))


@pytest.mark.requirement("WA-13")
def test_client_data_that_is_malformed_is_rejected_cleanly(perform_ceremony):
    overrides = [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"type":1,"challenge":2,"origin":3}',
    ]

    responses = [
        status_and_code(perform_ceremony(change_client_data=lambda _, override=override: override))
        for override in overrides
    ]

    assert responses == [MALFORMED] * 6
    assert perform_ceremony(change_client_data=lambda _: b"").status_code == 422


@pytest.mark.requirement("WA-13")
def test_attestation_of_format_none_must_have_an_empty_statement(browser):
    assert is_rejected(browser.register(statement={"x": 1}))
    assert is_rejected(browser.register(statement={"sig": b"", "alg": -7}))


@pytest.mark.requirement("WA-13")
def test_attestation_of_an_unsupported_format_is_rejected(app, browser):
    formats = ["android-safetynet", "tpm", "apple", "fido-u2f", "unknown"]

    assert [status_and_code(browser.register(fmt=name)) for name in formats] == [REJECTED] * 5
    assert rejection_reasons(app) == ["attestation format not supported"] * 5


@pytest.mark.requirement("WA-13")
def test_attestation_object_with_any_byte_changed_is_no_server_error(browser):
    options = browser.request_options("registration")
    unchanged = browser.authenticator.create(options["public_key"])["response"]
    length = len(unb64(unchanged["attestationObject"]))

    def change(data, at):
        return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]

    statuses = set()
    for at in range(0, length, 3):
        response = browser.register(change_object=partial(change, at=at))
        statuses.add(response.status_code)

    assert statuses <= {201, 400, 401}
    assert {400, 401} <= statuses
