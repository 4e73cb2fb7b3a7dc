"""Identifiers: one canonical form of each, and malformed ones are rejected."""

from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from gatehouse.database.session import db
from gatehouse.users import identifiers
from models import OneTimeCode, OutboxMessage, User
from tests.client import PASSWORD
from tests.client import User as ClientUser
from tests.mail_links import read_mail
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

ADA = "Ada.L@buecher.example"
MALLORY_PASSWORD, ADA_PASSWORD = "mallory chose this phrase", "ada chose another phrase"
KELVIN, DOTLESS, LONG_S, FULL_WIDTH_A = "\u212a", "\u0131", "\u017f", "\uff41"
TRICKY = 'aK.-_@%=?"<>():; \r\n\0\xad\xdf' + KELVIN + DOTLESS + LONG_S + FULL_WIDTH_A
TRICKY += "\u3002\u0130\u0307\u200b\u200d\u0660\ud800\U000e0001"
ODD = st.text(alphabet=st.sampled_from(TRICKY), max_size=40)

MALFORMED_EMAILS = [
    f"ad{DOTLESS}@example.com",
    f"{KELVIN}ate@example.com",
    f"je{LONG_S}@example.com",
    f"{FULL_WIDTH_A}da@example.com",
    "ada\r\n@example.com",
    "ada@example.com\r\nBcc: eve@example.com",
    "ada@example.com%0d%0aBcc:eve@example.com",
    "ada@example.com\n",
    "ada @example.com",
    '"ada"@example.com',
    '"ada@example.com"@example.com',
    "=?utf-8?q?ada?=@example.com",
    "=?x?q?ada=40example.com=3e?=@evil.example",
    "Ada <ada@example.com>",
    "ada@example.com,eve@example.com",
    "ada@eve@example.com",
    "ada(comment)@example.com",
    "ada@[127.0.0.1]",
    "ada@localhost",
    "ada\u200b@example.com",
    "ada@exam\xadple.com",
    "ada",
    "@example.com",
    "ada@",
    f"ada@{'a' * 250}.example",
    f"{'a' * 65}@example.com",
]
SPELLINGS = [
    ("Ada@Example.com", "aDA@eXAMPLE.COM"),
    ("ben@b\xfccher.example", "ben@xn--bcher-kva.example"),
    ("cid@b\xfccher.example", "CID@BU\u0308CHER.example"),
    ("dan@kino.example", f"dan@{KELVIN}ino.example"),
    ("eva@example.com", f"eva@ex{FULL_WIDTH_A}mple.com"),
    ("fay@example.com", "fay@example\u3002com"),
    ("hal@example.com", " \u200bhal@example.com\u00a0"),
    (f"{'g' * 64}@example.com", f"{'G' * 64}@example.com"),
]
LOOKALIKES = [
    ("ada@exit.example", f"ada@ex{DOTLESS}t.example"),
    ("ben@strasse.example", "ben@stra\xdfe.example"),
    ("cid@example.com", "cid%0d%0a@example.com"),
    ("dan@example.com", "dan+x@example.com"),
    ("eva@example.com", "e.va@example.com"),
    ("fay@evil.example", "fay%example.com@evil.example"),
]


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_email_that_is_malformed_is_rejected_with_a_message(app, client):
    responses = [client.register(text) for text in MALFORMED_EMAILS]

    for text, response in zip(MALFORMED_EMAILS, responses, strict=True):
        assert response.status_code == 422, text
        assert response.json["errors"].keys() == {"email"}, text
        assert response.json["errors"]["email"][0]["message"], text
    assert rows(app, OutboxMessage) + rows(app, OneTimeCode) == []


@pytest.mark.requirement("RG-08")
def test_email_spellings_are_one_account_and_messages_go_to_the_stored_one(app, client):
    for stored, other in SPELLINGS:
        client.register(stored)
        email = identifiers.parse_email(stored).as_written
        client.verify(email)
        [user] = [user for user in rows(app, User) if user.email == email]

        client.register(other)

        assert audited(app, "registration.email_taken")[-1].user_id == user.id, other
        assert [mail["to"] for mail in client.mailbox()][:2] == [email, email], other
        form = {"identifier": other, "password": PASSWORD}
        assert client.post("/auth/login", form).status_code == 200, other
    assert len(audited(app, "registration.email_taken")) == len(SPELLINGS)
    assert len(client.mailbox()) == 2 * len(SPELLINGS)


