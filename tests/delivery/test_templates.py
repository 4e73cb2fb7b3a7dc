"""Every letter has a subject, a text and an HTML part, and shows its values as text."""

import pytest
from jinja2 import StrictUndefined, UndefinedError, meta

from gatehouse.delivery import templates

LETTERS = sorted(file.stem for file in templates.FOLDER.glob("*.txt"))
HOSTILE = '<script>alert("1")</script>{{ 7 * 7 }}'
KNOWN = {"address_known", "invitation", "notice_new_device", "verify_email"}


def variables_of(name):
    """Return the variables that a template file shows."""
    source = (templates.FOLDER / name).read_text(encoding="utf-8")
    return meta.find_undeclared_variables(templates.ENVIRONMENT.parse(source))


def test_every_text_has_its_html_and_every_html_its_text():
    pages = {file.stem for file in templates.FOLDER.glob("*.html")} - {"letter"}

    assert set(LETTERS) == pages == KNOWN


@pytest.mark.parametrize("name", LETTERS)
def test_both_parts_of_a_letter_show_the_same_variables(name):
    text, page = variables_of(f"{name}.txt"), variables_of(f"{name}.html")

    assert text == page != set()


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_says_everything_in_both_parts(name):
    values = {variable: f"the-{variable}" for variable in variables_of(f"{name}.txt")}

    letter = templates.render(name, values)

    assert letter.keys() == {"subject", "text", "html"}
    assert 0 < len(letter["subject"]) < 80
    assert "\n" not in letter["subject"]
    for value in values.values():
        assert value in letter["text"]
        assert value in letter["html"]
        assert value not in letter["subject"]  # subjects stand in logs and on locked screens


@pytest.mark.requirement("AP-09")
@pytest.mark.parametrize("name", LETTERS)
def test_values_become_neither_markup_nor_templates(name):
    values = dict.fromkeys(variables_of(f"{name}.txt"), HOSTILE)

    letter = templates.render(name, values)

    assert "<script>" not in letter["html"]
    assert "&lt;script&gt;" in letter["html"]
    assert HOSTILE in letter["text"]
    assert "49" not in letter["html"] + letter["text"]


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_with_a_gap_is_not_written(name):
    assert templates.ENVIRONMENT.undefined is StrictUndefined

    with pytest.raises(UndefinedError):
        templates.render(name, {})
