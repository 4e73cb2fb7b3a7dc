"""A migration file that has landed is never edited: databases exist that have already run it."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.missing_tools import skip_without

ROOT = Path(__file__).parents[2]
LIST = "migrations/landed.sha256"
ENTRY = re.compile(r"^\+?([0-9a-f]{64})  (\S+)$", re.MULTILINE)


def digests_of_files(root):
    """Return the SHA-256 digest of every migration file, by its path."""
    files = (root / "migrations/versions").glob("*.py")
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def digests_in(entries):
    """Return the first digest of each path in the text of the list, or of its history."""
    found = {}
    for digest, path in ENTRY.findall(entries):
        found.setdefault(path, digest)
    return found


def git(root, *arguments):
    """Return what git prints, or nothing where there is no git or no repository.

    A hook of git sets variables that would lead every command to the repository of the hook.
    """
    if shutil.which("git") is None:
        return ""
    command = ["git", "-C", root, "-c", "safe.directory=*", *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout


def digests_in_history(root):
    """Return the digest with which each file was first listed, as far as git knows."""
    history = ("log", "--reverse", "--topo-order", "--full-history", "-m", "-p", "--format=")
    return digests_in(git(root, *history, "--no-color", "--no-ext-diff", "--", LIST))


def problems(root):
    """Return a sentence for every file that breaks the rule."""
    present = digests_of_files(root)
    listed = digests_in((root / LIST).read_text())
    landed = listed | digests_in_history(root)
    return [
        f"{path} has landed: databases exist that have already run it. Restore the file and its "
        f"line in {LIST}, and make the change in a new migration. (A file that no other branch has "
        "yet may still change: amend the commit that adds it and its digest.)"
        for path, digest in sorted(landed.items())
        if not digest == present.get(path) == listed.get(path)
    ] + [
        f"{path} is new: when it is finished, record it with `sha256sum {path} >> {LIST}`."
        for path in sorted(present.keys() - landed.keys())
    ]


def test_migration_files_that_have_landed_are_unchanged():
    assert problems(ROOT) == []


@pytest.fixture
def checkout(tmp_path):
    """Return a git checkout whose only commit contains the migration `0001_users.py`."""
    if shutil.which("git") is None:
        skip_without("git", "install it")
    (tmp_path / "migrations/versions").mkdir(parents=True)
    git(tmp_path, "init")
    write(tmp_path, "0001_users.py", "landed")
    return tmp_path


def write(checkout, name, content, *, listed=True):
    """Commit a migration file, and all digests of today with it."""
    (checkout / "migrations/versions" / name).write_text(content)
    if listed:
        lines = [f"{digest}  {path}\n" for path, digest in digests_of_files(checkout).items()]
        (checkout / LIST).write_text("".join(sorted(lines)))
    git(checkout, "add", ".")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(checkout, *author, "commit", "-m", "a migration", "--no-verify", "--no-gpg-sign")


def test_migration_file_that_is_new_is_accepted_with_its_digest_and_named_without(checkout):
    write(checkout, "0002_roles.py", "new")
    accepted = problems(checkout)
    write(checkout, "0003_keys.py", "unlisted", listed=False)

    [problem] = problems(checkout)

    assert accepted == []
    assert "0003_keys.py is new" in problem


@pytest.mark.parametrize("listed", [False, True], ids=["digest_kept", "digest_changed"])
def test_migration_file_that_is_changed_is_named_even_when_its_digest_is_changed_too(
    checkout, listed
):
    write(checkout, "0001_users.py", "changed", listed=listed)

    [problem] = problems(checkout)

    assert "0001_users.py has landed" in problem


def test_migration_file_that_is_put_back_is_accepted_again(checkout):
    write(checkout, "0001_users.py", "changed")
    write(checkout, "0001_users.py", "landed")

    assert problems(checkout) == []


def test_migration_file_that_is_removed_is_named_even_when_its_digest_is_removed_too(checkout):
    (checkout / "migrations/versions/0001_users.py").unlink()
    write(checkout, "0001_accounts.py", "landed under another name")

    named = [problem.partition(" ")[0] for problem in problems(checkout)]

    assert named == ["migrations/versions/0001_users.py"]


def test_migration_files_without_history_are_compared_with_their_digests_alone(checkout):
    write(checkout, "0001_users.py", "changed", listed=False)
    shutil.rmtree(checkout / ".git")

    [problem] = problems(checkout)

    assert "0001_users.py has landed" in problem
