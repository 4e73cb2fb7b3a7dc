"""The example page of docs/examples/spa in Chromium, served from an origin of its own."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.client import PASSWORD, User
from tests.pages.sites import run_site, serve_files

FOLDER = Path(__file__).parents[3] / "docs/examples/spa"
ADA = "ada@example.com"
SIGNED_OUT = "You are not signed in."


@pytest.fixture
def service():
    """Return a list for the URL of the service, which is known later."""
    return []


@pytest.fixture
def front(service):
    """Run the example page; return its origin."""
    with run_site(serve_files(FOLDER, lambda: service[0])) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def settings_environment(settings_environment, front):
    origins = {"GATEHOUSE_ALLOWED_ORIGINS": front, "GATEHOUSE_PASSKEY_ORIGINS": front}
    return settings_environment | origins


@pytest.fixture
def empty_context(live, service, browser):
    """Return a browser context; there are no accounts."""
    service.append(live.url)
    context = browser.new_context()
    context.set_default_timeout(30_000)  # milliseconds
    yield context
    context.close()


@pytest.fixture
def ada(live):
    """Return a user who has a password and no factor."""
    return live.client.sign_up(User(ADA))


@pytest.fixture
def context(ada, empty_context):
    """Return a browser context; Ada has an account."""
    return empty_context


def expect_status(page, text):
    expect(page.get_by_role("status")).to_contain_text(text)


def press_button(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def open_page(context, front, status=SIGNED_OUT):
    page = context.new_page()
    page.goto(front)
    expect_status(page, status)
    return page


def submit_password(page, password=PASSWORD):
    page.get_by_label("E-mail", exact=True).fill(ADA)
    page.get_by_label("Password", exact=True).fill(password)
    press_button(page, "Sign in")


def sign_in(page):
    submit_password(page)
    expect_status(page, f"Signed in as {ADA}.")


def answer(page, question, value):
    """Type the answer to a question of the dialog."""
    field = page.get_by_role("dialog", name=question).get_by_role("textbox", name=question)
    field.fill(value)
    field.press("Enter")
