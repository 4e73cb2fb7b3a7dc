"""A shelf: one file is one piece; what is not named is not imported."""

import sys

import pytest

from gatehouse.core import plugins


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Lend the name of a package of three pieces."""
    folder = tmp_path / "sample_shelf"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name in ("plum", "apple", "fig"):
        (folder / f"{name}.py").write_text(f"piece = 'a ripe {name}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "sample_shelf"
    for module in [name for name in sys.modules if name.startswith("sample_shelf")]:
        del sys.modules[module]


def test_named_pieces_come_in_the_order_of_their_names(package):
    pieces = plugins.load(package, ["plum", "apple"])

    assert list(pieces.items()) == [("plum", "a ripe plum"), ("apple", "a ripe apple")]


def test_what_nobody_named_is_not_imported(package):
    plugins.load(package, ["plum"])

    assert f"{package}.plum" in sys.modules
    assert f"{package}.fig" not in sys.modules


def test_the_names_are_those_of_the_files(package):
    assert plugins.names(package) == ["apple", "fig", "plum"]


@pytest.mark.parametrize("name", ["plumm", "", "apple.py", "..fig", "__init__", "os"])
def test_a_name_that_is_not_there_is_told_with_those_that_are(package, name):
    with pytest.raises(LookupError) as refused:
        plugins.load(package, [name])

    assert str(refused.value) == f"sample_shelf has no {name!r}; it has apple, fig, plum"


def test_a_shelf_of_ours_is_named_as_people_say_it():
    with pytest.raises(
        LookupError, match=r"^passwords/hashers has no 'md5'; it has argon2, bcrypt"
    ):
        plugins.load("gatehouse.passwords.hashers", ["md5"])
