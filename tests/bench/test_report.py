"""Reports of benchmarks: thresholds, the written page, and the statistics behind them."""

import pytest

from bench import report
from bench.comparisons import Result
from bench.enumeration import mann_whitney_p
from bench.finding import Finding
from bench.flood import BUSY, SERVED, classify
from bench.load import HttpResponse
from bench.report import Report
from bench.status_list import ListSize
from bench.workers import Measurement

CONDITIONS = {
    **{"cores": 2, "load_average": 0.1, "python": "3.11", "client": "wrk"},
    "postgresql": "18",
}
SOME = Measurement(100.0, 1.0, 2.0)
FAST = Result("me", "GET /auth/me", "bare", 0.15, 0.2, [0.2], SOME, SOME)
SLOW = Result("me", "GET /auth/me", "bare", 0.15, 0.1, [0.1], SOME, SOME)
CALM = Finding("flood", "p99 in a flood", 17.5, "ms", maximum=50)
DROWNED = Finding("flood", "p99 in a flood", 51.0, "ms", maximum=50)
UNEQUAL = Finding("equality", "Mann-Whitney p", 0.001, "", minimum=0.01)
WITHOUT_THRESHOLD = Finding("limits", "cost of limits (db://)", 500.0, "%")


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (Report(CONDITIONS, [FAST], [CALM, WITHOUT_THRESHOLD]), True),
        (Report(CONDITIONS, [SLOW], [CALM]), False),
        (Report(CONDITIONS, [FAST], [CALM, DROWNED]), False),
        (Report(CONDITIONS, [FAST], [UNEQUAL]), False),
    ],
    ids=["all met", "slow route", "cost above its maximum", "p below its minimum"],
)
def test_report_passes_when_no_threshold_is_missed(found, passed):
    assert found.passed is passed


def test_report_replaces_the_numbers_of_the_page_and_keeps_its_text(tmp_path, monkeypatch):
    page, plot = tmp_path / "performance.md", tmp_path / "performance.svg"
    page.write_text(f"before\n{report.BEGIN_MARKER}\nold numbers\n{report.END_MARKER}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PLOT", plot)
    found = Report(CONDITIONS, [FAST], [DROWNED, WITHOUT_THRESHOLD], [ListSize(0.01, 26_896, 2.5)])

    report.write_docs(found)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old numbers" not in text
    assert "| GET /auth/me | **0.20** | 0.20 to 0.20 | 0.15 | met |" in text
    assert "| p99 in a flood | **51.00** ms | under 50 | missed |" in text
    assert "| cost of limits (db://) | **500.00** % |  |  |" in text
    assert "| 1.0% | 26,896 | 2.50 |" in text
    assert "51.00 ms, under 50" in plot.read_text()


def test_report_writes_findings_with_a_table_of_their_own_between_their_markers(
    tmp_path, monkeypatch
):
    page = tmp_path / "performance.md"
    begin, end = (marker.format("oauth") for marker in report.FINDINGS_MARKERS)
    page.write_text(f"before\n{begin}\nold numbers\n{end}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    found = Report(CONDITIONS, oauth=[Finding("oauth", "userinfo / bare route", 10.0, "")])

    report.write_docs(found.on_postgresql("17"))

    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n| measured |")
    assert "| userinfo / bare route | **10.00** |" in text
    assert "PostgreSQL 17, durable" in text
    assert text.endswith(f"{end}\nafter\n")


def test_mann_whitney_p_is_low_for_groups_that_differ():
    alike = [*range(0, 200, 2)], [*range(1, 201, 2)]
    later = [*range(100)], [*range(20, 120)]

    assert mann_whitney_p(*alike) == pytest.approx(0.9, abs=0.02)
    assert mann_whitney_p(*later) < 0.0001


def test_flood_counts_only_503_with_retry_after_as_busy():
    retry_after = [("retry-after", "5")]
    cases = [
        (HttpResponse(200, [], b"{}"), SERVED),
        (HttpResponse(503, retry_after, b'{"code": "service_busy"}'), BUSY),
        (HttpResponse(503, [], b'{"code": "service_busy"}'), "503 service_busy"),
        (HttpResponse(503, retry_after, b'{"code": "service_unavailable"}'), "503 service_una"),
        (HttpResponse(429, retry_after, b'{"code": "rate_limited"}'), "429 rate_limited"),
    ]

    for response, outcome in cases:
        assert classify(response).startswith(outcome), response
