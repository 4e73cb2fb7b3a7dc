"""`make mutants`: plants faults in a copy of the code, and fails for one that no test notices."""

import subprocess

import pytest

from tools.run_mutants import (
    FOLDER,
    MutantError,
    copied_sources,
    find_survivors,
    load_mutants,
    require_plantable,
)

CODE = """
def is_adult(age):
    return age >= 18
"""
TESTS = """
from rules import is_adult

def test_child(): assert not is_adult(17)
def test_adult(): assert is_adult(30)
"""
MUTANTS = """
[[mutant]]
fault = "everyone is an adult"
file = "rules.py"
old = "return age >= 18"
new = "return True"
tests = ["test_rules.py"]

[[mutant]]
fault = "eighteen is too young"
file = "rules.py"
old = ">="
new = "> "
tests = ["test_rules.py"]
"""


@pytest.fixture
def project(tmp_path):
    """A repository with a rule, its tests, and two mutants of one package."""
    files = {"rules.py": CODE, "test_rules.py": TESTS, "mutants/rules.toml": MUTANTS}
    (tmp_path / "mutants").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_mutant_that_no_test_notices_survives(project, capsys):
    mutants = load_mutants(project / "mutants")

    with copied_sources(project) as copy:
        survivors = find_survivors(mutants, copy)

    assert [str(mutant) for mutant in survivors] == ["rules: eighteen is too young"]
    output = capsys.readouterr().out
    assert "noticed  rules: everyone is an adult" in output
    assert "FAILED test_rules.py::test_child - " in output
    assert (project / "rules.py").read_text() == CODE


def test_mutants_are_not_judged_by_tests_that_fail_without_them(project):
    (project / "test_rules.py").write_text(f"{TESTS}\ndef test_broken(): assert False\n")
    mutants = load_mutants(project / "mutants")

    with copied_sources(project) as copy, pytest.raises(MutantError, match="test_broken"):
        find_survivors(mutants, copy)


def test_mutants_are_not_judged_by_tests_that_do_not_run(project):
    text = MUTANTS.replace('new = "return True"', 'new = "return ("')
    (project / "mutants" / "rules.toml").write_text(text)
    mutants = load_mutants(project / "mutants")

    with copied_sources(project) as copy, pytest.raises(MutantError, match="do not run"):
        find_survivors(mutants, copy)


def test_mutants_are_not_judged_by_a_test_that_takes_too_long(project):
    (project / "test_rules.py").write_text(
        "import time\n"
        + TESTS.replace("assert not is_adult(17)", "is_adult(17) and time.sleep(30)")
    )
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\ntimeout = 1\n")

    with copied_sources(project) as copy, pytest.raises(MutantError, match="do not run"):
        find_survivors(load_mutants(project / "mutants"), copy)


def test_mutant_whose_text_was_changed_is_named(project):
    (project / "rules.py").write_text(CODE.replace(">= 18", ">= ADULT"))
    mutants = load_mutants(project / "mutants")

    with pytest.raises(MutantError, match=r"everyone is an adult \(rules.py\)") as error:
        require_plantable(mutants, project)

    assert "eighteen" not in str(error.value)


def test_mutants_are_selected_by_package(project):
    assert len(load_mutants(project / "mutants", ["rules"])) == 2
    with pytest.raises(MutantError, match="No mutants of tokens; there are rules"):
        load_mutants(project / "mutants", ["tokens"])


def test_mutants_of_the_repository_can_be_loaded():
    packages = {mutant.package for mutant in load_mutants(FOLDER)}

    assert packages >= {"sessions", "tokens", "lockout", "mfa", "login", "account"}
