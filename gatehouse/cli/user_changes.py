"""`flask users disable|enable|delete|restore ...`: change users, as the operators' API does."""

from datetime import UTC, datetime
from uuid import UUID

import click

from gatehouse.account import user_administration
from gatehouse.cli.user_lookup import (
    IDENTIFIER_HELP,
    as_json,
    build_change,
    commit_and_report,
    confirmed,
    reason_option,
    user_command,
)
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.sessions import service as sessions
from gatehouse.users import administration, identifiers, managed_users
from gatehouse.web.request_context import NO_REQUEST


def parse_end(_context: click.Context, _option: click.Parameter, value: str | None) -> object:
    """Parse a time of ISO 8601, in UTC unless it has an offset; it must be in the future."""
    try:
        end = datetime.fromisoformat(value) if value else None
    except ValueError:
        raise click.BadParameter("write a time such as 2026-12-24T18:30") from None
    if end and end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    if end and end <= clock.now():
        raise click.BadParameter("choose a time in the future")
    return end


@user_command("create", short_help="Create a user.")
@click.argument("email")
@as_json
def create_user(email: str, as_json: bool) -> None:
    """Create a user with EMAIL, who gets an invitation to choose a password."""
    try:
        address = identifiers.parse_email(email)
    except ValueError as problem:
        raise click.ClickException(str(problem)) from None
    user_id = user_administration.create_user(address, {}, NO_REQUEST)
    change = build_change(str(user_id))
    commit_and_report(f"{email} is created and invited: {user_id}", change, as_json)


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
