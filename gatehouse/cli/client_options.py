"""The options of `gatehouse clients create` and `change`: one for each member of a client."""

import json
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

from gatehouse.cli.service_account_lookup import find_account
from gatehouse.oauth import client_metadata

Command = TypeVar("Command", bound=Callable[..., object])
CHOICES = {
    "authentication_method": client_metadata.METHODS,
    "consent": client_metadata.CONSENT_RULES,
    "subject_type": client_metadata.SUBJECT_TYPES,
    "id_token_algorithm": client_metadata.ID_TOKEN_ALGORITHMS,
}
CHOICE_LISTS = {
    "grant_types": client_metadata.GRANT_TYPES,
    "response_modes": client_metadata.RESPONSE_MODES,
}
LISTS = ("redirect_uris", "post_logout_redirect_uris", "scopes", "resources")
TEXTS = ("backchannel_logout_uri", "sector", "uri", "logo_uri", "terms_uri", "privacy_uri")
LIFETIMES = ("access_token_lifetime", "refresh_token_lifetime", "grant_lifetime")


def client_options(command: Command) -> Command:
    """Add the options to a command, which gets them by the names of the members."""
    for add in reversed(_list_options()):
        command = add(command)
    return command


def collect_members(options: dict[str, Any]) -> dict[str, Any]:
    """Return the members that were given, as the forms of clients read them."""
    account = options.pop("service_account", None)
    given = {name: value for name, value in options.items() if value not in (None, ())}
    members = {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}
    return members | ({"service_account_id": str(find_account(account).id)} if account else {})


def _list_options() -> list[Callable[[Command], Command]]:
    lists = [click.option(_name(one[:-1]), one, multiple=True, help="Repeatable.") for one in LISTS]
    for name, choices in CHOICE_LISTS.items():
        choice = click.Choice(choices)
        lists.append(click.option(_name(name[:-1]), name, type=choice, multiple=True))
    single = [click.option(_name(name), type=click.Choice(CHOICES[name])) for name in CHOICES]
    texts = [click.option(_name(name)) for name in TEXTS]
    seconds = [click.option(_name(name), type=int, help="Seconds.") for name in LIFETIMES]
    others = [
        click.option("--require-pkce/--no-require-pkce", default=None),
        click.option("--jwks", type=click.File(), callback=_read_json, help="A JWK Set, JSON."),
        click.option("--service-account", help="Its name or id; of a service."),
    ]
    return [*lists, *single, *texts, *seconds, *others]


def _name(member: str) -> str:
    return f"--{member.replace('_', '-')}"


def _read_json(_context: click.Context, _option: click.Parameter, file: TextIO | None) -> Any:
    try:
        return json.load(file) if file else None
    except ValueError:
        raise click.BadParameter("the file is not valid JSON") from None
