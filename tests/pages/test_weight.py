"""The weight of the sign-in page, and that it is complete before any script runs."""

import gzip

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import ONE_WORKER

MAX_BYTES = 60_000
"""Of the page and all that it loads, compressed."""


@pytest.mark.settings(**ONE_WORKER)
def test_sign_in_page_is_light_and_complete_without_scripts(live, browser):
    loaded = {}
    with_scripts, without = browser.new_context(), browser.new_context(java_script_enabled=False)
    page, plain = with_scripts.new_page(), without.new_page()
    page.on("response", lambda response: loaded.setdefault(response.url, response.body))
    page.goto(f"{live.url}/login")
    plain.goto(f"{live.url}/login")

    weight = sum(len(gzip.compress(body())) for body in loaded.values())

    for name in ("E-mail, username or phone number", "Password"):
        expect(plain.get_by_label(name, exact=True)).to_be_visible()
    expect(plain.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(plain.get_by_role("button")).to_have_count(1)  # no button that needs a script
    assert len(loaded) >= 4
    assert weight < MAX_BYTES
    blocking = page.locator("head script:not([type=module]):not([defer]):not([async])")
    expect(blocking).to_have_count(0)
    with_scripts.close()
    without.close()
