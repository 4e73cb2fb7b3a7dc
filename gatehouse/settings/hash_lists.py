"""Check at the start that a list of password hashes can be searched by bisection."""

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path

HASH_LINE = re.compile(rb"[0-9A-Fa-f]{40}(:\d+)?\r?")
SAMPLED_LINES = 1000
"""Lines that are checked, evenly spread over the file; a whole list may have 40 GB."""


def hash_list(value: str) -> str:
    """path of a file of lines `SHA-1:count`, ordered by hash"""
    try:
        with Path(value).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as lines:
            offsets = [len(lines) * number // SAMPLED_LINES for number in range(SAMPLED_LINES)]
            sample = [_line_at(lines, offset) for offset in (*offsets, max(0, len(lines) - 2))]
    except (OSError, ValueError):
        raise ValueError("must name a readable file that is not empty") from None
    if not all(HASH_LINE.fullmatch(line) for line in sample):
        raise ValueError("must have lines like 000000005AD76BD555C1D6D771DE417A4B87E4B4:10")
    hashes = [line[:40].upper() for line in sample]
    if hashes != sorted(hashes):
        raise ValueError("must be ordered by hash")
    return value


def _line_at(lines: mmap, offset: int) -> bytes:
    start, end = lines.rfind(b"\n", 0, offset) + 1, lines.find(b"\n", offset)
    if end < 0:
        end = len(lines)
    return lines[start : min(end, start + 100)]
