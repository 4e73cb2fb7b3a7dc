"""`gatehouse users disable|enable|delete|restore ...`: change users, as the operators' API does."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from gatehouse.account import user_administration
from gatehouse.cli.options import (
    as_json,
    confirmed,
    parse_attributes,
    parse_end,
    reason_option,
)
from gatehouse.cli.user_lookup import (
    IDENTIFIER_HELP,
    build_change,
    commit_and_report,
    load_form,
    user_command,
)
from gatehouse.database.session import db
from gatehouse.sessions import service as sessions
from gatehouse.users import administration, managed_users
from gatehouse.users.administration_forms import NewUser, UserUpdate
from gatehouse.web.request_context import NO_REQUEST

PROFILE_OPTIONS = ("username", "name", "locale")
attribute_option = click.option(
    "--attribute",
    "attributes",
    multiple=True,
    help="An attribute, as in department=sales; repeatable. The value may be JSON.",
)


def profile_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the profile."""
    for name in reversed(PROFILE_OPTIONS):
        command = click.option(f"--{name}", help=f"The {name}.")(command)
    return command


@user_command("create", short_help="Create a user.")
@click.argument("email")
@profile_options
@attribute_option
@as_json
def create_user(email: str, as_json: bool, **profile: object) -> None:
    """Create a user with EMAIL, who gets an invitation to choose a password."""
    form = load_form(NewUser(), {"email": email, **_given(profile)})
    user_id = user_administration.create_user(form, NO_REQUEST)
    change = build_change(str(user_id))
    commit_and_report(f"{email} is created and invited: {user_id}", change, as_json)


@user_command("update", short_help="Change a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@profile_options
@click.option("--email", help="A verified address: make sure that it is the user's.")
@click.option("--phone", help="A number, which is unverified until the user enters a code.")
@attribute_option
@reason_option
@as_json
def update_user(identifier: str, reason: str | None, as_json: bool, **fields: object) -> None:
    """Change the options that you give; an empty one, as in --phone "", clears its field.

    An attribute without a value, as in --attribute department=, is removed.

    The previous e-mail address is notified, and can revert the change for 72 hours.
    """
    change = build_change(identifier, reason)
    values = {name: value or None for name, value in _given(fields).items()}
    if not values:
        raise click.UsageError("Give at least one option to change.")
    user_administration.update_user(change, load_form(UserUpdate(), values).fields)
    commit_and_report(f"{identifier} is changed.", change, as_json)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, with the attributes parsed."""
    attributes = parse_attributes(options.pop("attributes"))
    given = {name: value for name, value in options.items() if value is not None}
    return given | ({"attributes": attributes} if attributes else {})


@user_command("disable", short_help="Disable a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@click.option("--reason", required=True, help="Kept in the audit log.")
@click.option("--until", callback=parse_end, help="When the user is enabled again (UTC).")
@as_json
def disable_user(identifier: str, reason: str, until: datetime | None, as_json: bool) -> None:
    """Disable a user: sessions, tokens, codes and links end within a second."""
    change = build_change(identifier, reason)
    administration.disable_user(change, until)
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    commit_and_report(f"{identifier} is disabled{end}.", change, as_json)


@user_command("enable", short_help="Enable a disabled user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def enable_user(identifier: str, reason: str | None, as_json: bool) -> None:
    """Enable a disabled user, who has to log in again."""
    change = build_change(identifier, reason)
    administration.enable_user(change)
    commit_and_report(f"{identifier} is enabled.", change, as_json)


@user_command("verify-email", short_help="Declare an address verified.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def verify_email(identifier: str, reason: str | None, as_json: bool) -> None:
    """Declare the e-mail address of a user to be verified: make sure that it is the user's."""
    change = build_change(identifier, reason)
    administration.verify_email(change)
    commit_and_report(f"The e-mail address of {identifier} is verified.", change, as_json)


@user_command("reset-password", short_help="Require a new password.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
@confirmed("All sessions of the user end, and the password stops working. Continue?")
def reset_password(identifier: str, reason: str | None, as_json: bool) -> None:
    """Require a new password: the user gets a link for it, and all sessions end."""
    change = build_change(identifier, reason)
    user_administration.require_new_password(change)
    commit_and_report(f"{identifier} must choose a new password, by e-mail.", change, as_json)


@user_command("end-sessions", short_help="End the sessions of a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@click.option("--session", "session_id", type=click.UUID, help="End only this one.")
@reason_option
@as_json
@confirmed("The user is logged out. Continue?")
def end_sessions(
    identifier: str, session_id: UUID | None, reason: str | None, as_json: bool
) -> None:
    """End all sessions of a user, or one of them."""
    change = build_change(identifier, reason)
    sessions.end_sessions_by_administrator(change, session_id)
    which = "The session" if session_id else "All sessions"
    commit_and_report(f"{which} of {identifier} ended.", change, as_json)


@user_command("delete", short_help="Delete a user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
@confirmed("The user is disabled at once, and erased after the grace period. Continue?")
def delete_user(identifier: str, reason: str | None, as_json: bool) -> None:
    """Delete a user, who can be restored until the grace period is over."""
    change = build_change(identifier, reason)
    administration.delete_user(change)
    db.session.flush()
    end = managed_users.get_managed_user(change.user_id)["erased_after"]
    sentence = f"{identifier} is deleted, and can be restored until {end:%Y-%m-%d %H:%M} UTC."
    commit_and_report(sentence, change, as_json)


@user_command("restore", short_help="Restore a deleted user.", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def restore_user(identifier: str, reason: str | None, as_json: bool) -> None:
    """Restore a deleted user; one who was disabled before stays disabled."""
    change = build_change(identifier, reason)
    administration.restore_user(change)
    commit_and_report(f"{identifier} is restored.", change, as_json)
