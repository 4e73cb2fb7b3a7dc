"""Starting: the defaults of development, and the errors that stop the start."""

import os
import stat

import pytest

from config import ConfigurationError, Settings
from tests.child_processes import PythonProcess, run_flask
from tests.config.conftest import PRODUCTION
from tests.conftest import environment, key, running
from tests.servers import free_port

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

def report(*_server):
    loaded = "parser" in vars(ua_parser), blocklist._ranks.cache_info().currsize
    print("loaded", *loaded, flush=True)

report()
serve._run_server = report
with create_app().app_context():
    serve.serve.callback()
"""


@pytest.fixture
def develop(tmp_path):
    """Read settings for development, with the data folder `instance`."""

    def develop(**changes):
        environ = {"GATEHOUSE_ENV": "development", "GATEHOUSE_DATA_DIR": str(tmp_path / "instance")}
        return Settings.from_environment(environ | changes)

    return develop


def flask(*arguments, **environment):
    """Run a command with these environment variables only."""
    return run_flask(*arguments, environment={"PATH": os.environ["PATH"], **environment})


# Development


def test_development_generates_its_keys_once(develop, tmp_path):
    first, second = develop(), develop()

    rings = [(s.secret_keys, s.encryption_keys, s.password_peppers) for s in (first, second)]
    assert rings[0] == rings[1]
    assert len({ring.keys["dev"] for ring in rings[0]}) == 3
    assert {file.name for file in (tmp_path / "instance").iterdir()} == FILES


@pytest.mark.requirement("CF-02")
def test_development_keys_can_be_read_by_their_owner_only(develop, tmp_path):
    old = os.umask(0)
    try:
        develop()
    finally:
        os.umask(old)

    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "instance").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700


def test_development_keys_are_the_same_for_eight_processes_that_start_together(tmp_path):
    instance = tmp_path / "instance"
    env = {"GATEHOUSE_ENV": "development", "GATEHOUSE_DATA_DIR": str(instance)}
    outputs = [tmp_path / f"output-{number}" for number in range(8)]
    starting = [PythonProcess(["-c", READ], env, file) for file in outputs]

    assert [process.wait(100) for process in starting] == [0] * 8
    assert len({file.read_text() for file in outputs}) == 1
    assert {file.name for file in instance.iterdir()} == FILES


def test_development_listens_on_the_loopback_address(develop):
    settings = develop(PORT="8123")

    assert (settings.host, settings.public_url) == ("127.0.0.1", "http://localhost:8123")


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_development_listens_on_the_network_only_with_the_insecure_setting(develop, host):
    with pytest.raises(ConfigurationError, match=r"listens on 127\.0\.0\.1 only"):
        develop(GATEHOUSE_HOST=host)

    insecure = develop(GATEHOUSE_HOST=host, GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK="true")
    assert insecure.host == host


def test_development_accepts_settings_that_production_rejects(develop):
    settings = develop(
        GATEHOUSE_BCRYPT_COST="4",
        GATEHOUSE_PUBLIC_URL="http://gatehouse.test",
        GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true",
    )

    assert settings.bcrypt_cost == 4
    assert settings.unsafe_allow_unverified_email


# The command


def test_serve_loads_large_data_before_the_workers_are_forked(store, tmp_path):
    output = tmp_path / "output"

    settings = environment(store) | {"PORT": str(free_port()), "TMPDIR": str(tmp_path)}
    served = PythonProcess(["-c", SERVE], settings, output)

    assert served.wait(100) == 0, output.read_text()
    lines = [line for line in output.read_text().splitlines() if line.startswith("loaded")]
    assert lines == ["loaded False 0", "loaded True 1"]


@pytest.mark.requirement("CF-02")
def test_serve_reports_invalid_settings_without_their_values_or_a_traceback():
    sesame = f"k1:{key(0)[5:-4]}"

    result = flask("serve", **PRODUCTION | {"GATEHOUSE_SECRET_KEYS": sesame, "PORT": "sesame"})

    assert result.returncode == 1
    assert "PORT must be a whole number from 1 to 65535." in result.stderr
    assert "GATEHOUSE_SECRET_KEYS needs keys of exactly 32 bytes" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert "sesame" not in result.stderr + result.stdout
    assert sesame not in result.stderr + result.stdout


def test_serve_rejects_a_database_that_does_not_store_utf_8(postgres_store):
    with postgres_store.sql_ascii() as url:
        result = flask("serve", **PRODUCTION, DATABASE_URL=url)

    assert result.returncode == 1
    assert "stores text as SQL_ASCII: create it again, with ENCODING 'UTF8'" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


@pytest.mark.requirement("CF-02")
def test_log_of_a_running_service_contains_no_key(settings_environment, capsys):
    with running(settings_environment) as app:
        app.test_client().post("/auth/login", json={"identifier": "unknown", "password": "wrong"})
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
            "GATEHOUSE_MFA requires a second factor, but GATEHOUSE_FACTORS enables none",
        ),
        (
            {"GATEHOUSE_FACTORS": "recovery_codes", "GATEHOUSE_MFA": "required_for_roles"},
            "GATEHOUSE_MFA requires a second factor, but GATEHOUSE_FACTORS enables none",
        ),
    ],
)
def test_start_rejects_factors_that_cannot_satisfy_the_mfa_policy(store, changes, sentence):
    with pytest.raises(ConfigurationError) as problem, running(environment(store) | changes):
        pass

    assert problem.value.message.startswith(sentence)
    assert "\n" not in problem.value.message


def test_start_accepts_no_second_factor_when_mfa_is_optional(store):
    with running(environment(store) | {"GATEHOUSE_FACTORS": "recovery_codes"}) as app:
        assert app.name == "gatehouse"
