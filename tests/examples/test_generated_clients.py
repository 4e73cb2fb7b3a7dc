"""Clients that are generated from the OpenAPI document, from registration to logout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node_packages import NODE, PACKAGES, install_packages

PERSON = ("ann@example.com", "seven green lanterns")
TYPES = ["--strict", "--follow-imports=silent"]  # the generator's own code is not strict
STRICT = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024"]


def run(*command, **options):
    """Run a program; return its output."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def document(live, tmp_path):
    """The OpenAPI document of a running server, in a file."""
    path = tmp_path / "openapi.json"
    path.write_bytes(live.get("/openapi.json").data)
    return path


@pytest.mark.requirement("AP-17")
def test_python_client_leads_from_registration_to_logout(live, document, tmp_path):
    generator = Path(sys.executable).with_name("openapi-python-client")
    options = ["--path", document, "--output-path", tmp_path / "gatehouse_client", "--meta", "none"]
    environment = {**os.environ, "PATH": f"{generator.parent}:{os.environ['PATH']}"}
    run(generator, "generate", *options, env=environment)

    journey = shutil.copy(PACKAGES / "journey.py", tmp_path)
    run(sys.executable, "-m", "mypy", *TYPES, journey, cwd=tmp_path)
    output = run(sys.executable, journey, live.url, *PERSON, cwd=tmp_path)

    assert output == "logged out\n"


@pytest.mark.requirement("AP-17")
def test_typescript_client_leads_from_registration_to_logout(live, document, tmp_path):
    packages = install_packages() / "node_modules"
    (tmp_path / "node_modules").symlink_to(packages)
    shutil.copy(PACKAGES / "package.json", tmp_path)
    shutil.copy(PACKAGES / "journey.ts", tmp_path)
    run(NODE, packages / "openapi-typescript/bin/cli.js", document, "-o", tmp_path / "api.ts")

    compiler = packages / "typescript/bin/tsc"
    types = ["--allowImportingTsExtensions", "--skipLibCheck", "--types", "node"]
    run(NODE, compiler, *STRICT, *types, "journey.ts", cwd=tmp_path)
    output = run(NODE, "journey.ts", live.url, *PERSON, cwd=tmp_path)

    assert output == "logged out\n"
