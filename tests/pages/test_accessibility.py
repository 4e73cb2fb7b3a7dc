"""Accessibility of the hosted pages: axe-core finds nothing, in light and dark, on a phone."""

import json

import pytest
from playwright.sync_api import expect

from tests.client import User
from tests.node_packages import install_packages
from tests.pages.conftest import ONE_WORKER
from tests.pages.links import create_registration_link

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
EXPIRED = ("verify-email", "reset-password", "accept-invitation", "confirm-email", "login-link")
RUN_AXE = """async (options) => {
    const {violations} = await axe.run(document, {iframes: false, ...options});
    return violations.map(({id, impact, nodes}) =>
        ({id, impact, nodes: nodes.map((node) => node.target.join(" "))}));
}"""
COLORS = {"runOnly": ["color-contrast"]}
OF_THE_VIEWER = (
    *("color-contrast", "heading-order", "nested-interactive"),
    *("region", "select-name"),
)
"""Rules that Swagger UI breaks; its README.md lists them."""
NOT_OF_THE_VIEWER = {"rules": {rule: {"enabled": False} for rule in OF_THE_VIEWER}}


@pytest.fixture
def find_faults(browser):
    """Return a function that opens a page on a phone and returns what axe finds."""
    axe = (install_packages() / "node_modules/axe-core/axe.min.js").read_text()
    context = browser.new_context(bypass_csp=True, viewport={"width": 390, "height": 844})
    page = context.new_page()

    def find(url, *runs, wait_for="h1:visible"):
        page.emulate_media(color_scheme="light")
        page.goto(url)
        expect(page.locator(wait_for).first).to_be_visible(timeout=90_000)  # milliseconds
        page.evaluate(axe)
        found = page.evaluate(RUN_AXE, runs[0])
        page.emulate_media(color_scheme="dark")
        return [*found, *(fault for run in runs[1:] for fault in page.evaluate(RUN_AXE, run))]

    yield find
    context.close()


@pytest.mark.settings(**ONE_WORKER)
def test_pages_have_no_accessibility_faults(live, find_faults):
    link = create_registration_link(live.client)
    live.client.sign_up(User("bob@example.com"))
    live.client.post("/auth/password/forgot", {"email": "bob@example.com"})
    reset = live.client.mailbox(to="bob@example.com")[0]["variables"]["link"]
    paths = ["/", "/account", "/register", "/forgot-password", "/errors", "/dev/mailbox"]
    urls = [live.url + path for path in paths] + [link, reset]
    urls += [f"{live.url}/{page}/{UNKNOWN_ID}" for page in EXPIRED]

    faults = {url: find_faults(url, {}, COLORS) for url in urls}

    assert json.dumps({url: found for url, found in faults.items() if found}, indent=1) == "{}"


@pytest.mark.settings(**ONE_WORKER)
def test_docs_page_has_only_the_accessibility_faults_of_its_viewer(live, find_faults):
    url = f"{live.url}/docs"

    assert find_faults(url, NOT_OF_THE_VIEWER, wait_for=".opblock-summary") == []
