"""Whatever browser and authenticator say, only an answer that obeys every rule is accepted."""

import os
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from models import Credential
from tests.mfa.authenticator import BE, BS, UP, UV, Authenticator, b64, cose, unb64
from tests.mfa.conftest import MALFORMED, REFUSED, succeeds, told, whys
from tests.rows import audited, rows

STRANGE_ORIGINS = [
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


def test_the_truth_is_accepted(perform):
    assert succeeds(perform())


@pytest.mark.requirement("WA-02")
def test_the_ceremony_must_be_the_one_that_was_asked(app, perform):
    truth = {"register": "create", "sign_in": "get"}[perform.__name__]
    kinds = {"webauthn.create", "webauthn.get", "WEBAUTHN.GET", "webauthn.gett", "payment.get", ""}

    answers = [told(perform(type=lie)) for lie in kinds - {f"webauthn.{truth}"}]

    assert answers == [REFUSED] * 5
    assert all("client data type" in why for why in whys(app))


@pytest.mark.requirement("WA-03")
def test_an_origin_is_compared_whole(app, perform):
    answers = [told(perform(origin=origin)) for origin in STRANGE_ORIGINS]

    assert answers == [REFUSED] * len(STRANGE_ORIGINS)
    assert all("client data origin" in why for why in whys(app))


@pytest.mark.requirement("WA-03")
@pytest.mark.settings(GATEHOUSE_PASSKEY_ORIGINS="https://app.example.com, https://shop.example")
def test_origins_of_the_settings_may_use_passkeys_and_no_others(perform):
    assert told(perform(origin="https://app.example.com.evil.example")) == REFUSED
    assert told(perform(origin="https://sub.shop.example")) == REFUSED
    assert succeeds(perform(origin="https://shop.example"))


@pytest.mark.requirement("WA-04")
def test_a_passkey_of_another_domain_is_refused(app, perform):
    domains = ["evil.example", "sub.localhost", "localhost:8000", ""]

    assert [told(perform(rp_id=domain)) for domain in domains] == [REFUSED] * 4
    assert whys(app) == ["Unexpected RP ID hash"] * 4


@pytest.mark.requirement("WA-04")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
@pytest.mark.settings(GATEHOUSE_PASSKEY_RP_ID="example.com")
def test_passkeys_can_belong_to_the_parent_domain(new_browser):
    browser = new_browser(origin="https://id.example.com", rp_id="example.com")

    assert browser.options("registration")["public_key"]["rp"]["id"] == "example.com"
    assert browser.options()["public_key"]["rpId"] == "example.com"
    assert told(browser.register(rp_id="id.example.com")) == REFUSED
    assert succeeds(browser.register())
    assert succeeds(browser.sign_in())


@pytest.mark.requirement("WA-05")
def test_who_signs_in_without_anything_else_is_present_and_verified(app, perform):
    assert [told(perform(flags=flags)) for flags in (0, UV, UP)] == [REFUSED] * 3
    assert all("present" in why or "verif" in why for why in whys(app))


@pytest.mark.requirement("WA-06")
def test_what_cannot_be_backed_up_is_not(app, perform):
    assert told(perform(flags=UP | UV | BS)) == REFUSED
    assert "backed up" in whys(app)[0]


@pytest.mark.requirement("WA-06")
@pytest.mark.parametrize(("first", "then"), [(0, BE), (0, BE | BS), (BE, 0), (BE | BS, 0)])
def test_a_passkey_stays_as_it_is_copied_or_not(app, browser, first, then):
    assert succeeds(browser.register(flags=UP | UV | first))

    assert told(browser.sign_in(flags=UP | UV | then)) == REFUSED
    assert whys(app) == ["backup eligibility changed"]
    assert succeeds(browser.sign_in(flags=UP | UV | first))


@pytest.mark.requirement("WA-06")
def test_a_passkey_that_is_copied_says_so_and_its_state_is_kept(app, browser):
    browser.register(flags=UP | UV | BE)
    [before] = [row.data for row in rows(app, Credential, kind="passkey")]

    answer = browser.sign_in(flags=UP | UV | BE | BS)

    [row] = rows(app, Credential, kind="passkey")
    sessions = browser.client.as_(answer.json).get("/auth/sessions").json["items"]
    assert "swk" in sessions[0]["amr"]
    assert row.data != before
    assert row.last_used_at is not None


@pytest.mark.requirement("WA-07")
def test_a_page_in_a_frame_of_another_site_is_refused(app, perform):
    lies = [
        {"cross_origin": True},
        {"cross_origin": True, "top_origin": "https://evil.example"},
        {"cross_origin": True, "top_origin": "http://localhost:8000"},
        {"top_origin": "https://evil.example"},
    ]

    assert [told(perform(**lie)) for lie in lies] == [REFUSED] * 4
    assert whys(app) == ["page in a frame of another site"] * 4


@pytest.mark.requirement("WA-07")
@pytest.mark.settings(GATEHOUSE_PASSKEY_TOP_ORIGINS="https://portal.example")
def test_a_site_of_the_settings_may_hold_the_page_in_a_frame(perform):
    assert told(perform(cross_origin=True)) == REFUSED
    assert told(perform(cross_origin=True, top_origin="https://evil.example")) == REFUSED
    assert told(perform(top_origin="https://portal.example")) == REFUSED
    assert succeeds(perform(cross_origin=True, top_origin="https://portal.example"))


P256 = partial(ec.generate_private_key, ec.SECP256R1())
RSA = partial(rsa.generate_private_key, 65537)


@pytest.mark.requirement("WA-08")
@pytest.mark.parametrize("make", [P256, ed25519.Ed25519PrivateKey.generate, partial(RSA, 2048)])
def test_a_key_of_each_algorithm_that_is_offered_works(new_browser, make):
    browser = new_browser(key=make())
    offered = browser.options("registration")["public_key"]["pubKeyCredParams"]

    assert [kind["alg"] for kind in offered] == [-7, -8, -257]
    assert succeeds(browser.register())
    assert succeeds(browser.sign_in())


def keys_that_lie():
    """Yield public keys that are not what they say, or not what was offered."""
    truth = cose(P256())
    yield "ES384", {**cose(ec.generate_private_key(ec.SECP384R1())), 3: -35, -1: 2}
    yield "another algorithm", {**truth, 3: -38}
    yield "no algorithm", {1: 2, -1: 1, -2: truth[-2], -3: truth[-3]}
    yield "another curve", {**truth, -1: 2}
    yield "a point off the curve", {**truth, -3: bytes(31) + b"\x01"}
    yield "an Ed25519 key for ES256", {**cose(ed25519.Ed25519PrivateKey.generate()), 3: -7}
    yield "a short RSA key", cose(RSA(1024))
    yield "a huge RSA key", {1: 3, 3: -257, -1: b"\xff" * 4096, -2: b"\x01\x00\x01"}
    yield "no key", {}
    yield "text", {1: "2", 3: "-7"}


@pytest.mark.requirement("WA-08")
def test_a_key_that_was_not_asked_for_is_refused(app, browser):
    answers = {name: told(browser.register(cose=key)) for name, key in keys_that_lie()}

    assert answers == dict.fromkeys(answers, REFUSED)
    assert rows(app, Credential, kind="passkey") == []


@pytest.mark.requirement("WA-08")
def test_a_signature_holds_for_what_was_signed_only(ready):
    def flip(data, byte):
        changed = bytearray(data)
        changed[byte] ^= 1
        return bytes(changed)

    changes = [lambda _: b"\0", *(partial(flip, byte=byte) for byte in (0, 10, -1))]
    answers = [told(ready.sign_in(change_signature=change)) for change in changes]

    assert answers == [REFUSED] * 4
    assert told(ready.sign_in(key=P256())) == REFUSED
    assert succeeds(ready.sign_in())


@pytest.mark.requirement("WA-08")
def test_nothing_that_was_signed_can_be_changed_afterwards(ready):
    asked = ready.options()
    credential = ready.authenticator.get(asked["public_key"])
    for name in ("authenticatorData", "clientDataJSON"):
        data = unb64(credential["response"][name])
        changed = data.replace(b"false", b"false ") if name[0] == "c" else data[:36] + b"\x07"
        response = {**credential["response"], name: b64(changed)}
        form = {"login_token": asked["login_token"]}

        answer = ready.client.post(
            "/auth/passkeys/authentication/verify",
            {**form, "credential": {**credential, "response": response}},
        )

        assert told(answer) == REFUSED


@pytest.mark.requirement("WA-08")
def test_an_empty_signature_is_refused(ready):
    answer = ready.sign_in(change_signature=lambda _: b"")

    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")


@pytest.mark.requirement("WA-08")
def test_the_passkey_of_somebody_else_cannot_be_named_with_a_key_of_ones_own(ready, new_browser):
    thief = new_browser(credential_id=ready.authenticator.credential_id)
    thief.authenticator.user_handle = ready.authenticator.user_handle

    assert told(thief.sign_in()) == REFUSED
    assert succeeds(ready.sign_in())


@pytest.mark.requirement("WA-09")
def test_a_counter_that_does_not_go_on_is_refused_and_told(app, new_browser):
    browser = new_browser(counter=5)
    assert succeeds(browser.register())
    assert succeeds(browser.sign_in())

    assert [told(browser.sign_in(counter=lie)) for lie in (0, 3, 6)] == [REFUSED] * 3

    recorded = audited(app, "passkey.counter_fell")
    [row] = rows(app, Credential, kind="passkey")
    assert [(e.details["told"], e.details["known"]) for e in recorded] == [(0, 6), (3, 6), (6, 6)]
    assert ({e.user_id for e in recorded}, row.counter) == ({row.user_id}, 6)
    assert succeeds(browser.sign_in(counter=7))


@pytest.mark.requirement("WA-09")
def test_a_wrong_signature_says_nothing_about_the_counter(app, new_browser):
    browser = new_browser(counter=5)
    browser.register()

    assert told(browser.sign_in(counter=2, key=P256())) == REFUSED
    assert audited(app, "passkey.counter_fell") == []


@pytest.mark.requirement("WA-10")
def test_a_credential_id_has_at_most_1023_bytes(new_browser):
    assert succeeds(new_browser(credential_id=os.urandom(1023)).register())
    assert new_browser(credential_id=os.urandom(1024)).register().status_code == 422
    assert told(new_browser().register(credential_id=b"", id="AA", raw_id="AA")) == MALFORMED
    assert told(new_browser().register(id_length=1024, extra=bytes(2000))) == MALFORMED


@pytest.mark.requirement("WA-10")
@pytest.mark.stores
def test_a_passkey_belongs_to_one_person_only(app, ready, new_browser):
    thief = new_browser(credential_id=ready.authenticator.credential_id)

    assert told(thief.register()) == REFUSED

    assert whys(app) == ["credential id known"]
    assert len(rows(app, Credential, kind="passkey")) == 1
    assert succeeds(ready.sign_in())


@pytest.mark.requirement("WA-10")
def test_a_credential_has_one_id(perform):
    lies = [{"id": "AAAA"}, {"raw_id": "AAAA"}, {"id": "A", "raw_id": "A"}]

    assert {perform(**lie).status_code for lie in lies} <= {400, 401}


@pytest.mark.requirement("WA-10")
def test_a_credential_id_is_the_one_of_the_authenticator(app, browser):
    assert told(browser.register(id="AAAA", raw_id="AAAA")) == REFUSED
    assert whys(app) == ["another credential id than the authenticator's"]


@pytest.mark.requirement("WA-10")
def test_options_name_the_passkeys_that_exist_so_that_none_is_made_twice(ready):
    [excluded] = ready.options("registration")["public_key"]["excludeCredentials"]

    assert excluded["id"] == b64(ready.authenticator.credential_id)
    assert excluded["transports"] == ["internal"]  # nobody knows a laser


@pytest.mark.requirement("WA-11")
def test_a_passkey_signs_in_its_owner_and_nobody_else(app, ready, new_browser):
    thief = new_browser()
    assert succeeds(thief.register())

    lie = thief.sign_in(user_handle=ready.authenticator.user_handle)
    silent = thief.sign_in(user_handle=None)
    answer = thief.sign_in()

    assert (told(lie), told(silent)) == (REFUSED, REFUSED)
    assert whys(app) == ["user handle of somebody else", "passkey unknown"]
    assert answer.json["user"]["email"] == thief.user.email


@pytest.mark.requirement("WA-11")
def test_a_passkey_that_nobody_has_registered_is_refused(app, ready):
    stranger = Authenticator(user_handle=ready.authenticator.user_handle)
    ready.authenticator = stranger

    assert told(ready.sign_in()) == REFUSED
    assert whys(app) == ["passkey unknown"]
