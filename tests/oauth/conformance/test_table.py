"""docs/openid-conformance.md lists each module, and each module has a test."""

from __future__ import annotations

import re
from pathlib import Path

from config import ROOT
from tests.oauth.conformance.modules import PLANS, SKIPPED, name_test

TABLE = (ROOT / "docs/openid-conformance.md").read_text()
TESTS = {
    name
    for file in Path(__file__).parent.glob("test_*.py")
    for name in re.findall(r"^def (test_oidcc\w+)\(", file.read_text(), re.MULTILINE)
}


def test_conformance_each_module_has_a_test_of_its_name():
    wanted = {name_test(module) for modules in PLANS.values() for module in modules}

    assert wanted <= TESTS


def test_conformance_table_lists_the_modules_of_each_plan():
    for plan, modules in PLANS.items():
        section = TABLE.partition(f"## {plan}: ")[2].partition("\n## ")[0]
        count, listed = section.partition("\n")[0], re.findall(r"^\| `(\S+)` \|", section, re.M)

        assert count == f"{len(modules)} of {len(modules)}"
        assert listed == ([] if plan == "Form Post OP" else list(modules))


def test_conformance_table_says_what_is_skipped_and_why():
    for module, reason in SKIPPED.items():
        assert f"| `{module}` | not offered: {reason} |" in TABLE
