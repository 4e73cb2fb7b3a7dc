"""`/gateway/verify` beside browsers: cookies decide nothing, and no cache shares a decision."""

import pytest

from tests.forward_auth.test_verify import IDENTITY
from tests.tokens.forgery import case


@pytest.fixture
def send(app):
    """Send a request: send(token, cookie="...", path=...)."""

    def send(token="", cookie="", path="/gateway/verify"):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Cookie": cookie} if cookie else {}
        return app.test_client(use_cookies=False).get(path, headers=headers)

    return send


@pytest.mark.requirement("GW-03")
def test_forward_auth_passes_no_cookie_and_no_request_without_identity(
    browser_client, make_user, client, send
):
    user = make_user()
    access = browser_client.log_in(user).cookies["__Host-access"]
    bearer = client.log_in(user)["access_token"]
    cookies = {
        "valid": f"__Host-access={access}",
        "empty": "__Host-access=",
        "cut": f"__Host-access={access[:-3]}",
        "large": f"__Host-access={access}{'x' * 20_000}",
        "twice": f"__Host-access={access}; __Host-access={access}",
        "quoted": f'__Host-access="{access}"',
        "another name": f"access={access}; __host-access={access}",
        "control character": f"__Host-access={access}\x01",
        "not text": f"__Host-access=\xff{access}",
        "no pair": f"{access};;=;",
    }

    for name, cookie in cookies.items():
        with case(cookie=name):
            alone, beside = send(cookie=cookie), send(bearer, cookie)
            assert alone.status_code in (400, 401, 431)
            assert not any(header in alone.headers for header in IDENTITY)
            has_identity = all(header in beside.headers for header in IDENTITY)
            assert has_identity == (beside.status_code == 200)


@pytest.mark.requirement("GW-06")
def test_forward_auth_decision_is_shared_by_no_cache(client, make_user, send):
    users = [make_user(), make_user()]
    tokens = ["", *(client.log_in(user)["access_token"] for user in users)]

    found = [send(token) for token in tokens * 2]

    assert {response.headers["Cache-Control"] for response in found} == {"no-store"}
    ids = [response.headers.get("X-Auth-User") for response in found]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3
    for path in ("/gateway/verify/x.css", "/gateway/verify.css", "/auth/me/x.css", "/auth/me;.css"):
        assert send(tokens[1], path=path).status_code == 404, path
