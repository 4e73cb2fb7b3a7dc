"""Lists of password hashes: a look, at the start, whether one can be searched."""

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path

LINE = re.compile(rb"[0-9A-Fa-f]{40}(:\d+)?\r?")
PROBES = 1000
"""Lines that are looked at, from all parts of the file; the whole one may have 40 GB."""


def hash_list(value: str) -> str:
    """path of a file of lines `SHA-1:count`, ordered by hash"""
    try:
        with Path(value).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as lines:
            probed = [_line(lines, len(lines) * probe // PROBES) for probe in range(PROBES)]
            probed.append(_line(lines, max(0, len(lines) - 2)))
    except (OSError, ValueError):
        raise ValueError("must name a readable file that is not empty") from None
    if not all(LINE.fullmatch(line) for line in probed):
        raise ValueError("must hold lines like 000000005AD76BD555C1D6D771DE417A4B87E4B4:10")
    hashes = [line[:40].upper() for line in probed]
    if hashes != sorted(hashes):
        raise ValueError("must be ordered by hash")
    return value


def _line(lines: mmap, at: int) -> bytes:
    start, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at)
    if end < 0:
        end = len(lines)
    return lines[start : min(end, start + 100)]
