"""The contract of password hashers, run against every plugin."""

import pytest

from gatehouse.core import plugins
from gatehouse.passwords.hasher import Costs, WrongPassword

PACKAGE = "gatehouse.passwords.hashers"
CHEAP = Costs(bcrypt=4, argon2_memory=64, argon2_passes=1)
EXPENSIVE = Costs(bcrypt=5, argon2_memory=128, argon2_passes=1)
SECRET = b"x" * 63 + b"1"
OTHER_SECRET = b"x" * 63 + b"2"
SALT, TAG = "A" * 22, "A" * 43
TOO_EXPENSIVE = [
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


def load_hasher(name):
    return plugins.load(PACKAGE, [name])[name]


def verifies(hasher, stored, secret):
    """Return whether a secret matches a stored hash."""
    try:
        hasher.verify(stored, secret)
    except WrongPassword:
        return False
    return True


@pytest.fixture(params=plugins.list_names(PACKAGE))
def factory(request):
    return load_hasher(request.param)


@pytest.fixture
def hasher(factory):
    return factory(CHEAP)


def test_hasher_verifies_and_identifies_its_own_hash(hasher):
    stored = hasher.hash(SECRET)

    hasher.verify(stored, SECRET)

    assert hasher.identify(stored)


@pytest.mark.requirement("PW-03")
def test_hasher_rejects_any_other_secret(hasher):
    stored = hasher.hash(SECRET)

    for other in (OTHER_SECRET, SECRET[:-1], SECRET.upper(), SECRET + b" ", b"", b"\0"):
        assert not verifies(hasher, stored, other), other


@pytest.mark.requirement("PW-11")
def test_hasher_salts_every_hash(hasher):
    assert hasher.hash(SECRET) != hasher.hash(SECRET)


@pytest.mark.requirement("PW-11")
def test_hasher_needs_a_rehash_after_a_change_of_cost(factory):
    stored = factory(CHEAP).hash(SECRET)

    assert not factory(CHEAP).needs_rehash(stored)
    assert factory(EXPENSIVE).needs_rehash(stored)
    assert factory(CHEAP).needs_rehash(factory(EXPENSIVE).hash(SECRET))


@pytest.mark.requirement("PW-11")
def test_hasher_verifies_a_hash_of_another_cost(factory):
    stored = factory(EXPENSIVE).hash(SECRET)

    factory(CHEAP).verify(stored, SECRET)

    with pytest.raises(WrongPassword):
        factory(CHEAP).verify(stored, OTHER_SECRET)


@pytest.mark.parametrize("costs", [CHEAP, EXPENSIVE])
def test_hasher_dummy_hash_has_the_cost_of_a_new_hash_and_is_never_verified(factory, costs):
    hasher = factory(costs)

    dummy = hasher.dummy_hash()

    assert hasher.identify(dummy)
    assert not hasher.needs_rehash(dummy)
    with pytest.raises(WrongPassword):
        hasher.verify(dummy, SECRET)


def test_hasher_rejects_a_malformed_hash(hasher):
    for stored in MALFORMED:
        assert not verifies(hasher, stored, SECRET), stored
        assert hasher.needs_rehash(stored), stored


def test_hasher_rejects_a_hash_with_a_character_more_or_less(hasher):
    stored = hasher.hash(SECRET)

    for damaged in (stored[:-1], stored[1:], stored + "\n", stored + "\0", " " + stored):
        with pytest.raises(WrongPassword):
            hasher.verify(damaged, SECRET)


@pytest.mark.timeout(30)  # each of them would take hours
def test_hasher_rejects_a_too_expensive_hash_without_work(hasher):
    for stored in TOO_EXPENSIVE:
        assert not verifies(hasher, stored, SECRET), stored


def test_hasher_rejects_the_hashes_of_every_other_hasher(factory):
    own = factory(CHEAP)
    others = [
        other for name in plugins.list_names(PACKAGE) if (other := load_hasher(name)) is not factory
    ]

    for other in others:
        stored = other(CHEAP).hash(SECRET)

        assert not own.identify(stored)
        assert own.needs_rehash(stored)
        with pytest.raises(WrongPassword):
            own.verify(stored, SECRET)


@pytest.mark.requirement("PW-11")
def test_hasher_default_costs_are_the_documented_ones(factory):
    hasher = factory(Costs())

    stored = hasher.hash(SECRET)

    hasher.verify(stored, SECRET)
    assert not hasher.needs_rehash(stored)
    assert stored.startswith(("$2b$12$", "$argon2id$v=19$m=19456,t=2,p=1$"))


@pytest.mark.parametrize("version", ["2a", "2y"])
def test_bcrypt_hashes_of_other_versions_are_verified_and_need_a_rehash(version):
    hasher = load_hasher("bcrypt")(CHEAP)
    stored = f"${version}" + hasher.hash(SECRET).removeprefix("$2b")

    hasher.verify(stored, SECRET)

    assert hasher.identify(stored)
    assert hasher.needs_rehash(stored)
