"""What pages may load, and what browsers tell us that they refused."""

import json
import re

import pytest

from tests.logged import lines
from tests.pages.conftest import ONE_WORKER, policy_of

REPORT = {"csp-report": {"blocked-uri": "https://evil.example/x.js", "document-uri": "/docs"}}
KINDS = ["application/csp-report", "application/reports+json"]


def report(client, kind, body=None):
    body = json.dumps(REPORT) if body is None else body
    return client.post("/csp-reports", data=body, content_type=kind)


@pytest.fixture
def browser_agent(app):
    return app.test_client()


@pytest.mark.requirement("AP-05")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_every_page_says_what_may_run_in_it_and_where_to_complain(browser_agent):
    for path in ("/docs", "/errors", "/dev/mailbox", "/nowhere/at/all"):
        page = browser_agent.get(path, headers={"Accept": "text/html"})
        policy = page.headers["Content-Security-Policy"]

        for directive in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in policy, path
        hsts = page.headers["Strict-Transport-Security"]
        assert int(re.search(r"max-age=(\d+)", hsts)[1]) >= 31_536_000
        assert "includeSubDomains" in hsts
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        if page.mimetype == "text/html":
            assert "report-to csp; report-uri /csp-reports" in policy
            assert page.headers["Reporting-Endpoints"] == 'csp="/csp-reports"'


@pytest.mark.requirement("AP-05")
def test_scripts_run_by_a_nonce_that_no_two_answers_share(browser_agent):
    first, second = (browser_agent.get("/docs") for _ in range(2))

    nonces = set(re.findall(r'nonce="([\w-]{43})"', first.text))
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}';" in first.headers["Content-Security-Policy"]
    assert first.text != second.text
    assert policy_of(first) == policy_of(second)


@pytest.mark.settings(**ONE_WORKER)
@pytest.mark.requirement("AP-05")
def test_a_script_that_was_smuggled_into_a_page_does_not_run(live, tab):
    tab.open(f"{live.url}/docs")

    outcome = tab.page.evaluate(
        "() => new Promise(done => { const s = document.createElement('script');"
        " s.onload = () => done('ran'); s.onerror = () => done('refused');"
        " s.src = '/assets/mailbox.js'; document.head.append(s); })"
    )

    assert outcome == "refused"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_is_one_line_of_the_log(browser_agent, capsys, kind):
    capsys.readouterr()

    answer = report(browser_agent, kind)

    [line] = [line for line in lines(capsys) if "refused content" in line["event"]]
    assert (answer.status_code, answer.data) == (204, b"")
    assert json.loads(line["report"]) == REPORT


@pytest.mark.parametrize("body", ["", "no json", "a\nb\x1b[31m" * 10, "x" * 60_000])
def test_whatever_stands_in_a_report_stays_short_and_on_its_line(browser_agent, capsys, body):
    capsys.readouterr()

    answer = report(browser_agent, KINDS[0], body)

    written = capsys.readouterr().err.splitlines()
    assert answer.status_code == 204
    assert len(written) == 2  # the report, and the request
    assert "\x1b" not in written[0]
    assert len(written[0]) < 8000


def test_a_report_is_no_other_form(browser_agent):
    assert report(browser_agent, "text/plain").status_code == 415
    assert browser_agent.post("/auth/login", data="{}", content_type=KINDS[0]).status_code == 415


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_nobody_fills_the_log_with_reports(browser_agent):
    statuses = [report(browser_agent, KINDS[0]).status_code for _ in range(21)]

    assert statuses == [204] * 20 + [429]
