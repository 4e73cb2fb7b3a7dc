"""Every hasher on the shelf keeps the same promises."""

import pytest

from gatehouse.core import plugins
from gatehouse.passwords.hasher import Costs, WrongPassword

SHELF = "gatehouse.passwords.hashers"
CHEAP = Costs(bcrypt=4, argon2_memory=64, argon2_passes=1)
DEARER = Costs(bcrypt=5, argon2_memory=128, argon2_passes=1)
SECRET = b"x" * 63 + b"1"
ALMOST = b"x" * 63 + b"2"
SALT, TAG = "A" * 22, "A" * 43
TOO_COSTLY = [
    "$2b$17$" + "." * 53,
    "$2b$31$" + "." * 53,
    f"$argon2id$v=19$m=131073,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=4194304,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=64,t=11,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=64,t=4294967295,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=1024,t=1,p=17${SALT}${TAG}",
]
MALFORMED = [
    "",
    "x",
    "hunter2",
    "\0",
    "$",
    "$2b$",
    "$2b$12$",
    "$2b$03$" + "." * 53,
    "$2b$04$" + "z" * 53,
    "$2b$٠٤$" + "." * 53,
    "$2c$04$" + "." * 53,
    "$argon2id$",
    f"$argon2id$v=19$m=0,t=0,p=0${SALT}${TAG}",
    f"$argon2id$v=19$m=4,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=64,t=1,p=1${'A' * 13}${TAG}",
    f"$argon2id$v=18$m=64,t=1,p=1${SALT}${TAG}",
    f"$argon2xx$v=19$m=64,t=1,p=1${SALT}${TAG}",
    f"$argon2id$v=19$m=64,t=1,p=1${SALT}${'A' * 5000}",
    "$pbkdf2-sha256$600000$c2FsdA$aGFzaA",
    "é" * 60,
]


def load(name):
    return plugins.load(SHELF, [name])[name]


@pytest.fixture(params=plugins.names(SHELF))
def piece(request):
    return load(request.param)


@pytest.fixture
def hasher(piece):
    return piece(CHEAP)


def test_a_hash_is_verified_by_the_secret_that_made_it(hasher):
    stored = hasher.hash(SECRET)

    hasher.verify(stored, SECRET)

    assert hasher.understands(stored)


@pytest.mark.requirement("PW-03")
@pytest.mark.parametrize("other", [ALMOST, SECRET[:-1], SECRET.upper(), SECRET + b" ", b"", b"\0"])
def test_any_other_secret_is_wrong(hasher, other):
    stored = hasher.hash(SECRET)

    with pytest.raises(WrongPassword):
        hasher.verify(stored, other)


@pytest.mark.requirement("PW-11")
def test_two_hashes_of_one_secret_differ_by_their_salt(hasher):
    assert hasher.hash(SECRET) != hasher.hash(SECRET)


@pytest.mark.requirement("PW-11")
def test_a_hash_is_current_until_the_configured_cost_changes(piece):
    stored = piece(CHEAP).hash(SECRET)

    assert piece(CHEAP).is_current(stored)
    assert not piece(DEARER).is_current(stored)
    assert not piece(CHEAP).is_current(piece(DEARER).hash(SECRET))


@pytest.mark.requirement("PW-11")
def test_a_hash_of_another_cost_is_still_verified(piece):
    stored = piece(DEARER).hash(SECRET)

    piece(CHEAP).verify(stored, SECRET)

    with pytest.raises(WrongPassword):
        piece(CHEAP).verify(stored, ALMOST)


@pytest.mark.parametrize("costs", [CHEAP, DEARER])
def test_a_decoy_costs_what_a_new_hash_costs_and_is_never_verified(piece, costs):
    hasher = piece(costs)

    decoy = hasher.decoy()

    assert hasher.understands(decoy)
    assert hasher.is_current(decoy)
    with pytest.raises(WrongPassword):
        hasher.verify(decoy, SECRET)


@pytest.mark.parametrize("stored", MALFORMED)
def test_a_malformed_hash_is_a_wrong_password_and_not_current(hasher, stored):
    with pytest.raises(WrongPassword):
        hasher.verify(stored, SECRET)

    assert not hasher.is_current(stored)


def test_a_hash_with_a_character_more_or_less_is_a_wrong_password(hasher):
    stored = hasher.hash(SECRET)

    for damaged in (stored[:-1], stored[1:], stored + "\n", stored + "\0", " " + stored):
        with pytest.raises(WrongPassword):
            hasher.verify(damaged, SECRET)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("stored", TOO_COSTLY)
def test_a_hash_that_costs_too_much_is_refused_unread(hasher, stored):
    with pytest.raises(WrongPassword):
        hasher.verify(stored, SECRET)


def test_the_hash_of_every_other_hasher_is_foreign(piece):
    own = piece(CHEAP)
    others = [other for name in plugins.names(SHELF) if (other := load(name)) is not piece]

    for other in others:
        stored = other(CHEAP).hash(SECRET)

        assert not own.understands(stored)
        assert not own.is_current(stored)
        with pytest.raises(WrongPassword):
            own.verify(stored, SECRET)


@pytest.mark.requirement("PW-11")
def test_the_default_costs_are_the_documented_ones_and_stand_in_the_hash(piece):
    hasher = piece(Costs())

    stored = hasher.hash(SECRET)

    hasher.verify(stored, SECRET)
    assert hasher.is_current(stored)
    assert stored.startswith(("$2b$12$", "$argon2id$v=19$m=19456,t=2,p=1$"))


@pytest.mark.parametrize("version", ["2a", "2y"])
def test_bcrypt_hashes_of_other_makers_are_verified_and_due_for_renewal(version):
    hasher = load("bcrypt")(CHEAP)
    stored = f"${version}" + hasher.hash(SECRET).removeprefix("$2b")

    hasher.verify(stored, SECRET)

    assert hasher.understands(stored)
    assert not hasher.is_current(stored)
