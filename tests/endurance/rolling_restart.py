"""Three replicas behind nginx are restarted one after the other, twice: no request fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.endurance.load import under_load
from tests.endurance.services import replicas
from tests.live_server import LiveServer
from tests.polling import wait_until
from tests.servers import free_port, is_free

ROUNDS = 2
CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
    access_log off; {paths}
    upstream gatehouse {{ {replicas} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://gatehouse;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Host $host;
        }}
    }}
}}
"""
KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx(servers: list[LiveServer]) -> Iterator[str]:
    """Start nginx before the replicas; yield its URL."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        raise SystemExit("rolling_restart needs nginx: make system-test-tools")
    with TemporaryDirectory(prefix="gatehouse-nginx-") as folder:
        port, file = free_port(), Path(folder, "nginx.conf")
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in KINDS)
        upstream = " ".join(f"server 127.0.0.1:{server.port};" for server in servers)
        values = {"folder": folder, "port": port, "paths": paths, "replicas": upstream}
        file.write_text(CONFIGURATION.format(**values))
        process = subprocess.Popen([program, "-c", str(file)], stderr=subprocess.DEVNULL)
        wait_until(lambda: not is_free(port))
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait()


def main() -> int:
    """Restart and count."""
    restarts = 0
    with replicas(3, workers=1, GATEHOUSE_TRUSTED_HOPS="1") as servers, nginx(servers) as url:
        with under_load([url]) as load:
            for server in servers * ROUNDS:
                time.sleep(2)
                server.stop()
                server.start()
                restarts += 1
        return load.report("rolling_restart", set(), restarts=restarts)


if __name__ == "__main__":
    sys.exit(main())
