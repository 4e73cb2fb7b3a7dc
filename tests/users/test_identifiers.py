"""One canonical form of each identifier, decided once; whatever is no identifier is refused."""

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from gatehouse.database.session import db
from gatehouse.users import identifiers
from models import Challenge, OutboxMessage, User
from tests.client import PASSWORD
from tests.client import User as Person
from tests.letters import letter
from tests.rows import audited, rows
from tests.together import at_once

ADA = "Ada.L@buecher.example"
HIS, HERS = "mallory chose this phrase", "ada chose another phrase"
KELVIN, DOTLESS, LONG_S, FULL_WIDTH_A = "\u212a", "\u0131", "\u017f", "\uff41"
TRICKY = 'aK.-_@%=?"<>():; \r\n\0\xad\xdf' + KELVIN + DOTLESS + LONG_S + FULL_WIDTH_A
TRICKY += "\u3002\u0130\u0307\u200b\u200d\u0660\ud800\U000e0001"
ODD = st.text(alphabet=st.sampled_from(TRICKY), max_size=40)

NO_ADDRESSES = [
    f"ad{DOTLESS}@example.com",
    f"{KELVIN}ate@example.com",
    f"je{LONG_S}@example.com",
    f"{FULL_WIDTH_A}da@example.com",
    "ada\r\n@example.com",
    "ada@example.com\r\nBcc: eve@example.com",
    "ada@example.com%0d%0aBcc:eve@example.com",
    "ada@example.com\n",
    " ada@example.com",
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
]
SPELLINGS = [
    ("Ada@Example.com", "aDA@eXAMPLE.COM"),
    ("ada@b\xfccher.example", "ada@xn--bcher-kva.example"),
    ("ada@b\xfccher.example", "ADA@BU\u0308CHER.example"),
    ("ada@kino.example", f"ada@{KELVIN}ino.example"),
    ("ada@example.com", f"ada@ex{FULL_WIDTH_A}mple.com"),
    ("ada@example.com", "ada@example\u3002com"),
]
DIFFERENT_PEOPLE = [
    ("ada@exit.example", f"ada@ex{DOTLESS}t.example"),
    ("ada@strasse.example", "ada@stra\xdfe.example"),
    ("ada@example.com", "ada%0d%0a@example.com"),
    ("ada@example.com", "ada+x@example.com"),
    ("ada@example.com", "a.da@example.com"),
    ("ada@evil.example", "ada%example.com@evil.example"),
]


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_what_is_no_plain_address_is_refused_with_a_sentence(app, client):
    answers = [client.register(text) for text in NO_ADDRESSES]

    for text, answer in zip(NO_ADDRESSES, answers, strict=True):
        assert answer.status_code == 422, text
        assert answer.json["errors"].keys() == {"email"}, text
        assert answer.json["errors"]["email"][0]["message"], text
    assert rows(app, OutboxMessage) + rows(app, Challenge) == []


@pytest.mark.requirement("RG-08")
@pytest.mark.parametrize(("stored", "other"), SPELLINGS)
def test_two_spellings_of_an_address_are_one_account_and_its_mail_goes_to_the_stored_one(
    app, client, stored, other
):
    client.register(stored)
    client.verify(identifiers.email(stored).address)
    [user] = rows(app, User)

    client.register(other)

    assert [event.user_id for event in audited(app, "registration.address_known")] == [user.id]
    assert [mail["to"] for mail in client.mailbox()] == [user.email, user.email]
    assert (
        client.post("/auth/login", {"identifier": other, "password": PASSWORD}).status_code == 200
    )


@pytest.mark.requirement("RG-08")
@pytest.mark.parametrize(("one", "other"), DIFFERENT_PEOPLE)
def test_addresses_that_only_look_alike_are_different_people(app, client, one, other):
    client.register(one)
    client.register(other)

    recipients = {mail["to"] for mail in client.mailbox()}

    assert recipients == {identifiers.email(one).address, identifiers.email(other).address}
    for address in recipients:
        assert client.verify(address).status_code == 200
    assert {user.email for user in rows(app, User)} == recipients


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_the_database_itself_refuses_a_second_account_of_an_address(app, make_user):
    make_user(email="ada@example.com")

    with app.app_context():
        db.session.add(User(email="ADA@example.com", email_canonical="ada@example.com"))
        with pytest.raises(sa.exc.IntegrityError):
            db.session.flush()


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_spellings_registered_at_once_become_one_account(app, client):
    spellings = ("ada@example.com", "ADA@example.com", "ada@EXAMPLE.com")
    clients = {spelling: client.as_("") for spelling in spellings}

    at_once(*(lambda who=who, email=email: who.register(email) for email, who in clients.items()))
    client.verify("ada@example.com")

    assert [user.email_canonical for user in rows(app, User)] == ["ada@example.com"]
    assert rows(app, Challenge) == []


