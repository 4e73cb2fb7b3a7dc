"""Breached passwords: a local list of the operator, and a remote range API.

Both hold SHA-1 digests, in the format of Have I Been Pwned. The local file is never loaded: a
search touches about thirty of its pages. The remote API receives five of the forty hexadecimal
digits of a digest (k-anonymity); its response is padded, so that its length reveals nothing.
"""

import hashlib
import unicodedata
from mmap import ACCESS_READ, mmap
from pathlib import Path

import config
from gatehouse.core import metrics
from gatehouse.core.log import logger
from gatehouse.database.session import end_transaction
from gatehouse.net.http_client import HttpRequest, OutboundRequestFailed, send_request

PREFIX_LENGTH = 5  # hexadecimal digits
TIMEOUT = 2.0  # seconds
MAX_RESPONSE_BYTES = 262_144  # a padded response has about 40,000


def is_breached(password: str) -> bool:
    """Return whether a password is in the local or the remote list of breached passwords.

    An unavailable list counts as a list without the password; that is logged and counted. Call it
    without an open write transaction: a read transaction is ended before the remote request.
    """
    if in_local_list(password):
        return True
    url = config.settings().pwned_passwords_url
    return bool(url) and _in_remote_list(url, _digest(password))


def in_local_list(password: str) -> bool | None:
    """Return whether a password is in the operator's file, or None without a readable file.

    Makes no network request.
    """
    path = config.settings().breached_passwords
    return _search_file(path, _digest(password)) if path else None


def _digest(password: str) -> str:
    text = unicodedata.normalize("NFC", password).encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().upper()


def _search_file(path: str, digest: str) -> bool | None:
    try:
        with Path(path).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as lines:
            return _binary_search(lines, digest.encode())
    except (OSError, ValueError) as error:
        _report_unavailable("file", type(error).__name__)
        return None


def _binary_search(file: mmap, wanted: bytes) -> bool:
    """Return whether the file, lines `HASH:count` sorted by hash, has the wanted hash."""
    low, high = 0, len(file)
    while low < high:
        middle = (low + high) // 2
        start = file.rfind(b"\n", 0, middle) + 1
        digest = file[start : start + len(wanted)].upper()
        if digest == wanted:
            return True
        if digest < wanted:
            end = file.find(b"\n", middle)
            low = end + 1 if end >= 0 else high
        else:
            high = start
    return False


def _in_remote_list(url: str, digest: str) -> bool:
    end_transaction()
    request = HttpRequest(
        "GET",
        f"{url}/{digest[:PREFIX_LENGTH]}",
        {"Add-Padding": "true"},
        None,
        TIMEOUT,
        MAX_RESPONSE_BYTES,
    )
    try:
        response = send_request(request)
    except OutboundRequestFailed as error:
        _report_unavailable("lookup", str(error))
        return False
    if response.status != 200:
        _report_unavailable("lookup", f"The response had status {response.status}.")
        return False
    lines = response.body.decode("ascii", "replace").upper().splitlines()
    counts = dict(line.strip().partition(":")[::2] for line in lines)
    return counts.get(digest[PREFIX_LENGTH:], "0") != "0"  # a count of 0 is padding


def _report_unavailable(source: str, reason: str) -> None:
    metrics.BREACH_CHECKS_SKIPPED.labels(source).inc()
    logger().error("A list of breached passwords is unavailable.", source=source, reason=reason)
