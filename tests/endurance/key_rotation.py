"""Signing keys are rotated ten times under load, and the encryption key is replaced.

No request fails, and another service that reads the key set verifies every access token.
"""

from __future__ import annotations

import sys
import time

import jwt
import requests

from tests.child_processes import run_flask
from tests.endurance.load import Load, under_load
from tests.endurance.services import replicas
from tests.live_server import LiveServer

ROTATIONS = 10


def verify_tokens(load: Load, server: LiveServer) -> int:
    """Verify the access token of each user with the published keys; return how many there are."""
    published = requests.get(f"{server.url}/.well-known/jwks.json", timeout=30).json()
    keys = {key["kid"]: jwt.PyJWK(key) for key in published["keys"]}
    tokens = [one.session["access_token"] for one in load.people if one.session]
    for token in tokens:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=[key.algorithm_name], options={"verify_aud": False})
    return len(tokens)


def main() -> int:
    """Rotate, verify and count."""
    verified = 0
    with replicas(2) as servers:
        commands = servers[0].environment
        with under_load([server.url for server in servers]) as load:
            for _ in range(ROTATIONS):
                rotated = run_flask("keys", "rotate", environment=commands)
                rotated.check_returncode()
                time.sleep(2)
                verified += verify_tokens(load, servers[1])
            run_flask("keys", "rotate-encryption", environment=commands).check_returncode()
        return load.report("key_rotation", set(), rotations=ROTATIONS, verified_tokens=verified)


if __name__ == "__main__":
    sys.exit(main())
