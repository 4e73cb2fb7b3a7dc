"""Plant small faults one by one, and list those that no test notices; `make mutants` runs this.

`tests/mutants/*.toml` hold the faults, by package. Each is planted in a copy of the working tree,
in which its tests then run: they must pass without it and fail with it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest

from tests.servers import PostgresCluster, postgres_is_installed

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "mutants"
PYTEST_OPTIONS = [
    *("-x", "-n", "0", "--tb=short", "-rfE"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported before the fork
]
FAILURES = re.compile("^(?:FAILED|ERROR) .*", re.MULTILINE)
TIMEOUT = "from pytest-timeout"
LIST_LIBRARIES = """
import json, sys
import app, tests.conftest, ua_parser_builtins.matchers
names = [n for n, m in sys.modules.items() if sys.argv[1] not in (getattr(m, "__file__", 0) or "")]
json.dump(names, sys.stdout)
"""


class MutantError(Exception):
    """The mutants cannot be judged; the message says why."""


@dataclass(frozen=True)
class Mutant:
    """A fault, and the tests that should notice it."""

    package: str
    fault: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.package}: {self.fault}"


def load_mutants(folder: Path, only: Sequence[str] = ()) -> list[Mutant]:
    """Load the mutants of all packages, or of these.

    Raises:
        MutantError: there are no mutants of one of them.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if unknown := set(only) - files.keys():
        raise MutantError(f"No mutants of {', '.join(unknown)}; there are {', '.join(files)}.")
    return [mutant for name in only or files for mutant in _load_file(files[name])]


def _load_file(path: Path) -> Iterator[Mutant]:
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
        tests = tuple(table.pop("tests"))
        yield Mutant(package=path.stem, tests=tests, **table)


def require_plantable(mutants: Sequence[Mutant], root: Path) -> None:
    """Check that each mutant's old text stands exactly once in its file.

    Raises:
        MutantError: the code has changed; the mutants that need a new text are named.
    """
    lost = [mutant for mutant in mutants if _count_old_text(mutant, root) != 1]
    if lost:
        lines = (f"  {each} ({each.file})" for each in lost)
        raise MutantError("The old text must stand once in the file:\n" + "\n".join(lines))


def _count_old_text(mutant: Mutant, root: Path) -> int:
    path = root / mutant.file
    return path.read_text(encoding="utf-8").count(mutant.old) if path.exists() else 0


@contextmanager
def copied_sources(root: Path) -> Iterator[Path]:
    """Yield a copy of the files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, Path(folder) / name)
        yield Path(folder)


@contextmanager
def planted(mutant: Mutant, number: int, root: Path) -> Iterator[None]:
    """Plant a mutant for the block.

    The file gets a modification time of its own, so that cached bytecode is never that of another
    mutant.
    """
    path = root / mutant.file
    original, modified = path.read_text(encoding="utf-8"), path.stat().st_mtime
    path.write_text(original.replace(mutant.old, mutant.new), encoding="utf-8")
    os.utime(path, (modified + number, modified + number))
    try:
        yield
    finally:
        path.write_text(original, encoding="utf-8")
        os.utime(path, (modified, modified))


def import_libraries(root: Path) -> None:
    """Import what the tests import except our own modules: each run of them is a fork."""
    command = [sys.executable, "-c", LIST_LIBRARIES, str(root)]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in json.loads(listed):
        with suppress(Exception):
            import_module(name)


@contextmanager
def postgres_of_all_runs() -> Iterator[None]:
    """Start one PostgreSQL for the tests of all mutants, unless there is one."""
    if "TEST_POSTGRES_URL" in os.environ or not postgres_is_installed():
        yield
        return
    cluster = PostgresCluster()
    os.environ["TEST_POSTGRES_URL"] = cluster.url
    try:
        yield
    finally:
        del os.environ["TEST_POSTGRES_URL"]
        cluster.stop()


def run_tests(tests: Sequence[str], root: Path) -> tuple[int, str]:
    """Run tests in a fork until one fails; return pytest's exit code and output."""
    output = root / "output.txt"
    child = os.fork()
    if child == 0:
        _run_and_exit(tests, root, output)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), output.read_text(encoding="utf-8")


def _run_and_exit(tests: Sequence[str], root: Path, output: Path) -> NoReturn:
    code = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        os.chdir(root)
        sys.path[0] = str(root)
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]  # they are those of the working tree
        with output.open("w") as file, redirect_stdout(file), redirect_stderr(file):
            os.environ["COLUMNS"] = "200"  # of the line that says what failed
            code = int(pytest.main([*PYTEST_OPTIONS, *tests]))
    finally:
        os._exit(code)


def find_survivors(mutants: Sequence[Mutant], root: Path) -> list[Mutant]:
    """Return the mutants that no test notices.

    Raises:
        MutantError: tests fail without a mutant, or do not run with one.
    """
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    code, output = run_tests(tests, root)
    if code != pytest.ExitCode.OK:
        raise MutantError(f"The tests fail without a mutant:\n{output}")
    numbered = enumerate(mutants, start=1)
    return [each for number, each in numbered if not _is_noticed(each, number, root)]


def _is_noticed(mutant: Mutant, number: int, root: Path) -> bool:
    with planted(mutant, number, root):
        code, output = run_tests(mutant.tests, root)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or TIMEOUT in output:
        raise MutantError(f"The tests do not run with {mutant}:\n{output}")
    noticed = code == pytest.ExitCode.TESTS_FAILED
    print("noticed " if noticed else "SURVIVED", mutant, flush=True)
    if noticed:
        print(*FAILURES.findall(output), sep="\n", flush=True)
    return noticed


def main(only: Sequence[str]) -> int:
    """Plant the mutants of all packages, or of these; return the exit code."""
    try:
        mutants = load_mutants(FOLDER, only)
        require_plantable(mutants, ROOT)
        with copied_sources(ROOT) as copy, postgres_of_all_runs():
            import_libraries(copy)
            survivors = find_survivors(mutants, copy)
    except MutantError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants were noticed.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
