"""Forged passkey responses: only a response that obeys every rule of WebAuthn is accepted."""

import os
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from models import Credential
from tests.log_lines import read_log_lines
from tests.mfa.authenticator import BE, BS, UP, UV, Authenticator, b64, cose, unb64
from tests.mfa.conftest import (
    MALFORMED,
    REJECTED,
    VERIFY,
    is_rejected,
    is_success,
    rejection_reasons,
    status_and_code,
)
from tests.rows import audited, rows

FOREIGN_ORIGINS = [
    "https://localhost:8000",
    "http://localhost:8001",
    "http://localhost",
    "http://sub.localhost:8000",
    "http://localhost:8000.evil.example",
    "http://localhost.:8000",
    "http://localhost:8000/",
    "HTTP://LOCALHOST:8000",
    "http://127.0.0.1:8000",
    "null",
    "",
]


def test_unchanged_response_is_accepted(perform_ceremony):
    assert is_success(perform_ceremony())


@pytest.mark.requirement("WA-02")
def test_client_data_type_must_be_the_one_of_the_ceremony(app, perform_ceremony):
    expected = {"register": "create", "sign_in": "get"}[perform_ceremony.__name__]
    types = {"webauthn.create", "webauthn.get", "WEBAUTHN.GET", "webauthn.gett", "payment.get", ""}

    outcomes = [
        status_and_code(perform_ceremony(type=kind)) for kind in types - {f"webauthn.{expected}"}
    ]

    assert outcomes == [REJECTED] * 5
    assert all("client data type" in reason for reason in rejection_reasons(app))


@pytest.mark.requirement("WA-03")
def test_origin_must_match_exactly(app, perform_ceremony):
    outcomes = [status_and_code(perform_ceremony(origin=origin)) for origin in FOREIGN_ORIGINS]

    assert outcomes == [REJECTED] * len(FOREIGN_ORIGINS)
    assert all("client data origin" in reason for reason in rejection_reasons(app))


@pytest.mark.requirement("WA-03")
@pytest.mark.settings(GATEHOUSE_PASSKEY_ORIGINS="https://app.example.com, https://shop.example")
def test_origin_from_the_settings_is_accepted(perform_ceremony):
    assert is_rejected(perform_ceremony(origin="https://app.example.com.evil.example"))
    assert is_rejected(perform_ceremony(origin="https://sub.shop.example"))
    assert is_success(perform_ceremony(origin="https://shop.example"))


@pytest.mark.requirement("WA-04")
def test_rp_id_of_another_domain_is_rejected(app, perform_ceremony):
    domains = ["evil.example", "sub.localhost", "localhost:8000", ""]

    assert [status_and_code(perform_ceremony(rp_id=domain)) for domain in domains] == [REJECTED] * 4
    assert rejection_reasons(app) == ["Unexpected RP ID hash"] * 4


@pytest.mark.requirement("WA-04")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
@pytest.mark.settings(GATEHOUSE_PASSKEY_RP_ID="example.com")
def test_rp_id_can_be_the_parent_domain(new_browser):
    browser = new_browser(origin="https://id.example.com", rp_id="example.com")

    assert browser.request_options("registration")["public_key"]["rp"]["id"] == "example.com"
    assert browser.request_options()["public_key"]["rpId"] == "example.com"
    assert is_rejected(browser.register(rp_id="id.example.com"))
    assert is_success(browser.register())
    assert is_success(browser.sign_in())


@pytest.mark.requirement("WA-05")
def test_passwordless_login_needs_user_presence_and_verification(app, perform_ceremony):
    assert [status_and_code(perform_ceremony(flags=flags)) for flags in (0, UV, UP)] == [
        REJECTED
    ] * 3
    assert all("present" in reason or "verif" in reason for reason in rejection_reasons(app))


@pytest.mark.requirement("WA-06")
def test_backup_state_needs_backup_eligibility(app, perform_ceremony):
    assert is_rejected(perform_ceremony(flags=UP | UV | BS))
    assert "backed up" in rejection_reasons(app)[0]


@pytest.mark.requirement("WA-06")
@pytest.mark.parametrize(("registered", "later"), [(0, BE), (0, BE | BS), (BE, 0), (BE | BS, 0)])
def test_backup_eligibility_must_not_change(app, browser, registered, later):
    assert is_success(browser.register(flags=UP | UV | registered))

    changed = browser.sign_in(flags=UP | UV | later)

    assert is_rejected(changed)
    assert changed.json["next"].endswith("remove this passkey, and set it up anew.")
    assert rejection_reasons(app) == ["backup eligibility changed"]
    assert is_success(browser.sign_in(flags=UP | UV | registered))


@pytest.mark.requirement("WA-06")
def test_backup_state_is_stored_and_a_synced_passkey_has_amr_swk(app, browser):
    browser.register(flags=UP | UV | BE)
    [before] = [row.data for row in rows(app, Credential, kind="passkey")]

    response = browser.sign_in(flags=UP | UV | BE | BS)

    [row] = rows(app, Credential, kind="passkey")
    sessions = browser.client.as_(response.json).get("/auth/sessions").json["items"]
    assert "swk" in sessions[0]["amr"]
    assert row.data != before
    assert row.last_used_at is not None


