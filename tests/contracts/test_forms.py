"""Every form loads into a dataclass, so that no service takes a dict."""

import dataclasses
import importlib
import pkgutil
import re

import auth_routes
import gatehouse
import schemas
from gatehouse.web.fields import Form

for module in pkgutil.walk_packages(gatehouse.__path__, "gatehouse."):
    importlib.import_module(module.name)


def leaves(form: type[Form]) -> set[type[Form]]:
    """Return the forms that no other form extends."""
    children = form.__subclasses__()
    return set().union(*map(leaves, children)) if children else {form}


def forms() -> set[type[Form]]:
    ours = ("gatehouse.", auth_routes.__name__, schemas.__name__)
    return {form for form in leaves(Form) if form.__module__.startswith(ours)}


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