@pytest.mark.requirement("RG-08")
@pytest.mark.stores
def test_an_account_keeps_the_address_as_its_owner_wrote_it(app, client):
    client.register(ADA)
    client.verify(ADA)

    [user] = rows(app, User)

    assert (user.email, user.email_canonical) == (ADA, ADA.lower())
    assert client.mailbox()[0]["to"] == ADA


@pytest.mark.stores
def test_every_spelling_of_every_identifier_logs_in(client):
    client.sign_up(Person("ada@example.com", username="Ada.L"), phone="+49 151 12345678")
    addresses, usernames = ["ADA@Example.COM", "ada@example.com"], ["Ada.L", "ada.L", "ADA.l"]
    numbers = ["+4915112345678", "+49 151 123 456 78", "+49(151)12345678"]

    for identifier in addresses + usernames + numbers:
        answer = client.post("/auth/login", {"identifier": identifier, "password": PASSWORD})

        assert answer.status_code == 200, identifier
        assert answer.json["user"]["email"] == "ada@example.com"


@pytest.mark.stores
def test_the_first_who_names_a_number_signs_in_with_it_until_somebody_proves_it(
    app, client, make_user
):
    first, second = (
        make_user(phone="+4915112345678", password=password) for password in (HIS, HERS)
    )

    def sign_in(user):
        form = {"identifier": "+4915112345678", "password": user.password}
        return client.post("/auth/login", form).status_code

    before = [sign_in(first), sign_in(second)]
    with app.app_context():
        prove = sa.update(User).where(User.email == second.email)
        db.session.execute(prove.values(phone_verified_at=sa.func.now()))
        db.session.commit()
    after = [sign_in(first), sign_in(second)]

    assert (before, after) == ([200, 401], [401, 200])


def test_a_username_is_short_plain_and_like_no_other_identifier(client):
    short_and_long, edges = ["ab", "a" * 33], [".ada", "ada.", "-ada", "a da", "ada\n"]
    other_identifiers = ["ada@home", "+4915112345678", "ad\u0131"]

    for username in short_and_long + edges + other_identifiers:
        answer = client.register("ada@example.com", username=username)

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {"username"})


def test_a_phone_number_comes_with_its_country(client):
    for phone in ("0151 12345678", "+", "+49", "phone", "+49151" + "1" * 20, "\uff0b49"):
        answer = client.register("ada@example.com", phone=phone)

        assert (answer.status_code, answer.json["errors"].keys()) == (422, {"phone"})


def canonical(read, text):
    """Return the canonical form, or None for what is refused as all readers refuse."""
    try:
        return read(text)
    except ValueError:
        return None


@pytest.mark.requirement("RG-08")
@given(st.builds("{}@{}".format, ODD, ODD) | st.emails() | st.text())
def test_the_canonical_form_of_an_address_is_its_own_and_plain(text):
    found = canonical(identifiers.email, text)

    if found is not None:
        again = identifiers.email(found.canonical)
        assert again.canonical == again.address == found.canonical == found.address.lower()
        assert identifiers.email(found.address) == found
        assert found.address.isascii()
        assert found.address.isprintable()


@example("+3580000000")
@example("+49-006 0 0710")
@given(st.text() | st.from_regex(r"\+[0-9 ()\-]{1,20}", fullmatch=True) | ODD)
def test_the_canonical_forms_of_usernames_and_numbers_are_their_own(text):
    for read in (identifiers.username, identifiers.phone):
        found = canonical(read, text)

        assert found is None or read(found) == found


def test_a_code_is_mailed_to_the_address_as_it_was_written(client):
    client.register("Ada@EXAMPLE.com")

    assert client.mailbox()[0]["to"] == "Ada@example.com"
    assert len(letter(client, "ada@example.com")["code"]) == 8
