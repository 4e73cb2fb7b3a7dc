"""Documents: generated pages, the README's tour, the Postman collection, and every link."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config import Settings
from gatehouse.audit import events
from gatehouse.cli.docs import PAGES
from gatehouse.cli.reference.settings import field_docstrings
from gatehouse.core.errors import all_errors, default_detail
from gatehouse.pages.security_headers import CSP
from tests.child_processes import run_flask
from tests.missing_tools import skip_without
from tests.pages.conftest import policy_of

ROOT = Path(__file__).parents[1]
WRITTEN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
INLINE = re.compile(r"<script|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
RUN_SCRIPT = """([source, answer]) => {
    const kept = {};
    const set = (name, value) => { kept[name] = value; };
    const pm = {response: {code: 200, json: () => answer}, collectionVariables: {set}};
    new Function("pm", source)(pm);
    return kept;
}"""


def is_sentence(text):
    return text[:1] in "`ABCDEFGHIJKLMNOPQRSTUVWXYZ" and text.endswith(".")


def flask(app, *arguments):
    return app.test_cli_runner().invoke(args=["docs", *arguments])


# Generated pages


def test_generated_pages_are_current(tmp_path):
    environment = {"PATH": os.environ["PATH"], "GATEHOUSE_ENV": "development"}
    environment["GATEHOUSE_DATA_DIR"] = str(tmp_path)

    check = run_flask("docs", "check", environment=environment)

    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", PAGES)
def test_docs_check_names_a_page_that_is_not_current(app, tmp_path, name):
    flask(app, "build", "--folder", str(tmp_path))
    before = flask(app, "check", "--folder", str(tmp_path))
    with (tmp_path / name).open("a") as page:
        page.write("\nan edit by hand\n")

    after = flask(app, "check", "--folder", str(tmp_path))

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert f"Not current: {name}." in after.output


@pytest.mark.parametrize("name", PAGES)
def test_docs_check_fails_when_a_page_is_missing(app, tmp_path, name):
    flask(app, "build", "--folder", str(tmp_path))
    (tmp_path / name).unlink()

    assert flask(app, "check", "--folder", str(tmp_path)).exit_code == 1


def test_settings_have_a_sentence_and_a_type():
    descriptions = dict(field_docstrings())

    for field in fields(Settings):
        assert is_sentence(descriptions[field.name]), field.name
        assert field.metadata["read"].__doc__, field.name


def test_errors_have_a_sentence_and_a_unique_code():
    codes = [error_class.code for error_class in all_errors()]

    assert len(codes) == len(set(codes))
    for error_class in all_errors():
        assert is_sentence(default_detail(error_class)), error_class.code


def test_events_have_a_sentence_and_a_unique_name():
    names = [event.name for event in events.all_events()]

    assert len(names) == len(set(names))
    for event in events.all_events():
        assert is_sentence(event.description), event.name


# The page of errors


def test_errors_page_is_linked_by_the_type_of_a_problem(client):
    problem = client.get("/nowhere").json

    url = urlsplit(problem["type"])
    page = client.get(url.path)

    assert page.status_code == 200
    assert f'id="{url.fragment}"' in page.text


def test_errors_page_explains_every_code_under_the_strict_policy(client):
    page = client.get("/errors")

    assert re.findall(r'<article[^>]* id="(\w+)"', page.text) == [k.code for k in all_errors()]
    assert policy_of(page) == CSP
    assert not INLINE.search(page.text)


# The Postman collection


def test_postman_collection_has_every_operation_of_the_openapi_document(app):
    document = app.test_client().get("/openapi.json").json
    collection = json.loads((ROOT / "docs/postman.json").read_text())

    items = [item for folder in collection["item"] for item in folder["item"]]
    requests = {(i["request"]["method"], i["request"]["url"]["raw"]) for i in items}
    operations = {
        (method.upper(), "{{base_url}}" + re.sub(r"{(\w+)}", r":\1", path))
        for path, methods in document["paths"].items()
        for method in methods.keys() - {"parameters"}
        if not path.startswith("/dev/")  # the requests of the collection read its codes
    }

    assert {url.partition("?")[0] for _, url in requests - operations} == {
        "{{base_url}}/dev/mailbox"
    }
    assert operations <= requests


# Written documents


def test_links_of_documents_lead_to_existing_files():
    for document in WRITTEN:
        links = [link for link in LINK.findall(document.read_text()) if ":" not in link]

        missing = [link for link in links if not (document.parent / link).exists()]
        assert missing == [], document.relative_to(ROOT)


def test_decisions_are_under_60_lines_and_have_three_sections():
    for document in sorted(ROOT.glob("docs/decisions/*.md")):
        text = document.read_text()
        sections = re.findall(r"^## (.+)$", text, re.M)

        assert text.count("\n") < 60, document.stem
        assert sections == ["Context", "Decision", "Consequences"], document.stem


# The tour


def tour():
    """Return the README's tour: each command, with the kind and text of its output, if any."""
    text = (ROOT / "README.md").read_text().partition("\n## A tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)
    pairs = pairwise([*blocks, ("sh", "")])
    return [(block, shown) for (kind, block), shown in pairs if kind == "sh"]


def resembles(shown, real):
    """Return whether a response has the members of the one shown; text with digits may differ."""
    if isinstance(shown, dict):
        return shown.keys() == real.keys() and all(resembles(shown[k], real[k]) for k in shown)
    if isinstance(shown, list):
        return len(shown) == len(real) and all(map(resembles, shown, real))
    varies = isinstance(shown, str) and re.search(r"\d", shown)
    return type(shown) is type(real) if varies else shown == real


def test_readme_tour_produces_the_output_that_it_shows(live):
    if shutil.which("curl") is None:
        skip_without("curl", "apt-get install curl")
    script = "".join(f"{block}printf '\\0'\n" for block, _ in tour())
    script = script.replace("http://localhost:8000", live.url)
    script = script.replace(".venv/bin/python", sys.executable)

    toured = subprocess.run(["bash", "-eu"], input=script, cwd=ROOT, capture_output=True, text=True)

    assert toured.returncode == 0, toured.stderr
    for output, (_, (kind, shown)) in zip(toured.stdout.split("\0")[:-1], tour(), strict=True):
        if kind == "json":
            assert resembles(json.loads(shown), json.loads(output))
        else:
            assert ID.sub("id", output) == (ID.sub("id", shown) if kind == "text" else "")
