"""Describe why a database cannot be used, and what an operator can do about it."""

import os
import re
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

CAUSES = {
    r"password authentication failed|no password supplied|role .* does not exist|pg_hba\.conf": (
        "rejects the login: correct the user name and the password in {setting}"
    ),
    r"database .* does not exist": (
        "does not exist: create it (CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0), or"
        " correct its name in {setting}"
    ),
    r"unsupported startup parameter": (
        "is behind a connection pooler that rejects the options of a connection: set"
        " GATEHOUSE_DATABASE_POOLER=transaction, or name PostgreSQL itself in {setting}"
    ),
    r"failed to resolve host": (
        "has a host name that cannot be resolved: correct the host in {setting}"
    ),
    r"too many (clients|connections)|connection slots": (
        "has no free connection: raise its max_connections, or lower GATEHOUSE_THREADS or"
        " GATEHOUSE_WORKERS"
    ),
    r"refused|No such file or directory|time(d )?out|unreachable|No route|starting up|shutting": (
        "does not answer: start it, or correct the host and the port in {setting}"
    ),
    r"no such (table|column)|(relation|column) .* does not exist": (
        "has the tables of another version: run `gatehouse db upgrade`"
    ),
    r"permission denied for schema|must be owner": (
        "denies a right to the user in {setting}: let that user own the database"
        " (ALTER DATABASE ... OWNER TO ...), or migrate as its owner"
        " (GATEHOUSE_MIGRATION_DATABASE_URL)"
    ),
    r"permission denied": (
        "denies a right to the user in {setting}: run `gatehouse doctor`, which prints grants that"
        " are missing"
    ),
    r"read-only transaction|readonly database": (
        "is read-only: name the primary server, or make the file and its folder writable"
    ),
    r"disk is full|No space left": "has no space left on its disk: free some",
    r"not a database": "is a file of another kind: correct the path in {setting}",
}
"""Reasons of the drivers as regular expressions, and what to say of them; the first match wins."""


def describe_error(url: str, setting: str, problem: SQLAlchemyError) -> str:
    """Return what is wrong with the database and what to do, with the driver's own reason.

    The password of the URL is not shown.
    """
    lines = str(getattr(problem, "orig", None) or problem).strip().splitlines()
    reason = lines[0].strip() if lines else type(problem).__name__
    sentence = _describe_file(url, setting) or _describe_reason(reason)
    return f"The database at {safe_url(url)} {sentence.format(setting=setting)}. ({reason})"


def safe_url(url: str) -> str:
    """Return a database URL without its password and its options."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)


def _describe_reason(reason: str) -> str:
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, reason):
            return sentence
    return "cannot be used: check {setting}, and that the database runs"


def _describe_file(url: str, setting: str) -> str:
    """Describe what is wrong with the path of an SQLite file; return "" if nothing is."""
    database = make_url(url).database
    if not url.startswith("sqlite") or not database:
        return ""
    path = Path(database)
    if not path.parent.is_dir():
        return f"has no folder: create {path.parent}, or change {setting}"
    if path.is_dir():
        return f"is a folder: name a file in {setting}"
    if not all(os.access(file, os.W_OK) for file in (path.parent, path) if file.exists()):
        return f"cannot be written: let this user write its folder and file, or change {setting}"
    return ""
