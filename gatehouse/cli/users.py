"""`gatehouse users`: invite users, reset their MFA and unlock their accounts."""

import click

from gatehouse.account import invitation, user_administration
from gatehouse.cli import user_bulk, user_changes, user_queries
from gatehouse.cli.database_group import DatabaseGroup
from gatehouse.cli.options import as_json, reason_option
from gatehouse.cli.output import to_json
from gatehouse.cli.user_lookup import IDENTIFIER_HELP, build_change, commit_and_report, find_user_id
from gatehouse.database.session import db
from gatehouse.mfa import grace_period, reset
from gatehouse.mfa.errors import NoSecondFactor
from gatehouse.users import identifiers
from gatehouse.web.request_context import NO_REQUEST

users = DatabaseGroup("users", help="User accounts.")
READING = (
    user_queries.list_users,
    user_queries.show_user,
    user_queries.list_sessions,
    user_queries.list_factors,
    user_queries.list_identities,
    user_queries.list_assessments,
)
CHANGING: tuple[click.Command, ...] = (
    user_changes.create_user,
    user_changes.disable_user,
    user_changes.enable_user,
    user_changes.verify_email,
    user_changes.reset_password,
    user_changes.end_sessions,
    user_changes.delete_user,
    user_changes.restore_user,
    user_changes.update_user,
    user_bulk.change_users,
)
for command in (*READING, *CHANGING):
    users.add_command(command)


@users.command("invite")
@click.argument("email")
@click.option("--role", default="user", show_default=True, help="Role of the invited user.")
@as_json
def invite_user(email: str, role: str, as_json: bool) -> None:
    """Send an invitation to EMAIL, and print its link."""
    try:
        link = invitation.send_invitation(identifiers.parse_email(email), role, NO_REQUEST)
    except (LookupError, ValueError) as problem:
        raise click.ClickException(str(problem)) from None
    db.session.commit()
    sentence = f"{email} is invited. The link works once, for three days:\n\n  {link}\n"
    click.echo(to_json({"email": email, "link": link}) if as_json else sentence)


@users.command("reset-mfa", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def reset_mfa(identifier: str, reason: str | None, as_json: bool) -> None:
    """Schedule the removal of all second factors of a user, who can cancel it until then.

    The user is notified at every e-mail address and phone number. Verify first that the request
    comes from the user.
    """
    try:
        due_at = reset.schedule_by_operator(build_change(identifier, reason))
    except NoSecondFactor:
        raise click.ClickException(f"{identifier} has no second factor.") from None
    db.session.commit()
    reset.execute_due()
    sentence = (
        f"{identifier} is notified. The second factors are removed on {due_at:%Y-%m-%d %H:%M} UTC,"
        " or up to ten minutes later, unless the user cancels the reset."
    )
    click.echo(to_json({"due_at": due_at}) if as_json else sentence)


@users.command("extend-mfa-grace", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def extend_mfa_grace(identifier: str, reason: str | None, as_json: bool) -> None:
    """Restart the grace period in which a user can enrol the required second factor.

    During the grace period the password alone is enough to enrol one: verify first that the request
    comes from the user.
    """
    ends_at = grace_period.extend(find_user_id(identifier), NO_REQUEST, reason)
    db.session.commit()
    sentence = f"{identifier} can enrol a second factor until {ends_at:%Y-%m-%d %H:%M} UTC."
    click.echo(to_json({"ends_at": ends_at}) if as_json else sentence)


@users.command("unlock", epilog=IDENTIFIER_HELP)
@click.argument("identifier")
@reason_option
@as_json
def unlock_account(identifier: str, reason: str | None, as_json: bool) -> None:
    """Reset the counters of wrong passwords of a user.

    Known and unknown devices can try passwords again immediately. Networks with many wrong
    passwords stay blocked, for an hour at most.
    """
    change = build_change(identifier, reason)
    user_administration.unlock_user(change)
    commit_and_report(f"{identifier} is unlocked.", change, as_json)
