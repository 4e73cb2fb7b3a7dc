"""What is not written as the standard wants it is refused cleanly, whatever it is instead."""

from functools import partial

import cbor2
import pytest

from models import Credential
from tests.mfa.authenticator import ED, UP, UV, unb64
from tests.mfa.conftest import MALFORMED, REFUSED, succeeds, told, whys
from tests.rows import rows


def nested(depth):
    return b"\x81" * depth + b"\x00"


def cbor_that_lies():
    """Yield functions over the attestation object that make something else of it."""
    yield "bytes behind it", lambda data: data + b"\x00"
    yield "an end too early", lambda data: data[:-1]
    yield "nothing", lambda _: b"\xa0"
    yield "a number", lambda _: b"\x00"
    yield "10000 levels", lambda _: nested(10_000)
    yield "5 levels in the statement", lambda data: data.replace(b"\xa0", nested(4), 1)
    yield "a length beyond the end", lambda _: b"\xa1\x63fmt\x7b" + b"\x7f" * 8
    yield "a map of 2**63 entries", lambda _: b"\xbb\x7f" + b"\xff" * 7
    yield "an open map", lambda data: b"\xbf" + data[1:] + b"\xff"
    yield "a tag", lambda data: b"\xd8\x1c" + data
    yield "no form", lambda data: cbor2.dumps({**cbor2.loads(data), "fmt": 1})
    yield "a statement that is a list", lambda d: cbor2.dumps({**cbor2.loads(d), "attStmt": []})
    yield "no data", lambda data: cbor2.dumps({**cbor2.loads(data), "authData": b""})
    yield "data that is text", lambda d: cbor2.dumps({**cbor2.loads(d), "authData": "a" * 200})


@pytest.mark.requirement("WA-13")
def test_malformed_attestation_is_refused_cleanly(app, browser):
    answers = {name: told(browser.register(change_object=lie)) for name, lie in cbor_that_lies()}

    assert answers == dict.fromkeys(answers, MALFORMED)
    assert rows(app, Credential) == []


@pytest.mark.requirement("WA-13")
def test_malformed_authenticator_data_is_refused_cleanly(perform):
    lies = [
        {"extra": b"\x00"},
        {"flags": UP | UV | ED},
        {"flags": UP | UV | ED, "extra": nested(10_000)[:3000]},
        {"flags": UP | UV | ED, "extra": b"\xa0\x00"},
        {"change_auth_data": lambda data: data[:36]},
    ]

    assert [told(perform(**lie)) for lie in lies] == [MALFORMED] * 5


@pytest.mark.requirement("WA-13")
def test_extensions_that_are_announced_are_read_over(perform):
    assert succeeds(perform(flags=UP | UV | ED, extra=cbor2.dumps({"credProtect": 2})))


@pytest.mark.requirement("WA-13")
def test_malformed_client_data_is_refused_cleanly(perform):
    lies = [b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'{"type":1,"challenge":2,"origin":3}']

    answers = [told(perform(change_client_data=lambda _, lie=lie: lie)) for lie in lies]

    assert answers == [MALFORMED] * 6
    assert perform(change_client_data=lambda _: b"").status_code == 422


@pytest.mark.requirement("WA-13")
def test_attestation_that_is_none_says_nothing(browser):
    assert told(browser.register(statement={"x": 1})) == REFUSED
    assert told(browser.register(statement={"sig": b"", "alg": -7})) == REFUSED


@pytest.mark.requirement("WA-13")
def test_attestation_of_another_form_is_refused(app, browser):
    forms = ["android-safetynet", "tpm", "apple", "fido-u2f", "unknown"]

    assert [told(browser.register(fmt=form)) for form in forms] == [REFUSED] * 5
    assert whys(app) == ["attestation of another form"] * 5


@pytest.mark.requirement("WA-13")
def test_no_byte_of_a_true_answer_can_be_changed_into_an_error_of_ours(browser):
    asked = browser.options("registration")
    truth = browser.authenticator.create(asked["public_key"])["response"]
    length = len(unb64(truth["attestationObject"]))

    def change(data, at):
        return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]

    statuses = set()
    for at in range(0, length, 3):
        answer = browser.register(change_object=partial(change, at=at))
        statuses.add(answer.status_code)

    assert statuses <= {201, 400, 401}
    assert {400, 401} <= statuses
