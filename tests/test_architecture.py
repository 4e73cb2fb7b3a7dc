"""Architecture: packages are layers, and a module imports from lower layers only."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [  # top to bottom; packages on one line do not import each other
    {"app"},
    {"auth_routes", "admin", "forward_auth", "pages", "operations", "cli"},
    {"login", "account", "oauth"},
    {"mfa"},
    {"sessions"},
    {"service_accounts"},
    {"users"},
    {"captcha", "risk"},
    {"lockout"},
    {"devices", "federation", "authorization", "passwords", "hooks"},
    {"one_time_codes"},
    {"tokens", "messaging"},
    {"audit"},
    {"schemas"},
    {"web"},
    {"models"},
    {"net", "database"},
    {"core"},
    {"config"},
    {"settings"},
]
LAYER_OF = {package: number for number, packages in enumerate(LAYERS) for package in packages}
LATE_IMPORTS_ALLOWED = {"gatehouse.cli.server"}  # it imports granian, which is slow
LOADERS = {"gatehouse/core/plugins.py"}
COMMITTERS = {  # `commits` ends the requests; the others are background work and commands
    "gatehouse/database/session.py",
    "gatehouse/database/reencryption.py",
    "gatehouse/messaging/worker.py",
    "gatehouse/database/lease_queue.py",  # outcomes of deliveries
    "gatehouse/database/delivery_lanes.py",
    "gatehouse/mfa/reset.py",  # a scheduled job
    "gatehouse/operations/cleanup.py",
    "gatehouse/audit/erasure.py",  # a scheduled job, like the next one
    "gatehouse/users/administration.py",
    "gatehouse/service_accounts/key_usage.py",  # a periodic job
}


def package_of(module: str) -> str:
    return module.removeprefix("gatehouse.").partition(".")[0]


def layer(module: str) -> int | None:
    """Return the layer of a dotted module name; None for a library."""
    return LAYER_OF.get(package_of(module))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


FILES = sorted(
    [*ROOT.glob("*.py"), *(ROOT / "models").glob("*.py"), *(ROOT / "gatehouse").rglob("*.py")]
)
EXPORTING = {ROOT / "models" / "__init__.py"}  # `from models import User`, whatever the section
MODULES = {module_name(path) for path in FILES}
PACKAGES: dict[str, list[Path]] = {}
for file in FILES:
    PACKAGES.setdefault(package_of(module_name(file)), []).append(file)
in_each_package = pytest.mark.parametrize("files", PACKAGES.values(), ids=PACKAGES)


def target(imported: str) -> str | None:
    """Return our module that an import refers to; None for a library."""
    return next((m for m in (imported, imported.rpartition(".")[0]) if m in MODULES), None)


@in_each_package
def test_modules_import_from_lower_layers_only(files):
    layers = {name: layer(name) for name in map(module_name, files) if name != "gatehouse"}

    upward = [
        f"{own}, line {line}, imports {other}"
        for path in files
        if (own_layer := layers.get(own := module_name(path))) is not None
        for line, other in imports(path)
        if (other_layer := layer(other)) is not None
        and (
            other_layer < own_layer
            or (other_layer == own_layer and package_of(other) != package_of(own))
        )
    ]

    assert None not in layers.values(), f"{layers} has a module without a layer"
    assert upward == []


@in_each_package
def test_functions_contain_no_imports(files):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    late = [
        f"{module_name(path)}, line {node.lineno}"
        for path in files
        for function in ast.walk(parsed(path))
        if isinstance(function, functions)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and getattr(node, "module", None) not in LATE_IMPORTS_ALLOWED
    ]

    assert late == []


def test_modules_are_imported_by_name_in_the_plugin_loader_only():
    loaders = {str(path.relative_to(ROOT)) for path in FILES if "import_module" in path.read_text()}

    assert loaders == LOADERS


def test_requests_are_committed_in_one_place():
    """ARCHITECTURE.md rule 6: no route and no service commits."""
    committing = {
        name
        for path in FILES
        if "session.commit()" in path.read_text()
        and not (name := str(path.relative_to(ROOT))).startswith("gatehouse/cli/")
    }

    assert committing == COMMITTERS


def test_domain_events_are_subscribed_to_in_one_place():
    """ARCHITECTURE.md rule 12: `app.py` says who reacts to what."""
    subscribing = {
        module_name(path)
        for path in FILES
        for _, other in imports(path)
        if other == "gatehouse.core.events.subscribe"
    }

    assert subscribing == {"app"}


def test_imports_form_no_cycle():
    edges = {
        module_name(path): {t for _, other in imports(path) if (t := target(other))}
        for path in FILES
    }
    edges = {name: others - {name} for name, others in edges.items()}

    while leaves := {name for name, others in edges.items() if not others}:
        edges = {n: others - leaves for n, others in edges.items() if n not in leaves}

    assert edges == {}


def test_routes_are_imported_by_app_only():
    importers = [
        module_name(path)
        for path in FILES
        for _, other in imports(path)
        if other.startswith("gatehouse.") and ".routes" in other
    ]

    assert set(importers) == {"app"}


def test_http_libraries_are_imported_by_one_client_only():
    clients = ("requests", "urllib3", "urllib.request", "http.client", "httpx", "aiohttp")
    callers = {
        module_name(path)
        for path in FILES
        for _, other in imports(path)
        if other.startswith(clients)
    }

    assert callers == {
        "gatehouse.net.http_client",
        "gatehouse.cli.diagnosis.proxy",
    }  # which calls our own service


@in_each_package
def test_packages_have_a_docstring_and_nothing_else(files):
    initial = {path for path in files if path.name == "__init__.py"} - EXPORTING
    for tree in map(parsed, initial):
        assert ast.get_docstring(tree)
        assert len(tree.body) == 1


@in_each_package
def test_files_and_functions_stay_small(files):
    lengths = {path: path.read_text().count("\n") for path in files}
    long = [
        f"{module_name(path)}: {node.name} ({length} lines)"
        for path in files
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 45
    ]

    assert {path: length for path, length in lengths.items() if length > 300} == {}
    assert long == []
