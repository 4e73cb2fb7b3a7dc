"""Many answers to one request at once, on PostgreSQL, too."""

from functools import partial

import pytest

from models import ExternalIdentity, Session, User
from tests.federation.conftest import VERIFIER, Browser
from tests.parallel import run_in_parallel
from tests.rows import rows


def copies(app, browser, number=20):
    """Return browsers with the same cookies, as tabs of one browser."""
    value = browser.connection.get_cookie("__Host-federation").value
    found = [Browser(app) for _ in range(number)]
    for copy in found:
        copy.connection.set_cookie("__Host-federation", value, secure=True)
    return found


@pytest.mark.stores
@pytest.mark.requirement("RP-01")
def test_federation_state_opens_one_session_in_twenty_parallel_callbacks(app, op, browser_of):
    browser = browser_of()
    answer = op.approve(browser.begin())

    tabs = copies(app, browser)
    responses = run_in_parallel(*[partial(tab.come_back, answer) for tab in tabs])

    assert sorted(response.status_code for response in responses) == [303] + [401] * 19
    assert len(rows(app, Session)) == len(rows(app, User)) == len(rows(app, ExternalIdentity)) == 1
    assert op.requests.count("/token") == 1


@pytest.mark.stores
def test_federation_code_opens_one_session_in_twenty_parallel_requests(app, op, client, browser_of):
    form = {"federation_code": browser_of().get_code(op), "code_verifier": VERIFIER}

    responses = client.in_parallel(20, "/auth/federation/complete", form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len(rows(app, Session)) == 1


@pytest.mark.stores
def test_first_sign_ins_in_parallel_create_one_account(app, op, browser_of):
    browsers = [browser_of() for _ in range(4)]
    answers = [op.approve(browser.begin()) for browser in browsers]

    pairs = zip(browsers, answers, strict=True)
    responses = run_in_parallel(*[partial(one.come_back, answer) for one, answer in pairs])

    assert [response.status_code for response in responses] == [303] * 4
    assert len(rows(app, User)) == len(rows(app, ExternalIdentity)) == 1
    assert len(rows(app, Session)) == 4
