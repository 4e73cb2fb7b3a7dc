"""Install and start the clients that others wrote, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import ROOT
from tests.node_packages import NODE, install_packages
from tests.polling import wait_until
from tests.servers import is_free

HERE = Path(__file__).parent
PORTS = {"node": 8975, "apache": 8976, "spa": 8978}
DEBIAN = ("apache2", "libapache2-mod-auth-openidc", "chromium-headless-shell")
APACHE = Path("/usr/sbin/apache2")
MODULE = Path("/usr/lib/apache2/modules/mod_auth_openidc.so")


@dataclass(frozen=True)
class Provider:
    """The provider that the counterparts use, and their secrets there, by client id."""

    issuer: str
    secrets: Mapping[str, str]


class CannotInstall(Exception):
    """A counterpart is missing, and this account may not install it."""


def install_debian_packages() -> None:
    """Install the counterparts that Debian packages, without starting a service of theirs.

    Raises:
        CannotInstall: only root can.
    """
    if APACHE.exists() and MODULE.exists() and shutil.which("chromium-headless-shell"):
        return
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *DEBIAN]
    if os.geteuid() != 0:
        raise CannotInstall(f"as root, run: apt-get update && {' '.join(install)}")
    # At run level 1, Debian starts no daemon after its installation
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(install, env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def openid_client(provider: Provider, folder: Path) -> Iterator[str]:
    """Run npm openid-client; yield its origin."""
    (folder / "node_modules").symlink_to(install_packages() / "node_modules")
    shutil.copy(HERE / "openid_client.mjs", folder)
    with _running("node", [str(NODE), "openid_client.mjs"], provider, folder) as origin:
        yield origin


@contextmanager
def oidc_client_ts(provider: Provider, folder: Path) -> Iterator[str]:
    """Run the page of the quick start with npm oidc-client-ts; yield its origin."""
    shutil.copytree(ROOT / "examples/spa-oidc-client-ts", folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(install_packages() / "node_modules")
    with _running("spa", [str(NODE), "serve.mjs"], provider, folder) as origin:
        yield origin


@contextmanager
def mod_auth_openidc(provider: Provider, folder: Path) -> Iterator[str]:
    """Run Apache with mod_auth_openidc; yield its origin."""
    (folder / "www/protected").mkdir(parents=True)
    (folder / "www/index.html").write_text("public page")
    (folder / "www/protected/index.html").write_text("protected page")
    values = {"folder": folder, "issuer": provider.issuer, "secret": provider.secrets["apache"]}
    template = (HERE / "apache.conf").read_text()
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", str(value))
    (folder / "httpd.conf").write_text(template)
    command = [str(APACHE), "-DFOREGROUND", "-f", str(folder / "httpd.conf")]
    with _running("apache", [*_unprivileged(folder), *command], provider, folder) as origin:
        yield origin


def _unprivileged(folder: Path) -> list[str]:
    """Return how root starts a program without rights, the owner of the folder then."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "nobody", "nogroup")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]


@contextmanager
def _running(name: str, command: Sequence[str], provider: Provider, folder: Path) -> Iterator[str]:
    port = PORTS[name]
    if not is_free(port):
        raise CannotInstall(f"port {port} is in use, which interop/clients.toml names")
    environment = {
        **os.environ,
        "ISSUER": provider.issuer,
        "CLIENT_ID": name,
        "CLIENT_SECRET": provider.secrets.get(name, ""),
        "PORT": str(port),
    }
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or not is_free(port))
        assert process.poll() is None, (folder / "output.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
