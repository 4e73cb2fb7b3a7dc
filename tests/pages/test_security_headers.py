"""Security headers of the pages, and reports of violations (CSP)."""

import json
import re

import pytest

from tests.log_lines import read_log_lines
from tests.pages.conftest import ONE_WORKER, policy_of

REPORT = {"csp-report": {"blocked-uri": "https://evil.example/x.js", "document-uri": "/docs"}}
MEDIA_TYPES = ["application/csp-report", "application/reports+json"]


def send_report(client, media_type, body=None):
    body = json.dumps(REPORT) if body is None else body
    return client.post("/csp-reports", data=body, content_type=media_type)


@pytest.fixture
def browser_agent(app):
    return app.test_client()


@pytest.mark.requirement("AP-05")
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_pages_have_a_content_security_policy_and_a_report_url(browser_agent):
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
def test_pages_have_a_new_script_nonce_in_every_response(browser_agent):
    first, second = (browser_agent.get("/docs") for _ in range(2))

    nonces = set(re.findall(r'nonce="([\w-]{43})"', first.text))
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}';" in first.headers["Content-Security-Policy"]
    assert first.text != second.text
    assert policy_of(first) == policy_of(second)


@pytest.mark.settings(**ONE_WORKER)
@pytest.mark.requirement("AP-05")
def test_injected_script_without_a_nonce_does_not_run(live, tab):
    tab.open(f"{live.url}/docs")

    outcome = tab.page.evaluate(
        "() => new Promise(done => { const s = document.createElement('script');"
        " s.onload = () => done('ran'); s.onerror = () => done('blocked');"
        " s.src = '/assets/mailbox.js'; document.head.append(s); })"
    )

    assert outcome == "blocked"
    assert any("Content Security Policy" in error for error in tab.console_errors)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_csp_report_is_one_line_of_the_log(browser_agent, capsys, media_type):
    capsys.readouterr()

    response = send_report(browser_agent, media_type)

    [line] = [line for line in read_log_lines(capsys) if "blocked content" in line["event"]]
    assert (response.status_code, response.data) == (204, b"")
    assert json.loads(line["report"]) == REPORT


@pytest.mark.parametrize("body", ["", "no json", "a\nb\x1b[31m" * 10, "x" * 60_000])
def test_csp_report_is_logged_on_one_line_whatever_it_contains(browser_agent, capsys, body):
    capsys.readouterr()

    response = send_report(browser_agent, MEDIA_TYPES[0], body)

    lines = capsys.readouterr().err.splitlines()
    assert response.status_code == 204
    assert len(lines) == 2  # the report, and the request
    assert "\x1b" not in lines[0]
    assert len(lines[0]) < 8000


def test_csp_report_media_types_are_accepted_by_no_other_route(browser_agent):
    assert send_report(browser_agent, "text/plain").status_code == 415
    assert (
        browser_agent.post("/auth/login", data="{}", content_type=MEDIA_TYPES[0]).status_code == 415
    )


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_csp_reports_are_rate_limited(browser_agent):
    statuses = [send_report(browser_agent, MEDIA_TYPES[0]).status_code for _ in range(21)]

    assert statuses == [204] * 20 + [429]
