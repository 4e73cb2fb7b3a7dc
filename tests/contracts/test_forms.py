"""Every form loads into a dataclass, so that no service takes a dict."""

import dataclasses
import importlib
import pkgutil
import re

import auth_routes
import gatehouse
import schemas
from gatehouse.hooks.answers import DecisionAnswer
from gatehouse.web.fields import Code, Form, String, TypedString

for module in pkgutil.walk_packages(gatehouse.__path__, "gatehouse."):
    importlib.import_module(module.name)


def leaves(form: type[Form]) -> set[type[Form]]:
    """Return the forms that no other form extends."""
    children = form.__subclasses__()
    return set().union(*map(leaves, children)) if children else {form}


def forms() -> set[type[Form]]:
    """Return the forms that people send; the `code` of a hook's answer is no code to enter."""
    ours = ("gatehouse.", auth_routes.__name__, schemas.__name__)
    return {form for form in leaves(Form) if form.__module__.startswith(ours)} - {DecisionAnswer}


def test_form_loads_into_a_dataclass():
    untyped = {
        form.__name__
        for form in forms()
        if not dataclasses.is_dataclass(getattr(form, "form_type", None))
    }

    assert len(forms()) > 25
    assert untyped == set()


def test_form_hides_its_secrets_where_it_is_printed():
    secret = re.compile("password|token|code")
    printed = {
        f"{form.__name__}.{member.name}"
        for form in forms()
        for member in dataclasses.fields(form.form_type)
        if member.repr and secret.search(member.name)
    }

    assert printed == set()


def test_form_ignores_spaces_in_codes_and_around_identifiers_but_not_in_passwords():
    expected = dict.fromkeys(("code", "recovery_code"), Code)
    expected |= dict.fromkeys(("identifier", "email", "phone", "username"), TypedString)
    expected |= dict.fromkeys(("password", "current_password"), String)
    fields = [
        (form, name, field) for form in forms() for name, field in form._declared_fields.items()
    ]
    other = {
        f"{form.__name__}.{name}"
        for form, name, field in fields
        if name in expected and not isinstance(field, expected[name])
    }
    changed = {
        f"{form.__name__}.{name}"
        for form, name, field in fields
        if "password" in name and isinstance(field, Code | TypedString)
    }

    assert {name for _, name, _ in fields} >= expected.keys()
    assert (other, changed) == (set(), set())