@pytest.mark.requirement("WA-07")
def test_frame_of_another_origin_is_rejected(app, perform_ceremony):
    overrides = [
        {"cross_origin": True},
        {"cross_origin": True, "top_origin": "https://evil.example"},
        {"cross_origin": True, "top_origin": "http://localhost:8000"},
        {"top_origin": "https://evil.example"},
    ]

    assert [status_and_code(perform_ceremony(**override)) for override in overrides] == [
        REJECTED
    ] * 4
    assert rejection_reasons(app) == ["page in a frame of another origin"] * 4


@pytest.mark.requirement("WA-07")
@pytest.mark.settings(GATEHOUSE_PASSKEY_TOP_ORIGINS="https://portal.example")
def test_frame_of_an_origin_from_the_settings_is_accepted(perform_ceremony):
    assert is_rejected(perform_ceremony(cross_origin=True))
    assert is_rejected(perform_ceremony(cross_origin=True, top_origin="https://evil.example"))
    assert is_rejected(perform_ceremony(top_origin="https://portal.example"))
    assert is_success(perform_ceremony(cross_origin=True, top_origin="https://portal.example"))


P256 = partial(ec.generate_private_key, ec.SECP256R1())
RSA = partial(rsa.generate_private_key, 65537)


@pytest.mark.requirement("WA-08")
@pytest.mark.parametrize("make", [P256, ed25519.Ed25519PrivateKey.generate, partial(RSA, 2048)])
def test_key_of_each_offered_algorithm_is_accepted(new_browser, make):
    browser = new_browser(key=make())
    offered = browser.request_options("registration")["public_key"]["pubKeyCredParams"]

    assert [kind["alg"] for kind in offered] == [-7, -8, -257]
    assert is_success(browser.register())
    assert is_success(browser.sign_in())


def invalid_keys():
    """Yield a name, and a COSE key that is invalid or of an algorithm that was not offered."""
    valid = cose(P256())
    yield "ES384", {**cose(ec.generate_private_key(ec.SECP384R1())), 3: -35, -1: 2}
    yield "another algorithm", {**valid, 3: -38}
    yield "no algorithm", {1: 2, -1: 1, -2: valid[-2], -3: valid[-3]}
    yield "another curve", {**valid, -1: 2}
    yield "a point off the curve", {**valid, -3: bytes(31) + b"\x01"}
    yield "an Ed25519 key for ES256", {**cose(ed25519.Ed25519PrivateKey.generate()), 3: -7}
    yield "a short RSA key", cose(RSA(1024))
    yield "a huge RSA key", {1: 3, 3: -257, -1: b"\xff" * 4096, -2: b"\x01\x00\x01"}
    yield "no key", {}
    yield "text", {1: "2", 3: "-7"}


@pytest.mark.requirement("WA-08")
def test_key_that_is_invalid_or_not_offered_is_rejected(app, browser):
    outcomes = {name: status_and_code(browser.register(cose=key)) for name, key in invalid_keys()}

    assert outcomes == dict.fromkeys(outcomes, REJECTED)
    assert rows(app, Credential, kind="passkey") == []


@pytest.mark.requirement("WA-08")
def test_signature_that_was_changed_is_rejected(registered_browser):
    def flip(data, byte):
        changed = bytearray(data)
        changed[byte] ^= 1
        return bytes(changed)

    changes = [lambda _: b"\0", *(partial(flip, byte=byte) for byte in (0, 10, -1))]
    outcomes = [
        status_and_code(registered_browser.sign_in(change_signature=change)) for change in changes
    ]

    assert outcomes == [REJECTED] * 4
    assert is_rejected(registered_browser.sign_in(key=P256()))
    assert is_success(registered_browser.sign_in())


@pytest.mark.requirement("WA-08")
def test_signed_data_cannot_be_changed(registered_browser):
    options = registered_browser.request_options()
    credential = registered_browser.authenticator.get(options["public_key"])
    for name in ("authenticatorData", "clientDataJSON"):
        data = unb64(credential["response"][name])
        changed = data.replace(b"false", b"false ") if name[0] == "c" else data[:36] + b"\x07"
        forged = {**credential, "response": {**credential["response"], name: b64(changed)}}
        form = {"login_token": options["login_token"], "credential": forged}

        response = registered_browser.client.post(VERIFY.format("authentication"), form)

        assert is_rejected(response)


@pytest.mark.requirement("WA-08")
def test_signature_that_is_empty_is_rejected(registered_browser):
    response = registered_browser.sign_in(change_signature=lambda _: b"")

    assert (response.status_code, response.json["code"]) == (422, "validation_failed")