@pytest.mark.requirement("RG-08")
def test_email_addresses_that_look_alike_are_different_accounts(app, client):
    written = [identifiers.parse_email(text).as_written for pair in LOOKALIKES for text in pair]
    for pair in LOOKALIKES:
        for text in pair:
            client.register(text)

    assert {mail["to"] for mail in client.mailbox()} == set(written)
    for email in written:
        assert client.verify(email).status_code == 200, email
    assert sorted(user.email for user in rows(app, User)) == sorted(written)


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_email_is_unique_in_the_database(app, make_user):
    make_user(email="ada@example.com")

    with app.app_context():
        db.session.add(User(email="ADA@example.com", email_canonical="ada@example.com"))
        with pytest.raises(sa.exc.IntegrityError):
            db.session.flush()


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_email_spellings_registered_in_parallel_become_one_account(app, client):
    spellings = ("ada@example.com", "ADA@example.com", "ada@EXAMPLE.com")
    requests = [partial(client.as_("").register, spelling) for spelling in spellings]

    run_in_parallel(*requests)
    client.verify("ada@example.com")

    assert [user.email_canonical for user in rows(app, User)] == ["ada@example.com"]
    assert rows(app, OneTimeCode) == []


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_email_is_stored_as_its_owner_wrote_it(app, client):
    client.register(ADA)
    client.verify(ADA)

    [user] = rows(app, User)

    assert (user.email, user.email_canonical) == (ADA, ADA.lower())
    assert client.mailbox()[0]["to"] == ADA


@pytest.mark.stores
def test_identifier_logs_in_in_every_spelling(client):
    client.sign_up(ClientUser("ada@example.com", username="Ada.L"), phone="+49 151 12345678")
    emails, usernames = ["ADA@Example.COM", "ada@example.com"], ["Ada.L", "ada.L", "ADA.l"]
    numbers = ["+4915112345678", "+49 151 123 456 78", "+49(151)12345678"]

    for identifier in emails + usernames + numbers:
        response = client.post("/auth/login", {"identifier": identifier, "password": PASSWORD})

        assert response.status_code == 200, identifier
        assert response.json["user"]["email"] == "ada@example.com"


@pytest.mark.stores
def test_phone_number_identifies_the_first_user_until_another_verifies_it(app, client, make_user):
    first, second = (
        make_user(phone="+4915112345678", password=password)
        for password in (MALLORY_PASSWORD, ADA_PASSWORD)
    )

    def sign_in(user):
        form = {"identifier": "+4915112345678", "password": user.password}
        return client.post("/auth/login", form).status_code

    before = [sign_in(first), sign_in(second)]
    with app.app_context():
        statement = sa.update(User).where(User.email == second.email)
        db.session.execute(statement.values(phone_verified_at=sa.func.now()))
        db.session.commit()
    after = [sign_in(first), sign_in(second)]

    assert (before, after) == ([200, 401], [401, 200])


def test_username_rejects_other_lengths_characters_and_identifiers(client):
    short_and_long, edges = ["ab", "a" * 33], [".ada", "ada.", "-ada", "a da", "ada\n"]
    other_identifiers = ["ada@home", "+4915112345678", "ad\u0131"]

    for username in short_and_long + edges + other_identifiers:
        response = client.register("ada@example.com", username=username)

        assert (response.status_code, response.json["errors"].keys()) == (422, {"username"})


def test_phone_number_needs_a_country_code(client):
    for phone in ("0151 12345678", "+", "+49", "phone", "+49151" + "1" * 20, "\uff0b49"):
        response = client.register("ada@example.com", phone=phone)

        assert (response.status_code, response.json["errors"].keys()) == (422, {"phone"})


def test_phone_number_that_no_code_can_reach_is_rejected_with_the_reason(client):
    reasons = {
        "+4912": "too short",
        "+1555": "too short",
        "+1555" + "0" * 10: "too long",
        "+49 151 12345678 ext. 5": "extension",
        "+4915112345678;ext=5": "extension",
        "0151 12345678": "with its country",
    }

    for phone, reason in reasons.items():
        response = client.register("ada@example.com", phone=phone)

        assert response.status_code == 422, phone
        assert reason in response.json["errors"]["phone"][0]["message"], phone


def canonicalize(parse, text):
    """Return the canonical form, or None if the parser rejects the text."""
    try:
        return parse(text)
    except ValueError:
        return None


@pytest.mark.requirement("RG-08")
@given(st.builds("{}@{}".format, ODD, ODD) | st.emails() | st.text())
def test_email_canonical_form_is_stable_and_printable_ascii(text):
    email = canonicalize(identifiers.parse_email, text)

    if email is not None:
        again = identifiers.parse_email(email.canonical)
        assert again.canonical == again.as_written == email.canonical == email.as_written.lower()
        assert identifiers.parse_email(email.as_written) == email
        assert email.as_written.isascii()
        assert email.as_written.isprintable()


@example("+3580000000")
@example("+49-006 0 0710")
@given(st.text() | st.from_regex(r"\+[0-9 ()\-]{1,20}", fullmatch=True) | ODD)
def test_username_and_phone_canonical_forms_are_stable(text):
    for parse in (identifiers.parse_username, identifiers.parse_phone):
        canonical = canonicalize(parse, text)

        assert canonical is None or parse(canonical) == canonical


def test_email_with_a_code_goes_to_the_address_as_it_was_written(client):
    client.register("Ada@EXAMPLE.com")

    assert client.mailbox()[0]["to"] == "Ada@example.com"
    assert len(read_mail(client, "ada@example.com")["code"]) == 8
