"""The lint step that refuses banned words in names and docstrings."""

import subprocess

import pytest

from tools.check_words import ALLOWED, ROOT, main, problems_in

CLEAN = '''
"""Verify the password of a user; storytelling and doorsteps are other words."""


def verify_password(user, doorway="door"):
    raise KeyError("nobody")  # told
'''
CASES = {
    '"""Whoever comes."""': "'whoever' in a docstring",
    'class A:\n    x: int = 1\n    """What it tells."""': "'tell' in a docstring",
    "def knock_at_doors(): ...": "'door' in the name knock_at_doors",
    "class PuzzleSolver: ...": "'puzzle' in the name PuzzleSolver",
    "def f(the_visitors): ...": "'visitor' in the name the_visitors",
    "def f(*, vouching=1): ...": "'vouch' in the name vouching",
    "told = 1": "'told' in the name told",
    "first, (second, _rooms) = x": "'room' in the name _rooms",
    "self.weighed = 1": "'weigh' in the name weighed",
    "PIECE_SIZE: int = 1": "'piece' in the name PIECE_SIZE",
    "import json as shelves": "'shelf' in the name shelves",
    "for letter in x: ...": "'letter' in the name letter",
    "lambda crowd: 1": "'crowd' in the name crowd",
    "try: ...\nexcept E as refusals: ...": "'refusal' in the name refusals",
}


def test_banned_words_are_found_in_every_kind_of_name_and_docstring(tmp_path):
    file = tmp_path / "scratch.py"

    for source, expected in CASES.items():
        file.write_text(source)

        [problem] = problems_in(file, "scratch.py")

        assert problem.endswith(expected), source


def test_banned_words_are_found_in_the_name_of_a_module(tmp_path):
    (tmp_path / "intake.py").write_text("")

    [problem] = problems_in(tmp_path / "intake.py", "intake.py")

    assert problem == "intake.py:1: 'intake' in the name of intake.py"


def test_other_words_strings_and_comments_are_accepted(tmp_path):
    (tmp_path / "scratch.py").write_text(CLEAN)

    assert problems_in(tmp_path / "scratch.py", "scratch.py") == []


@pytest.fixture
def checkout(tmp_path):
    """A git repository without commits."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def test_check_fails_on_a_new_file_and_skips_ignored_files_and_landed_migrations(checkout, capsys):
    (checkout / ".gitignore").write_text("ignored.py\n")
    for name in ("ignored.py", "0003_third_storey.py", "0006_new.py"):
        (checkout / name).write_text("told = 1\n")

    status = main(checkout)

    assert status == 1
    assert capsys.readouterr().out.splitlines()[:-1] == ["0006_new.py:1: 'told' in the name told"]


def test_check_passes_without_banned_words(checkout, capsys):
    (checkout / "clean.py").write_text("count = 1\n")

    assert main(checkout) == 0
    assert capsys.readouterr().out == ""


def test_every_exception_is_needed_and_has_a_reason(monkeypatch):
    exceptions = dict(ALLOWED)
    monkeypatch.setattr("tools.check_words.ALLOWED", {})

    for (word, name), reason in exceptions.items():
        found = problems_in(ROOT / name, name)

        assert any(f"'{word}'" in problem for problem in found), name
        assert reason
