"""What each counterpart has to do: sign in, use its tokens, sign out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests
from playwright.sync_api import Browser, Page, expect

from tests.client import User
from tests.polling import wait_until

Step = tuple[str, bool]
"""What was tried, and whether it worked."""


@dataclass(frozen=True)
class Visit:
    """A new browser context of a user, at the origin of a counterpart."""

    page: Page
    user: User
    origin: str

    def sign_in(self) -> None:
        """Fill the login form, and the consent page if there is one."""
        self.page.locator('[name="identifier"]').fill(self.user.email)
        self.page.locator('[name="password"]').fill(self.user.password)
        self.page.locator('form:has([name="password"]) button').first.click()
        self.page.locator('[name="password"]').wait_for(state="detached")
        self.page.wait_for_load_state()
        accept = self.page.locator('button[value="accept"]')
        if not self.page.url.startswith(self.origin) and accept.count():
            accept.click()
        self.page.wait_for_url(f"{self.origin}/**")

    def api(self, path: str) -> Any:
        """Ask the counterpart to do something with its tokens; return what it answers."""
        return requests.get(f"{self.origin}{path}", timeout=30).json()


def visit(browser: Browser, user: User, origin: str) -> Visit:
    """Open a new browser context."""
    page = browser.new_context().new_page()
    page.set_default_timeout(30_000)  # milliseconds
    return Visit(page, user, origin)


def check_openid_client(at: Visit) -> Iterator[Step]:
    """Code with PKCE, userinfo, refresh, introspection, logout with its token, revocation."""
    _log_in_node(at)
    yield "code with PKCE, nonce and iss; ID token", '"login":"ok"' in at.page.content()
    yield "userinfo", at.api("/userinfo").get("email") == at.user.email
    yield "refresh rotates", at.api("/refresh").get("rotated") is True
    yield "introspection", at.api("/introspect").get("active") is True
    at.page.goto(f"{at.origin}/logout")
    at.page.wait_for_url(f"{at.origin}/signed-out**")
    yield "RP-initiated logout, with state", '"state":"bye"' in at.page.content()
    wait_until(lambda: at.api("/logouts"))
    yield "back-channel logout token", len(at.api("/logouts")) == 1
    yield "ended with the session", at.api("/introspect").get("active") is False
    _log_in_node(at)
    yield "revocation ends the grant", at.api("/revoke").get("active") is False


def _log_in_node(at: Visit) -> None:
    at.page.goto(f"{at.origin}/login")
    at.sign_in()


def check_mod_auth_openidc(at: Visit) -> Iterator[Step]:
    """A protected page, then the logout of the module."""
    at.page.goto(f"{at.origin}/protected/")
    at.sign_in()
    yield "code with PKCE; protected page", "protected page" in at.page.content()
    at.page.goto(f"{at.origin}/protected/redirect_uri?info=json")
    yield "userinfo in its session", at.user.email in at.page.content()
    back = f"{at.origin}/"
    at.page.goto(f"{at.origin}/protected/redirect_uri?logout={back}")
    at.page.wait_for_url(back)
    at.page.goto(f"{at.origin}/protected/")
    yield "logout here and at Gatehouse", at.page.locator('[name="password"]').count() == 1


def check_oidc_client_ts(at: Visit) -> Iterator[Step]:
    """A page without a server: CORS, refresh and logout from the browser."""
    at.page.goto(f"{at.origin}/")
    at.page.get_by_text("Sign in", exact=True).click()
    at.sign_in()
    expect(at.page.locator("#status")).to_contain_text(at.user.email)
    yield "code with PKCE; token, keys and userinfo across origins", True
    at.page.get_by_text("Renew the token").click()
    expect(at.page.locator("#status")).to_contain_text("was renewed")
    yield "refresh from the browser", True
    at.page.get_by_text("Sign out").click()
    expect(at.page.locator("#status")).to_contain_text("Signed out.")
    yield "RP-initiated logout", at.page.url.startswith(f"{at.origin}/")


CHECKS: dict[str, Callable[[Visit], Iterator[Step]]] = {
    "openid_client": check_openid_client,
    "mod_auth_openidc": check_mod_auth_openidc,
    "oidc_client_ts": check_oidc_client_ts,
}
