"""Passwords that were stolen elsewhere: in a file of the operator's, or asked for by their prefix.

Both know SHA-1 digests, as Have I Been Pwned publishes them. The file is never loaded: a search
touches some thirty of its pages. Of a password that is looked up outside, five of forty digits are
sent (k-anonymity), and the answer is padded, so that its length tells nothing.
"""

import hashlib
import unicodedata
from mmap import ACCESS_READ, mmap
from pathlib import Path

import config
from gatehouse.core import metrics
from gatehouse.core.log import log
from gatehouse.database.session import release
from gatehouse.net.http_client import Call, OutboundFailed, send

SENT = 5  # digits
SECONDS = 2.0
LONGEST = 262_144  # bytes of an answer; a padded one has 40,000


def is_known(password: str) -> bool:
    """Tell whether a password is among those that were stolen, as far as can be told.

    A list that cannot be asked knows none: that is logged and counted. Call it with no transaction
    open; what was read is let go before somebody outside is asked.
    """
    if stands_in_file(password):
        return True
    url = config.settings().breached_lookup
    return bool(url) and _is_told(url, _digest(password))


def stands_in_file(password: str) -> bool | None:
    """Tell whether a password stands in the operator's file; None without one that can be read.

    Nobody outside is asked.
    """
    path = config.settings().breached_passwords
    return _stands_in(path, _digest(password)) if path else None


def _digest(password: str) -> str:
    text = unicodedata.normalize("NFC", password).encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().upper()


def _stands_in(path: str, digest: str) -> bool | None:
    try:
        with Path(path).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as lines:
            return _found(lines, digest.encode())
    except (OSError, ValueError) as problem:
        _miss("file", type(problem).__name__)
        return None


def _found(lines: mmap, wanted: bytes) -> bool:
    """Search lines `HASH:count` in the order of their hashes, by halves."""
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        start = lines.rfind(b"\n", 0, middle) + 1
        digest = lines[start : start + len(wanted)].upper()
        if digest == wanted:
            return True
        if digest < wanted:
            end = lines.find(b"\n", middle)
            low = end + 1 if end >= 0 else high
        else:
            high = start
    return False


def _is_told(url: str, digest: str) -> bool:
    release()
    call = Call("GET", f"{url}/{digest[:SENT]}", {"Add-Padding": "true"}, None, SECONDS, LONGEST)
    try:
        answer = send(call)
    except OutboundFailed as failed:
        _miss("lookup", str(failed))
        return False
    if answer.status != 200:
        _miss("lookup", f"It answered {answer.status}.")
        return False
    lines = answer.body.decode("ascii", "replace").upper().splitlines()
    counts = dict(line.strip().partition(":")[::2] for line in lines)
    return counts.get(digest[SENT:], "0") != "0"  # a count of 0 is padding


def _miss(source: str, reason: str) -> None:
    metrics.BREACHES_UNASKED.labels(source).inc()
    log().error("A password was not compared with stolen ones.", source=source, reason=reason)
