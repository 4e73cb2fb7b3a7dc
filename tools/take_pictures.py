"""Take pictures of the hosted pages: phone and desktop, light and dark.

    make run
    .venv/bin/python tools/take_pictures.py http://localhost:8000 pictures

The server is a development one: an account is created for the pages that need one.
"""

import shutil
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import requests
from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"phone": (390, 844), "desktop": (1280, 800)}
PATHS = {
    "home": "/",
    "sign-in": "/login",
    "register": "/register",
    "forgot-password": "/forgot-password",
    "link-expired": "/verify-email/01890000-0000-7000-8000-000000000000",
    "unknown-application": f"/oauth2/authorize?{urlencode({'client_id': 'unknown'})}",
    "errors": "/errors",
    "mailbox": "/dev/mailbox",
}
ACCOUNT_PAGES = ("account", "account-profile", "account-email", "account-password")
ACCOUNT_PAGES += ("account-phone", "account-factors", "account-applications")
ACCOUNT_PAGES += ("account-sessions", "account-history", "account-data")
EMAIL, PASSWORD = "ada@example.com", "a quiet harbour 42 at dawn"  # of the picture


def main(url: str, folder: str, *names: str) -> None:
    """Take the pictures of all pages, or of those whose names begin with one of the given ones."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    create_account(url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for name, show in list_views(url).items():
            if not names or name.startswith(names):
                take_all(browser, show, Path(folder, name))


def list_views(url: str) -> dict[str, Callable[[Page], object]]:
    """Return all views: what a page does to show it."""
    views: dict[str, Callable[[Page], object]] = {
        name: lambda page, path=path: page.goto(url + path) for name, path in PATHS.items()
    }
    return views | {
        "sign-in-error": lambda page: (
            sign_in(page, url, "a wrong password"),
            page.locator("#result.bad").wait_for(),
        ),
        **{name: account_view(url, name) for name in ACCOUNT_PAGES},
    }


def account_view(url: str, name: str) -> Callable[[Page], object]:
    """Return what shows an account page: sign in, then open it."""

    def show(page: Page) -> None:
        sign_in(page, url, PASSWORD)
        page.wait_for_url(f"{url}/account**")
        page.goto(f"{url}/account/{name.partition('-')[2]}".rstrip("/"))

    return show


def sign_in(page: Page, url: str, password: str) -> None:
    """Sign in with a password."""
    page.goto(f"{url}/login")
    page.locator("[name=identifier]").fill(EMAIL)
    page.locator("[name=password]").fill(password)
    page.locator("form button[type=submit]").first.click()


def take_all(browser: Browser, show: Callable[[Page], object], file: Path) -> None:
    """Take a view in each width and colour scheme."""
    for (width, size), scheme in product(WIDTHS.items(), ("light", "dark")):
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        show(page)
        page.screenshot(path=f"{file}-{width}-{scheme}.png", full_page=True)
        context.close()


def create_account(url: str) -> None:
    """Register the person of the pictures and verify the e-mail address, unless done before."""
    requests.post(
        f"{url}/auth/register", json={"email": EMAIL, "password": PASSWORD}, timeout=30
    ).raise_for_status()
    mails = requests.get(
        f"{url}/dev/mailbox",
        params={"to": EMAIL},
        headers={"Accept": "application/json"},
        timeout=30,
    ).json()["items"]
    if mails and mails[0]["template"] == "verify_email":
        token = mails[0]["variables"]["link"].partition("#")[2]
        form = {"token": token, "password": PASSWORD}
        requests.post(f"{url}/auth/email/verify", json=form, timeout=30).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:])
