"""Starting: what development makes for itself, and what the command says when it cannot start."""

import os
import stat

import pytest

from config import ConfigurationError, Settings
from tests.config.conftest import PRODUCTION
from tests.conftest import environment, key, running
from tests.nursery import Python, run_flask
from tests.stores import free_port

FILES = {"secret_keys", "encryption_keys", "password_peppers"}
READ = """
from config import read_environment
settings = read_environment()
print(settings.secret_keys.keys, settings.encryption_keys.keys, settings.password_peppers.keys)
"""

SERVE = """
import ua_parser
from app import create_app
from gatehouse.cli import serve
from gatehouse.passwords import blocklist

def tell(_options):
    loaded = "parser" in vars(ua_parser), blocklist._ranks.cache_info().currsize
    print("loaded", *loaded, flush=True)

tell([])
serve._become_the_server = tell
with create_app().app_context():
    serve.serve.callback()
"""


@pytest.fixture
def develop(tmp_path):
    """Read development's settings; what it makes for itself is in `instance`."""

    def develop(**changes):
        fixed = {"GATEHOUSE_ENV": "development", "GATEHOUSE_INSTANCE": str(tmp_path / "instance")}
        return Settings.from_environment(fixed | changes)

    return develop


def flask(*arguments, **environment):
    """Run a command as an operator does."""
    return run_flask(*arguments, environment={"PATH": os.environ["PATH"], **environment})


# Development


def test_development_makes_its_own_keys_once(develop, tmp_path):
    first, second = develop(), develop()

    rings = [(s.secret_keys, s.encryption_keys, s.password_peppers) for s in (first, second)]
    assert rings[0] == rings[1]
    assert len({ring.keys["dev"] for ring in rings[0]}) == 3
    assert {file.name for file in (tmp_path / "instance").iterdir()} == FILES


@pytest.mark.requirement("CF-02")
def test_only_their_owner_can_read_the_keys_of_development(develop, tmp_path):
    old = os.umask(0)
    try:
        develop()
    finally:
        os.umask(old)

    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "instance").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700


def test_eight_processes_that_start_at_once_make_one_set_of_keys(tmp_path):
    instance = tmp_path / "instance"
    env = {"GATEHOUSE_ENV": "development", "GATEHOUSE_INSTANCE": str(instance)}
    said = [tmp_path / f"said-{number}" for number in range(8)]
    starting = [Python(["-c", READ], env, file) for file in said]

    assert [process.wait(60) for process in starting] == [0] * 8
    assert len({file.read_text() for file in said}) == 1
    assert {file.name for file in instance.iterdir()} == FILES


def test_development_is_found_on_its_own_machine_only(develop):
    settings = develop(PORT="8123")

    assert (settings.host, settings.public_url) == ("127.0.0.1", "http://localhost:8123")


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_development_listens_on_the_network_only_when_told_so_loudly(develop, host):
    with pytest.raises(ConfigurationError, match=r"listens on 127\.0\.0\.1 only"):
        develop(GATEHOUSE_HOST=host)

    loud = develop(GATEHOUSE_HOST=host, GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK="true")
    assert loud.host == host


def test_development_may_use_what_production_refuses(develop):
    settings = develop(
        GATEHOUSE_BCRYPT_COST="4",
        GATEHOUSE_PUBLIC_URL="http://gatehouse.test",
        GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true",
    )

    assert settings.bcrypt_cost == 4
    assert settings.unsafe_allow_unverified_email


# The command


def test_what_is_slow_to_load_is_loaded_before_the_workers_are_forked(store, tmp_path):
    said = tmp_path / "said"

    settings = environment(store) | {"PORT": str(free_port()), "TMPDIR": str(tmp_path)}
    served = Python(["-c", SERVE], settings, said)

    assert served.wait(60) == 0, said.read_text()
    told = [line for line in said.read_text().splitlines() if line.startswith("loaded")]
    assert told == ["loaded False 0", "loaded True 1"]


@pytest.mark.requirement("CF-02")
def test_a_command_in_a_bad_environment_says_why_and_shows_no_trace():
    sesame = f"k1:{key(0)[5:-4]}"

    result = flask("serve", **PRODUCTION | {"GATEHOUSE_SECRET_KEYS": sesame, "PORT": "sesame"})

    assert result.returncode == 1
    assert "PORT must be a whole number from 1 to 65535." in result.stderr
    assert "GATEHOUSE_SECRET_KEYS needs keys of exactly 32 bytes" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert "sesame" not in result.stderr + result.stdout
    assert sesame not in result.stderr + result.stdout


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("postgresql://ada:sesame@127.0.0.1:9/gatehouse", ["serve"]),
        ("sqlite:////nowhere/gatehouse.db", ["passwords", "status"]),
    ],
)
def test_a_database_that_does_not_answer_is_told_in_a_sentence(url, command):
    result = flask(*command, **PRODUCTION, DATABASE_URL=url)

    assert result.returncode == 1
    assert "cannot be used (OperationalError): check DATABASE_URL" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert "sesame" not in result.stderr + result.stdout


def test_a_database_that_does_not_store_utf_8_stops_the_start(postgres_store):
    with postgres_store.of_bytes() as url:
        result = flask("serve", **PRODUCTION, DATABASE_URL=url)

    assert result.returncode == 1
    assert "stores text as SQL_ASCII: create it anew, with ENCODING 'UTF8'" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.parametrize("redis_url", ["redis://127.0.0.1:9/0", "redis://nobody:sesame@{valkey}"])
def test_a_redis_that_cannot_be_used_stops_the_start(store, valkey, redis_url):
    url = redis_url.format(valkey=valkey.removeprefix("redis://"))

    result = flask("serve", **PRODUCTION, DATABASE_URL=store, REDIS_URL=url)

    assert result.returncode == 1
    assert "REDIS_URL names a server that does not answer, or does not let us in" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert "sesame" not in result.stderr + result.stdout


@pytest.mark.requirement("CF-02")
def test_no_key_of_a_serving_application_stands_in_its_log(settings_environment, capsys):
    with running(settings_environment) as app:
        app.test_client().post("/auth/login", json={"identifier": "nobody", "password": "wrong"})
        app.test_client().get("/docs")

    log = capsys.readouterr().err
    keys = [settings_environment[f"GATEHOUSE_{name.upper()}"].partition(":")[2] for name in FILES]
    assert '"route": "/auth/login"' in log
    assert [material for material in keys if material in log] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"GATEHOUSE_FACTORS": "totp,horoscope"},
            "GATEHOUSE_FACTORS: mfa/factors has no 'horoscope'; it has ",
        ),
        (
            {"GATEHOUSE_FACTORS": "recovery_codes", "GATEHOUSE_MFA": "required"},
            "GATEHOUSE_MFA wants a second factor, and no kind in GATEHOUSE_FACTORS is one",
        ),
        (
            {"GATEHOUSE_FACTORS": "recovery_codes", "GATEHOUSE_MFA": "required_for_roles"},
            "GATEHOUSE_MFA wants a second factor, and no kind in GATEHOUSE_FACTORS is one",
        ),
    ],
)
def test_factors_that_nobody_could_sign_in_with_stop_the_start(store, changes, sentence):
    with pytest.raises(ConfigurationError) as problem, running(environment(store) | changes):
        pass

    assert problem.value.message.startswith(sentence)
    assert "\n" not in problem.value.message


def test_without_factors_nobody_has_to_have_one(store):
    with running(environment(store) | {"GATEHOUSE_FACTORS": "recovery_codes"}) as app:
        assert app.name == "gatehouse"
