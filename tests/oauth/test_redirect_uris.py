"""Redirect URIs: compared as strings, and what may be registered."""

import pytest

from gatehouse.core.errors import ValidationFailed
from gatehouse.oauth import redirect_uris

REGISTERED = "https://shop.example.com/callback"
LOOPBACK = ("http://127.0.0.1/cb", "http://[::1]:4000/cb?x=1", "http://localhost:5000/cb")
FOREIGN = (  # the 25 variants of OA-01
    "https://shop.example.com/callback/",
    "https://shop.example.com/callback/more",
    "https://shop.example.com/callback?next=1",
    "https://shop.example.com/callback?",
    "https://shop.example.com/callback#fragment",
    "https://shop.example.com/callback#",
    "https://shop.example.com/a/../callback",
    "https://shop.example.com/callback/..",
    "https://shop.example.com/callback/%2e%2e/evil",
    "https://shop.example.com/%63allback",
    "https://shop.example.com/Callback",
    "https://SHOP.example.com/callback",
    "HTTPS://shop.example.com/callback",
    "https://shop.example.com:443/callback",
    "https://shop.example.com:8443/callback",
    "https://user@shop.example.com/callback",
    "https://shop.example.com@evil.example/callback",
    "https://shop.example.com.evil.example/callback",
    "https://evil.shop.example.com/callback",
    "https://shop.example.com\\@evil.example/callback",
    "http://shop.example.com/callback",
    "//shop.example.com/callback",
    "/callback",
    " https://shop.example.com/callback",
    "",
)
FOREIGN_LOOPBACK = (
    "http://127.0.0.1.evil.example/cb",
    "http://127.0.0.1:80@evil.example/cb",
    "http://127.0.0.1:/cb",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:080/cb",
    "http://127.0.0.1:65536/cb",
    "http://127.0.0.1:\u0661/cb",
    "http://127.0.0.1:8000/other",
    "http://127.0.0.1:8000/cb?x=1",
    "http://127.0.0.1:8000/cb\n",
    "http://127.0.0.2:8000/cb",
    "http://[::1]:4000/cb",
    "http://localhost/",
    "https://127.0.0.1:8000/cb",
)


@pytest.mark.requirement("OA-01")
def test_redirect_uri_is_compared_as_a_string():
    accepted = [uri for uri in FOREIGN if redirect_uris.is_registered([REGISTERED], uri)]

    assert (len(FOREIGN), accepted) == (25, [])
    assert redirect_uris.is_registered(["https://other.example.com", REGISTERED], REGISTERED)
    assert not redirect_uris.is_registered([], REGISTERED)


@pytest.mark.requirement("OA-01")
def test_redirect_uri_on_the_loopback_interface_may_have_any_port():
    same = (
        "http://127.0.0.1/cb",
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:65535/cb",
        "http://[::1]:51004/cb?x=1",
        "http://localhost:51004/cb",
    )

    assert [uri for uri in same if not redirect_uris.is_registered(LOOPBACK, uri)] == []
    assert [uri for uri in FOREIGN_LOOPBACK if redirect_uris.is_registered(LOOPBACK, uri)] == []


VALID = {
    "web": [
        REGISTERED,
        "https://shop.example.com",
        "https://shop.example.com:8443/cb?tenant=1",
        "https://xn--bcher-kva.example/cb",
        "https://[2001:db8::1]/cb",
        "http://127.0.0.1:8080/cb",
    ],
    "native": ["http://localhost/cb", "com.example.app:/cb", "com.example.app://cb", REGISTERED],
}
INVALID = {
    "web": [
        *FOREIGN[5:9],
        "http://shop.example.com/callback",
        "http://localhost:3000/cb",
        "http://127.0.0.1:99999/cb",
        "https://*.example.com/cb",
        "https://shop.example.com/%2A",
        "https://user@shop.example.com/cb",
        "https://user:password@shop.example.com/cb",
        "https://shop.example.com\\@evil.example/cb",
        "https://SHOP.example.com/cb",
        "https://shop.example.com:/cb",
        "https://shop.example.com:070/cb",
        "https://shop..example.com/cb",
        "https:///cb",
        "https://",
        "https:shop.example.com",
        "https://shop.example.com/\u00fc",
        "https://shop.example.com/a b",
        "https://shop.example.com/%zz",
        "https://shop.example.com/cb\n",
        "https://shop.example.com/" + "a" * 2000,
        "com.example.app:/cb",
        "/callback",
        "callback",
        "",
    ],
    "native": [
        "javascript:alert(1)",
        "data:text/html,hello",
        "myapp:/cb",
        "com.Example.app:/cb",
        ".com:/cb",
        "http://127.0.0.1:8080/a/../cb",
    ],
}


@pytest.mark.requirement("OA-01")
@pytest.mark.settings(
    GATEHOUSE_ENV="production",
    GATEHOUSE_PUBLIC_URL="https://id.example.com",
    GATEHOUSE_BCRYPT_COST=None,
)
def test_redirect_uri_that_is_unsafe_cannot_be_registered(app):
    def is_valid(kind, uri):
        try:
            redirect_uris.require_valid_uri("redirect_uris", uri, kind)
        except ValidationFailed:
            return False
        return True

    with app.app_context():
        refused = [uri for kind in VALID for uri in VALID[kind] if not is_valid(kind, uri)]
        accepted = [uri for kind in INVALID for uri in INVALID[kind] if is_valid(kind, uri)]

    assert (refused, accepted) == ([], [])


def test_redirect_uri_on_localhost_can_be_registered_in_development(app):
    with app.app_context():
        redirect_uris.require_valid_uri("redirect_uris", "http://localhost:3000/cb", "web")
