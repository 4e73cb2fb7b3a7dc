"""Find banned words in names and docstrings; `make lint` runs this.

The words are metaphors that this project used for terms of its field. Names of modules, functions,
classes, parameters, variables and attributes are checked, split at underscores and capitals, and
docstrings; strings, comments and migrations that have landed are not.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BANNED = (
    *("visitor", "room", "door", "shelf", "piece", "floor", "street", "cellar", "funnel"),
    *("refusal", "aftermath", "letter", "vouch", "waste", "puzzle", "robot", "crowd", "intake"),
    *("envelope", "newcomer", "somebody", "nobody", "whoever", "everybody", "expulsion", "weigh"),
    *("judgement", "tell", "told"),
)
SUFFIXES = ("s", "es", "d", "ed", "r", "er", "rs", "ers", "ing", "ings", "'s")
IRREGULAR = {"shelves": "shelf", "shelving": "shelf", "wasting": "waste", "puzzling": "puzzle"}
IRREGULAR |= {"judgment": "judgement", "judgments": "judgement"}
FORMS = {word + suffix: word for word in BANNED for suffix in ("", *SUFFIXES)} | IRREGULAR
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
WORD = re.compile(r"[A-Za-z]+(?:'s)?")
LANDED = re.compile(r"000[1-4]_\w+\.py")
ALLOWED: dict[tuple[str, str], str] = {}
"""Exceptions: a word and the file that may use it, with the reason."""


def source_files(root: Path) -> list[Path]:
    """Return the Python files that git tracks or would track, without landed migrations."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    files = (root / line for line in listed.splitlines() if not LANDED.search(line))
    return [file for file in files if file.exists()]


def banned_words(text: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the banned words of which some form is in a text, split by a pattern."""
    return [FORMS[word] for part in pattern.findall(text) if (word := part.lower()) in FORMS]


def names_of(node: ast.AST) -> list[str]:
    """Return the names that a node of the syntax tree defines."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.arg():
            return [node.arg]
        case ast.Name(ctx=ast.Store()):
            return [node.id]
        case ast.Attribute(ctx=ast.Store()):
            return [node.attr]
        case ast.alias():
            return [node.asname or ""]
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            return [node.name or ""]
    return []


def docstrings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring, including those below attributes and constants."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def problems_in(file: Path, name: str) -> list[str]:
    """Return a sentence for each banned word in a file; `name` is its path from the root."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [(1, f"the name of {name}", word) for word in banned_words(file.stem, PART)]
    for node in ast.walk(tree):
        for defined in names_of(node):
            line = getattr(node, "lineno", 1)
            found += [(line, f"the name {defined}", word) for word in banned_words(defined, PART)]
    for line, text in docstrings_of(tree):
        found += [(line, "a docstring", word) for word in banned_words(text, WORD)]
    return [
        f"{name}:{line}: '{word}' in {where}"
        for line, where, word in sorted(found)
        if (word, name) not in ALLOWED
    ]


def main(root: Path = ROOT) -> int:
    """Print every problem; return 1 if there are any."""
    problems = [
        problem
        for file in source_files(root)
        for problem in problems_in(file, file.relative_to(root).as_posix())
    ]
    for problem in problems:
        print(problem)
    if problems:
        print("These words are banned in names and docstrings: use the terms of the field.")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
