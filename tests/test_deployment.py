"""Container image and compose.yaml, as far as they can be tested without Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import ConfigurationError, Settings
from gatehouse.settings.loader import environment_name
from tests.live_server import LiveServer
from tests.servers import free_port

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GATEHOUSE = SERVICES["gatehouse"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, without comments."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    words = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, " ".join(arguments.split())) for name, arguments in words]


def last_stage() -> list[tuple[str, str]]:
    every = instructions()
    start = max(number for number, (name, _) in enumerate(every) if name == "FROM")
    return every[start:]


def only(name: str) -> str:
    (arguments,) = [arguments for found, arguments in last_stage() if found == name]
    return arguments


def health_check() -> list[str]:
    command: list[str] = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    return [sys.executable, *command[1:]] if command[0] == "python" else command


def is_in_build_context(path: Path) -> bool:
    """Return whether .dockerignore includes a file; the last rule that matches decides."""
    name, sent = path.relative_to(ROOT).as_posix(), True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.removeprefix("!").removeprefix("**/")
        parts = name.split("/") if "**/" in line else [name.split("/")[0]]
        if rule and not rule.startswith("#") and any(fnmatch(part, rule) for part in parts):
            sent = line.startswith("!")
    return sent


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Copy the files that are in the container."""
    files = [path for path in list_files() if is_in_build_context(path)]
    for path in files:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def list_files() -> list[Path]:
    tops = (path for path in ROOT.iterdir() if path.name not in (".venv", ".git", "build"))
    return [file for top in tops for file in (top.rglob("*") if top.is_dir() else [top])
            if file.is_file()]  # fmt: skip


# The image


def test_container_does_not_run_as_root():
    user, _, group = only("USER").partition(":")

    assert int(user) > 0
    assert int(group) > 0


@pytest.mark.requirement("CF-06")
def test_image_contains_only_packages_with_locked_hashes():
    installations = [text for name, text in instructions() if name == "RUN" and "install " in text]
    pips = [text for text in installations if "pip " in text]

    assert len(pips) == 1
    assert "--require-hashes" in pips[0]
    assert "-r requirements.txt" in pips[0]


def test_container_runs_the_server_as_its_first_process():
    assert json.loads(only("CMD")) == ["gatehouse", "serve"]
    assert "ENTRYPOINT" not in dict(last_stage())


def test_image_contains_no_secret():
    names = {pair.partition("=")[0] for pair in shlex.split(only("ENV"))}

    assert not [name for name in names if re.search("KEY|SECRET|PEPPER|TOKEN|URL", name)]
    assert "ARG" not in dict(instructions())


@pytest.mark.requirement("CF-01")
def test_build_context_contains_the_code_only():
    tops = {path.relative_to(ROOT).parts[0] for path in list_files() if is_in_build_context(path)}

    assert tops == {
        *("app.py", "auth_routes.py", "config.py", "schemas.py"),
        *("bin", "gatehouse", "migrations", "models", "requirements.txt"),
    }


def test_image_contains_all_code_that_the_service_needs(image):
    environment = {"PATH": os.environ["PATH"], "GATEHOUSE_ENV": "development"}
    environment["GATEHOUSE_DATA_DIR"] = str(image / "instance")

    result = subprocess.run(
        [sys.executable, "-m", "flask", "routes"],
        cwd=image, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    assert "/auth/login" in result.stdout


def test_health_check_passes_while_the_service_is_ready(live: LiveServer):
    ready = subprocess.run(health_check(), env=live.environment, check=False)

    assert ready.returncode == 0


@pytest.mark.parametrize(
    ("host", "endpoint"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")]
)
def test_health_check_asks_where_the_service_listens(host, endpoint):
    family = socket.AF_INET6 if ":" in endpoint else socket.AF_INET
    with socket.create_server((endpoint, 0), family=family) as server:
        settings = {"GATEHOUSE_HOST": host, "PORT": str(server.getsockname()[1])}
        with subprocess.Popen(health_check(), env=settings, stderr=subprocess.DEVNULL) as check:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert check.returncode == 0


def test_command_of_the_container_is_on_its_path_and_runs_from_any_folder(image, tmp_path):
    folders = dict(pair.split("=", 1) for pair in shlex.split(only("ENV")))["PATH"].split(":")
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    environment |= {"GATEHOUSE_ENV": "development", "GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    (image / "bin" / "gatehouse").chmod(0o755)

    result = subprocess.run(
        [image / "bin" / "gatehouse", "--help"],
        cwd="/", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert folders[:2] == ["/venv/bin", "/app/bin"]
    assert os.access(ROOT / "bin" / "gatehouse", os.X_OK)
    assert result.returncode == 0, result.stderr
    assert "  doctor " in result.stdout


def test_data_folder_of_the_image_can_be_written_by_group_0():
    assert "--owner 10001 --group 0 --mode 0770 /data" in dict(last_stage()[::-1])["RUN"]


def test_health_check_fails_when_the_service_does_not_respond():
    environment = {"PORT": str(free_port())}

    result = subprocess.run(health_check(), env=environment, capture_output=True, check=False)

    assert result.returncode == 1


# compose.yaml


def test_compose_sends_mail_to_a_mailbox_on_this_machine():
    host, port = SERVICES["gatehouse"]["environment"]["SMTP_URL"].partition("://")[2].split(":")

    assert (host, port) == ("mailpit", "1025")
    assert SERVICES[host]["ports"] == ["127.0.0.1:8025:8025"]


def test_compose_publishes_ports_on_the_loopback_address_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_are_read_only_and_have_no_capabilities(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert name == "gatehouse" or service["user"] not in ("root", "0")


def test_compose_starts_the_service_when_its_stores_are_healthy():
    needed = GATEHOUSE["depends_on"]

    assert needed == {name: {"condition": "service_healthy"} for name in ("postgres", "redis")}
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in needed)


def test_compose_writes_to_volumes_or_memory_only():
    mounts = {volume.partition(":")[2] for volume in GATEHOUSE["volumes"]}
    folder = dict(pair.split("=", 1) for pair in shlex.split(only("ENV")))["GATEHOUSE_DATA_DIR"]

    assert mounts == {folder, only("VOLUME")}
    assert GATEHOUSE["tmpfs"] == ["/tmp"]


def test_compose_and_the_image_use_known_settings_only():
    known = {environment_name(field.name) for field in fields(Settings)}
    image = {pair.partition("=")[0] for pair in shlex.split(only("ENV"))}
    ours = {name for name in image if name.startswith("GATEHOUSE_")} | set(GATEHOUSE["environment"])

    assert ours - known == set()


def test_compose_environment_is_accepted_in_development(tmp_path):
    environ = GATEHOUSE["environment"] | {"GATEHOUSE_DATA_DIR": str(tmp_path)}

    settings = Settings.from_environment(environ)

    assert settings.host == "0.0.0.0"
    assert settings.database_url.endswith("@postgres/gatehouse")
    assert settings.redis_url.startswith("redis://redis:")


def test_compose_environment_is_rejected_in_production(tmp_path):
    environ = GATEHOUSE["environment"] | {"GATEHOUSE_DATA_DIR": str(tmp_path)}

    with pytest.raises(ConfigurationError):
        Settings.from_environment(environ | {"GATEHOUSE_ENV": "production"})
