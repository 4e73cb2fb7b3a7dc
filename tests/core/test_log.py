"""The log: one JSON object in each line, whatever clients send."""

import json
import sys

import pytest

from gatehouse.core.log import logger

BREAKS = ("\n", "\r\n", "\x1b[2J", "\x00", '"', "\\", "\u2028", "\u0085", "\x0b", "}\n{")
FORGED = '{"event": "forged", "level": "info"}'


@pytest.mark.requirement("LG-05")
def test_log_line_can_neither_be_forged_nor_broken(client, capsys):
    client.get("/health/live")
    capsys.readouterr()

    for text in BREAKS:
        hostile = f"ada{text}{FORGED}"
        form = {"identifier": f"{hostile}@example.com", "password": hostile}
        agent = {"User-Agent": "".join(one for one in hostile if one.isprintable())}
        assert client.post("/auth/login", form, headers=agent).status_code in (401, 422)
        client.get("/auth/x", query_string={"next": hostile})

    lines = capsys.readouterr().err.splitlines()  # breaks lines at U+2028 and U+0085, too
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events if event["event"] != "request"] == []
    assert len(events) == 2 * len(BREAKS)


@pytest.mark.requirement("LG-05")
def test_log_line_of_an_error_is_one_line(app, capsys):
    try:
        raise ValueError("first\nsecond\u2028third\x1b[31m")
    except ValueError:
        logger().error("failed\nforged", exc_info=sys.exc_info())

    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "failed\nforged"
    assert line.isascii()
    assert line.isprintable()
