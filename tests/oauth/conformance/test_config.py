"""The module of the plan Config OP: what the metadata and the keys have to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import KeySet

from tests.oauth.conformance.checks import metadata
from tests.oauth.relying_party import RelyingParty

pytestmark = [
    pytest.mark.requirement("OP-08"),
    pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://login.example.com"),
]
ISSUER = "https://login.example.com"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
"""Members of private keys (RFC 7518 section 6)."""


@pytest.mark.requirement("OA-13")
def test_oidcc_discovery_endpoint_verification(register: Callable[..., RelyingParty]) -> None:
    party = register()

    found = metadata(party)

    assert found["issuer"] == ISSUER  # Discovery section 4.3
    assert_https(found)
    for required in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        assert found[required].startswith(f"{ISSUER}/")
    assert "code" in found["response_types_supported"]
    assert {"public", "pairwise"} & set(found["subject_types_supported"])
    assert "RS256" in found["id_token_signing_alg_values_supported"]  # Discovery section 3
    assert "openid" in found["scopes_supported"]
    assert "authorization_code" in found["grant_types_supported"]
    assert found["claims_parameter_supported"] is True
    assert {"sub", "name", "email"} <= set(found["claims_supported"])
    assert found["request_uri_parameter_supported"] is False  # else true is the default
    assert "none" not in found["token_endpoint_auth_signing_alg_values_supported"]


def test_oidcc_discovery_keys_are_public_and_named(
    register: Callable[..., RelyingParty],
) -> None:
    party = register()

    keys = party.get("/.well-known/jwks.json").json["keys"]

    assert len({key["kid"] for key in keys}) == len(keys)
    assert not [key for key in keys if PRIVATE & set(key)]
    assert {"RS256"} <= {key.get("alg") for key in keys}
    assert KeySet.import_key_set({"keys": keys}).keys


@pytest.mark.requirement("OP-05")
def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(
    register: Callable[..., RelyingParty],
) -> None:
    found = metadata(register())

    assert_https(found)
    assert found["end_session_endpoint"].startswith(f"{ISSUER}/")


@pytest.mark.requirement("OP-06")
def test_oidcc_backchannel_logout_discovery_endpoint_verification(
    register: Callable[..., RelyingParty],
) -> None:
    found = metadata(register())

    assert_https(found)
    assert found["end_session_endpoint"].startswith(f"{ISSUER}/")
    assert found["backchannel_logout_supported"] is True
    assert found["backchannel_logout_session_supported"] is True


def assert_https(found: dict[str, Any]) -> None:
    """Every endpoint is served over TLS."""
    endpoints = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))]
    assert endpoints
    assert all(value.startswith("https://") for value in endpoints), endpoints
