import pytest

from bench import report
from bench.comparisons import Result
from bench.equality import chance
from bench.finding import Finding
from bench.flood import BUSY, SERVED, outcome
from bench.lanes import Measurement
from bench.load import Answer
from bench.report import Report
from bench.status_list import Size

CONDITIONS = {
    **{"cores": 2, "load_average": 0.1, "python": "3.11", "client": "wrk"},
    "postgresql": "18",
}
SOME = Measurement(100.0, 1.0, 2.0)
FAST = Result("me", "GET /auth/me", "bare", 0.15, 0.2, [0.2], SOME, SOME)
SLOW = Result("me", "GET /auth/me", "bare", 0.15, 0.1, [0.1], SOME, SOME)
CALM = Finding("flood", "p99 in a flood", 17.5, "ms", most=50)
DROWNED = Finding("flood", "p99 in a flood", 51.0, "ms", most=50)
UNEQUAL = Finding("equality", "Mann-Whitney p", 0.001, "", least=0.01)
UNBARRED = Finding("limits", "cost of limits (db://)", 500.0, "%")


@pytest.mark.parametrize(
    ("found", "is_good"),
    [
        (Report(CONDITIONS, [FAST], [CALM, UNBARRED]), True),
        (Report(CONDITIONS, [SLOW], [CALM]), False),
        (Report(CONDITIONS, [FAST], [CALM, DROWNED]), False),
        (Report(CONDITIONS, [FAST], [UNEQUAL]), False),
    ],
    ids=["all bars met", "a slow route", "a cost above its bar", "a chance below its bar"],
)
def test_a_run_is_good_when_no_bar_is_missed(found, is_good):
    assert found.is_good is is_good


def test_the_page_gets_every_number_between_its_marks_and_keeps_its_words(tmp_path, monkeypatch):
    page, plot = tmp_path / "performance.md", tmp_path / "performance.svg"
    page.write_text(f"before\n{report.BEGIN}\nold numbers\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "PLOT", plot)
    found = Report(CONDITIONS, [FAST], [DROWNED, UNBARRED], [Size(0.01, 26_896, 2.5)])

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


def test_two_groups_are_told_apart_by_their_ranks():
    alike = [*range(0, 200, 2)], [*range(1, 201, 2)]
    later = [*range(100)], [*range(20, 120)]

    assert chance(*alike) == pytest.approx(0.9, abs=0.02)
    assert chance(*later) < 0.0001


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(200, [], b"{}"), SERVED),
        (Answer(503, [("retry-after", "5")], b'{"code": "service_busy"}'), BUSY),
        (Answer(503, [], b'{"code": "service_busy"}'), "503 service_busy"),
        (Answer(503, [("retry-after", "1")], b'{"code": "service_unavailable"}'), "503 service_un"),
        (Answer(429, [("retry-after", "9")], b'{"code": "rate_limited"}'), "429 rate_limited"),
    ],
)
def test_a_flood_takes_for_refused_by_the_queue_only_who_is_told_when_to_come_again(
    answer, meaning
):
    assert outcome(answer).startswith(meaning)
