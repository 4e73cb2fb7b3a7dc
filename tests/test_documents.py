"""The documents say what the code does: generated pages, the README's tour, and every link."""

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
from gatehouse.cli.reference.settings import explanations
from gatehouse.core.errors import catalogue, explanation
from gatehouse.pages.security_headers import CSP
from tests.nursery import run_flask
from tests.pages.conftest import policy_of
from tests.skips import skip_without

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


def test_every_generated_page_is_current(tmp_path):
    environment = {"PATH": os.environ["PATH"], "GATEHOUSE_ENV": "development"}
    environment["GATEHOUSE_INSTANCE"] = str(tmp_path)

    check = run_flask("docs", "check", environment=environment)

    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_not_current_is_named_and_fails_the_check(app, tmp_path, name):
    flask(app, "build", "--folder", str(tmp_path))
    before = flask(app, "check", "--folder", str(tmp_path))
    with (tmp_path / name).open("a") as page:
        page.write("\nsomebody wrote here\n")

    after = flask(app, "check", "--folder", str(tmp_path))

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert f"Not current: {name}." in after.output


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_missing_fails_the_check(app, tmp_path, name):
    flask(app, "build", "--folder", str(tmp_path))
    (tmp_path / name).unlink()

    assert flask(app, "check", "--folder", str(tmp_path)).exit_code == 1


@pytest.mark.parametrize("option", fields(Settings), ids=lambda option: option.name)
def test_every_setting_has_a_sentence_and_a_type(option):
    assert is_sentence(dict(explanations())[option.name])
    assert option.metadata["read"].__doc__


@pytest.mark.parametrize("kind", catalogue(), ids=lambda kind: kind.code)
def test_every_error_has_a_sentence_and_a_code_of_its_own(kind):
    assert is_sentence(explanation(kind))
    assert [other for other in catalogue() if other.code == kind.code] == [kind]


@pytest.mark.parametrize("event", [*events.every()], ids=lambda event: event.name)
def test_every_event_has_a_sentence_and_a_name_of_its_own(event):
    assert is_sentence(event.sentence)
    assert [other for other in events.every() if other.name == event.name] == [event]


# The page of errors


def test_the_type_of_a_problem_leads_to_the_page_that_explains_it(client):
    problem = client.get("/nowhere").json

    where = urlsplit(problem["type"])
    page = client.get(where.path)

    assert page.status_code == 200
    assert f'id="{where.fragment}"' in page.text


def test_the_page_of_errors_explains_every_code_under_the_strict_policy(client):
    page = client.get("/errors")

    assert re.findall(r'<article[^>]* id="(\w+)"', page.text) == [k.code for k in catalogue()]
    assert policy_of(page) == CSP
    assert not INLINE.search(page.text)


# The Postman collection


def send(app, item, variables):
    """Sends a request as Postman would, its variables filled in."""
    request = item["request"]
    filled = re.sub(r"{{(\w+)}}", lambda name: variables[name[1]], json.dumps(request))
    request = json.loads(filled)
    headers = {entry["key"]: entry["value"] for entry in request.get("header", [])}
    if request.get("auth") != {"type": "noauth"}:
        headers["Authorization"] = f"Bearer {variables['access_token']}"
    data = request.get("body", {}).get("raw")
    url = request["url"]["raw"]
    return app.test_client().open(url, method=request["method"], headers=headers, data=data)


def test_the_collection_leads_from_nobody_to_somebody_who_signs_out(app, browser):
    collection = json.loads((ROOT / "docs/postman.json").read_text())
    variables = {entry["key"]: entry["value"] for entry in collection["variable"]}
    items = {item["request"]["url"]["raw"]: item for item in collection["item"][0]["item"]}
    paths = ["/auth/register", "/dev/mailbox?to={{email}}", "/auth/email/verify", "/auth/login"]
    paths += ["/auth/refresh", "/auth/me", "/auth/logout", "/auth/me"]
    page = browser.new_page()

    statuses = []
    for path in paths:
        item = items[f"{{{{base_url}}}}{path}"]
        answer = send(app, item, variables | {"base_url": ""})
        statuses.append(answer.status_code)
        for event in item.get("event", []):
            source = "\n".join(event["script"]["exec"])
            variables |= page.evaluate(RUN_SCRIPT, [source, answer.json])

    assert statuses == [202, 200, 200, 200, 200, 200, 204, 401]


def test_the_collection_has_every_operation_of_the_openapi_document(app):
    document = app.test_client().get("/openapi.json").json
    collection = json.loads((ROOT / "docs/postman.json").read_text())

    items = [item for folder in collection["item"] for item in folder["item"]]
    requests = {(i["request"]["method"], i["request"]["url"]["raw"]) for i in items}
    operations = {
        (method.upper(), "{{base_url}}" + re.sub(r"{(\w+)}", r":\1", path))
        for path, methods in document["paths"].items()
        for method in methods.keys() - {"parameters"}
    }

    assert requests - operations == {("GET", "{{base_url}}/dev/mailbox?to={{email}}")}
    assert operations <= requests


# Written documents


@pytest.mark.parametrize("document", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_something(document):
    links = [link for link in LINK.findall(document.read_text()) if ":" not in link]

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda p: p.stem)
def test_a_decision_fits_on_a_page_and_says_what_it_costs(document):
    text = document.read_text()

    assert text.count("\n") < 60
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]


# The tour


def tour():
    """Returns the README's tour: what to paste, and the kind and text of what it shows, if any."""
    text = (ROOT / "README.md").read_text().partition("\n## A tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)
    pairs = pairwise([*blocks, ("sh", "")])
    return [(block, shown) for (kind, block), shown in pairs if kind == "sh"]


def resembles(shown, real):
    """Tells whether an answer has the members of the one shown; text with digits may differ."""
    if isinstance(shown, dict):
        return shown.keys() == real.keys() and all(resembles(shown[k], real[k]) for k in shown)
    if isinstance(shown, list):
        return len(shown) == len(real) and all(map(resembles, shown, real))
    varies = isinstance(shown, str) and re.search(r"\d", shown)
    return type(shown) is type(real) if varies else shown == real


def test_the_tour_of_the_readme_goes_as_it_says(live):
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
