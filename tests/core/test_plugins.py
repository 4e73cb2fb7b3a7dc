"""Plugin loading: one file is one plugin; only named plugins are imported."""

import sys

import pytest

from gatehouse.core import plugins


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return the name of a package of three plugins."""
    folder = tmp_path / "sample_plugins"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name in ("plum", "apple", "fig"):
        (folder / f"{name}.py").write_text(f"plugin = 'a ripe {name}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "sample_plugins"
    for module in [name for name in sys.modules if name.startswith("sample_plugins")]:
        del sys.modules[module]


def test_load_returns_plugins_in_the_given_order(package):
    loaded = plugins.load(package, ["plum", "apple"])

    assert list(loaded.items()) == [("plum", "a ripe plum"), ("apple", "a ripe apple")]


def test_load_imports_only_named_plugins(package):
    plugins.load(package, ["plum"])

    assert f"{package}.plum" in sys.modules
    assert f"{package}.fig" not in sys.modules


def test_list_names_returns_the_file_names(package):
    assert plugins.list_names(package) == ["apple", "fig", "plum"]


@pytest.mark.parametrize("name", ["plumm", "", "apple.py", "..fig", "__init__", "os"])
def test_load_of_an_unknown_name_lists_the_available_names(package, name):
    with pytest.raises(LookupError) as error:
        plugins.load(package, [name])

    assert str(error.value) == f"sample_plugins has no {name!r}; it has apple, fig, plum"


def test_load_error_names_the_folder_of_the_package():
    with pytest.raises(
        LookupError, match=r"^passwords/hashers has no 'md5'; it has argon2, bcrypt"
    ):
        plugins.load("gatehouse.passwords.hashers", ["md5"])