@pytest.mark.requirement("WA-08")
def test_signature_with_another_key_for_the_credential_id_of_another_user_is_rejected(
    registered_browser, new_browser
):
    attacker = new_browser(credential_id=registered_browser.authenticator.credential_id)
    attacker.authenticator.user_handle = registered_browser.authenticator.user_handle

    assert is_rejected(attacker.sign_in())
    assert is_success(registered_browser.sign_in())


@pytest.mark.requirement("WA-09")
def test_counter_that_does_not_increase_is_rejected_and_audited(app, new_browser):
    browser = new_browser(counter=5)
    assert is_success(browser.register())
    assert is_success(browser.sign_in())

    assert [status_and_code(browser.sign_in(counter=value)) for value in (0, 3, 6)] == [
        REJECTED
    ] * 3

    events = audited(app, "passkey.clone_suspected")
    [row] = rows(app, Credential, kind="passkey")
    counters = [(e.details["sign_count"], e.details["stored_sign_count"]) for e in events]
    assert counters == [(0, 6), (3, 6), (6, 6)]
    assert ({e.user_id for e in events}, row.counter) == ({row.user_id}, 6)
    assert is_success(browser.sign_in(counter=7))


@pytest.mark.requirement("WA-09")
def test_counter_is_not_evaluated_if_the_signature_is_wrong(app, new_browser):
    browser = new_browser(counter=5)
    browser.register()

    assert is_rejected(browser.sign_in(counter=2, key=P256()))
    assert audited(app, "passkey.clone_suspected") == []


@pytest.mark.requirement("WA-10")
def test_credential_id_has_at_most_1023_bytes(new_browser):
    assert is_success(new_browser(credential_id=os.urandom(1023)).register())
    assert new_browser(credential_id=os.urandom(1024)).register().status_code == 422
    assert (
        status_and_code(new_browser().register(credential_id=b"", id="AA", raw_id="AA"))
        == MALFORMED
    )
    assert status_and_code(new_browser().register(id_length=1024, extra=bytes(2000))) == MALFORMED


@pytest.mark.requirement("WA-10")
@pytest.mark.stores
def test_credential_id_belongs_to_one_user_only(app, registered_browser, new_browser):
    attacker = new_browser(credential_id=registered_browser.authenticator.credential_id)

    assert is_rejected(attacker.register())

    assert rejection_reasons(app) == ["credential id known"]
    assert len(rows(app, Credential, kind="passkey")) == 1
    assert is_success(registered_browser.sign_in())


@pytest.mark.requirement("WA-10")
def test_credential_id_and_raw_id_must_be_equal(perform_ceremony):
    overrides = [{"id": "AAAA"}, {"raw_id": "AAAA"}, {"id": "A", "raw_id": "A"}]

    assert {perform_ceremony(**override).status_code for override in overrides} <= {400, 401}


@pytest.mark.requirement("WA-10")
def test_credential_id_must_be_the_one_of_the_authenticator(app, browser):
    assert is_rejected(browser.register(id="AAAA", raw_id="AAAA"))
    assert rejection_reasons(app) == ["credential id differs from the authenticator's"]


@pytest.mark.requirement("WA-10")
def test_creation_options_exclude_the_registered_passkeys(registered_browser):
    [excluded] = registered_browser.request_options("registration")["public_key"][
        "excludeCredentials"
    ]

    assert excluded["id"] == b64(registered_browser.authenticator.credential_id)
    assert excluded["transports"] == ["internal"]  # the unknown one is dropped


@pytest.mark.requirement("WA-11")
def test_user_handle_of_another_user_is_rejected(app, registered_browser, new_browser):
    attacker = new_browser()
    assert is_success(attacker.register())

    forged = attacker.sign_in(user_handle=registered_browser.authenticator.user_handle)
    without = attacker.sign_in(user_handle=None)
    response = attacker.sign_in()

    assert (status_and_code(forged), status_and_code(without)) == (REJECTED, REJECTED)
    assert rejection_reasons(app) == ["user handle of another user", "passkey unknown"]
    assert response.json["user"]["email"] == attacker.user.email


@pytest.mark.requirement("WA-11")
def test_passkey_that_is_not_registered_is_rejected(app, registered_browser):
    unregistered = Authenticator(user_handle=registered_browser.authenticator.user_handle)
    registered_browser.authenticator = unregistered

    assert is_rejected(registered_browser.sign_in())
    assert rejection_reasons(app) == ["passkey unknown"]


@pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS="https://app.example.com")
@pytest.mark.requirement("WA-03")
def test_passkey_on_an_allowed_origin_that_has_none_names_the_setting(
    app, perform_ceremony, capsys
):
    response = perform_ceremony(origin="https://app.example.com")

    assert is_rejected(response)
    assert "GATEHOUSE_PASSKEY_ORIGINS" in response.json["detail"]  # in development
    assert rejection_reasons(app) == ["origin is not in GATEHOUSE_PASSKEY_ORIGINS"]
    [line] = [line for line in read_log_lines(capsys) if line["level"] == "warning"]
    assert line["origin"] == "https://app.example.com"
    assert "GATEHOUSE_PASSKEY_ORIGINS" in line["event"]
