"""A server discloses neither its files nor its version."""

import pytest

from tests.surface.test_raw_sockets import request, send

BANNERS = (b"server", b"x-powered-by", b"via")


@pytest.mark.requirement("CF-01")
def test_server_discloses_no_version_and_no_stray_file(server):
    paths = ["/.git/config", "/.git/HEAD", "/.env", "/app.py", "/models.py", "/requirements.txt"]
    paths += ["/instance/", "/assets/", "/assets/../app.py", "/assets/%2e%2e/app.py", "/console"]

    for path in paths:
        response = send(server, request(server, f"GET {path}"))

        assert response.status in (400, 404), path
        head = response.raw.partition(b"\r\n\r\n")[0].lower()
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        banners = {
            value for name, _, value in lines if name in (b"server", b"x-powered-by", b"via")
        }
        assert banners <= {b" granian"}, path  # without a version
