"""The house has floors: a file may import from below its own floor, never from above or beside."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STREET = {
    "auth_routes", "admin", "federation", "identity_provider", "gateway", "operation", "pages",
    "cli",
}  # fmt: skip
FLOORS = [  # top to bottom; rooms on one line are neighbours and may not import each other
    {"app"},
    STREET,  # and every room's routes.py: a door opens onto the street
    {"login", "selfservice"},
    {"mfa"},
    {"sessions"},
    {"accounts"},
    {"defence", "access", "passwords"},
    {"tokens", "delivery"},
    {"audit"},
    {"schemas", "models"},
    {"foundation"},
    {"config"},
    {"options"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LATE_IMPORTS_ALLOWED = {"granian.cli"}  # libraries that are slow to import, by name
LOADERS = {"gatehouse/foundation/shelf.py"}


def room(module: str) -> str:
    return module.removeprefix("gatehouse.").partition(".")[0]


def floor(module: str) -> int | None:
    """Returns the floor of a dotted module name, or None when it is not ours."""
    number = FLOOR_OF.get(room(module))
    is_door = module.startswith("gatehouse.") and module.split(".")[2:3] == ["routes"]
    return FLOORS.index(STREET) if is_door and number is not None else number


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


FILES = sorted([*ROOT.glob("*.py"), *(ROOT / "gatehouse").rglob("*.py")])
MODULES = {module_name(path) for path in FILES}
ROOMS: dict[str, list[Path]] = {}
for file in FILES:
    ROOMS.setdefault(room(module_name(file)), []).append(file)
in_each_room = pytest.mark.parametrize("files", ROOMS.values(), ids=ROOMS)


def target(imported: str) -> str | None:
    """Returns the module of ours that an import means."""
    return next((m for m in (imported, imported.rpartition(".")[0]) if m in MODULES), None)


@in_each_room
def test_imports_only_point_downstairs(files):
    floors = {name: floor(name) for name in map(module_name, files) if name != "gatehouse"}

    upstairs = [
        f"{own}, line {line}, imports {other}"
        for path in files
        if (own_floor := floors.get(own := module_name(path))) is not None
        for line, other in imports(path)
        if (there := floor(other)) is not None
        and (there < own_floor or (there == own_floor and room(other) != room(own)))
    ]

    assert None not in floors.values(), f"{floors} has somebody who stands on no floor"
    assert upstairs == []


@in_each_room
def test_nothing_is_imported_inside_a_function(files):
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


def test_only_the_shelf_loads_modules_by_name():
    loaders = {str(path.relative_to(ROOT)) for path in FILES if "import_module" in path.read_text()}

    assert loaders == LOADERS


def test_no_imports_form_a_cycle():
    arrows = {
        module_name(path): {t for _, other in imports(path) if (t := target(other))}
        for path in FILES
    }
    arrows = {name: others - {name} for name, others in arrows.items()}

    while leaves := {name for name, others in arrows.items() if not others}:
        arrows = {n: others - leaves for n, others in arrows.items() if n not in leaves}

    assert arrows == {}


def test_only_app_opens_a_rooms_door():
    openers = [
        module_name(path)
        for path in FILES
        for _, other in imports(path)
        if other.startswith("gatehouse.") and ".routes" in other
    ]

    assert set(openers) == {"app"}


def test_only_one_file_calls_other_servers():
    clients = ("requests", "urllib3", "urllib.request", "http.client", "httpx", "aiohttp")
    callers = {
        module_name(path)
        for path in FILES
        for _, other in imports(path)
        if other.startswith(clients)
    }

    assert callers == {"gatehouse.foundation.http", "gatehouse.cli.doctor"}  # which asks ourselves


@in_each_room
def test_every_room_says_what_lives_in_it(files):
    for tree in (parsed(path) for path in files if path.name == "__init__.py"):
        assert ast.get_docstring(tree)
        assert len(tree.body) == 1


@in_each_room
def test_files_and_functions_stay_small(files):
    lengths = {path: path.read_text().count("\n") for path in files if path.name != "models.py"}
    long = [
        f"{module_name(path)}: {node.name} ({length} lines)"
        for path in files
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 45
    ]

    assert {path: length for path, length in lengths.items() if length > 300} == {}
    assert long == []
