"""Back up the whole database into one file, and restore it, while servers may be running."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from gatehouse.database import postgres_programs
from gatehouse.database.postgres_programs import BackupFailed

SQLITE_HEADER, POSTGRES_HEADER = b"SQLite format 3\0", b"PGDMP"
"""The first bytes of a backup."""


def write_backup(url: str, file: Path) -> None:
    """Write a consistent copy of the database; only the owner can read the file.

    Raises:
        BackupFailed: the file exists or cannot be written, or a program of PostgreSQL failed.
    """
    try:
        folder = TemporaryDirectory(dir=file.parent, prefix=f"{file.name}.")  # mode 0700
    except OSError as problem:
        raise BackupFailed(f"{file} cannot be written: {problem.strerror}") from None
    with folder:
        unfinished = Path(folder.name, "unfinished")
        unfinished.touch(mode=0o600)
        _write_unfinished(url, unfinished)
        try:
            os.link(unfinished, file)  # never replaces an older backup
        except FileExistsError:
            raise BackupFailed(f"{file} exists already: choose another name") from None


def restore_backup(url: str, file: Path) -> None:
    """Replace everything in the database by a backup, in one transaction.

    Raises:
        BackupFailed: the file is no backup of this kind of database, or cannot be restored.
    """
    _require_backup(url, file)
    if _is_sqlite(url):
        _copy_sqlite(file, _sqlite_path(url))
    else:
        postgres_programs.restore(url, file)


def _write_unfinished(url: str, file: Path) -> None:
    if not _is_sqlite(url):
        return postgres_programs.dump(url, file)
    _copy_sqlite(_sqlite_path(url), file)
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable on read-only media
    return None


def _require_backup(url: str, file: Path) -> None:
    kind, header = ("SQLite", SQLITE_HEADER) if _is_sqlite(url) else ("PostgreSQL", POSTGRES_HEADER)
    try:
        with file.open("rb") as content:
            found = content.read(len(header))
    except OSError as problem:
        raise BackupFailed(f"{file} cannot be read: {problem.strerror}") from None
    if found != header:
        raise BackupFailed(f"{file} is no backup of a {kind} database, which DATABASE_URL names")


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database page by page, with what only its write-ahead log contains."""
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            if old.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise BackupFailed(f"{source} is damaged")
            old.backup(new)
    except sqlite3.Error as problem:
        raise BackupFailed(f"{source} could not be copied to {target}: {problem}") from None


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _sqlite_path(url: str) -> Path:
    return Path(make_url(url).database or "")
