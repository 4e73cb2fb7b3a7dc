"""Every form loads into a dataclass, so that no service takes a dict."""

import dataclasses
import importlib
import pkgutil

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


def test_form_loads_into_a_dataclass():
    ours = ("gatehouse.", auth_routes.__name__, schemas.__name__)
    forms = {form for form in leaves(Form) if form.__module__.startswith(ours)}

    untyped = {
        form.__name__
        for form in forms
        if not dataclasses.is_dataclass(getattr(form, "form_type", None))
    }

    assert len(forms) > 25
    assert untyped == set()
