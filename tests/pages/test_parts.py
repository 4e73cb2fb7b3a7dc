"""The parts of pages: labels, hints and errors belong to their fields, and values are only text."""

import re
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
from flask import render_template_string

from gatehouse.core.errors import ValidationFailed
from gatehouse.pages.error_sentences import describe_fields

HOSTILE = '"><svg/onload=alert(1)>{{7*7}}'
IMPORT = (
    "{% from 'pages/parts.html' import checkbox, code_field, facts, field, form_fields, heading,"
    " links, messages, notices, password_field, select_field, submit with context %}"
)


class Elements(HTMLParser):
    """The elements of a document: tag and attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def one(self, tag, **attributes):
        [found] = [
            given
            for name, given in self.found
            if name == tag and attributes.items() <= given.items()
        ]
        return found


@contextmanager
def page_request(app, **headers):
    """A request of a page, in which its templates and sentences have their language."""
    environ = {"gatehouse.request_id": "test"}
    with app.test_request_context("/register", headers=headers, environ_base=environ):
        yield


@pytest.fixture
def render(app):
    """Return a function that renders a template of parts, as a page does."""

    def render(template, **variables):
        with page_request(app):
            return render_template_string(IMPORT + template, **variables)

    return render


FIELDS = {
    "{{ field('x', label, value=value, hint=hint, errors=errors) }}": "input",
    "{{ password_field('x', label, hint=hint, errors=errors) }}": "input",
    "{{ code_field('x', label, hint=hint, errors=errors) }}": "input",
    "{{ select_field('x', label, [(value, label)], hint=hint, errors=errors) }}": "select",
}


@pytest.mark.requirement("PW-14")
def test_fields_are_tied_to_their_label_hint_and_errors_and_show_values_as_text(render):
    for template, tag in FIELDS.items():
        html = render(template, label=HOSTILE, value=HOSTILE, hint=HOSTILE, errors={"x": [HOSTILE]})
        elements = Elements(html)
        wrong = elements.one(tag, name="x")

        assert elements.one("label")["for"] == wrong["id"] == "x"
        assert wrong["aria-describedby"] == "x-hint x-error"
        assert wrong["aria-invalid"] == "true"
        assert [elements.one("p", id=name)["id"] for name in ("x-hint", "x-error")]
        assert "svg" not in {tag for tag, _ in elements.found}

        right = Elements(render(template, label="X", value="", hint="", errors={}))
        assert not {"aria-invalid", "aria-describedby"} & set(right.one(tag, name="x"))


def test_fields_take_further_attributes_and_only_wrong_ones_have_the_focus(render):
    template = (
        "{{ field('a', 'A', errors=errors, inputmode='tel', **{'data-x': '\"'}) }}"
        "{{ password_field('b', 'B', autocomplete='new-password', errors=errors) }}"
    )

    elements = Elements(render(template, errors={"b": ["Too short."]}))

    first, second = elements.one("input", name="a"), elements.one("input", name="b")
    assert (first["inputmode"], first["data-x"]) == ("tel", '"')
    assert ("autofocus" in first, "autofocus" in second) == (False, True)
    assert second["autocomplete"] == "new-password"
    assert "value" not in second
    assert elements.one("button", **{"data-shows": "b"})["type"] == "button"


def test_messages_lead_to_the_fields_with_errors(render):
    template = "{{ messages(message, errors, good, labels={'a': 'Name'}, wrong_origin='No.') }}"
    wrong = {"message": "Please look again.", "errors": {"a": ["Is <b>."]}, "good": "Done."}

    html = render(template, **wrong)
    good = render(template, message="", errors={}, good="Done.")

    elements = Elements(html)
    assert elements.one("a")["href"] == "#a"
    area = elements.one("div", id="result")
    assert (area["class"], area["data-wrong-origin"], area["role"]) == ("bad", "No.", "status")
    assert "Name: " in html
    assert "Is &lt;b&gt;." in html
    assert "Done." not in html
    assert "<p>Done.</p>" in good


def test_other_parts_show_values_as_text(render):
    html = render(
        "{{ form_fields({x: x}) }}{{ checkbox('a', x, checked=true) }}{{ submit(x, name='n',"
        " value=x) }}{{ heading(x, x, '/back', x) }}{{ links([('/a', x)]) }}{{ facts([(x, x)]) }}"
        "{{ notices([('good', x)]) }}",
        x=HOSTILE,
    )

    elements = Elements(html)
    assert "svg" not in {tag for tag, _ in elements.found}
    assert "49" not in html
    assert elements.one("input", type="hidden") == {
        "type": "hidden",
        "name": HOSTILE,
        "value": HOSTILE,
    }
    assert "checked" in elements.one("input", name="a")
    assert elements.one("button", type="submit")["value"] == HOSTILE
    assert re.search(r'<p class="back-link"><a href="/back">', html)


def test_field_errors_are_sentences_in_the_language_of_the_page(app):
    missing = [{"code": "required", "message": "This field is required."}]
    own = [{"code": "too_common", "message": "100 % too common."}]

    with page_request(app, **{"Accept-Language": "de"}):
        described = describe_fields(ValidationFailed({"a": missing, "b": own}))
        nothing = describe_fields(None)

    assert described == {"a": ["Bitte füllen Sie dieses Feld aus."], "b": ["100 % too common."]}
    assert nothing == {}
