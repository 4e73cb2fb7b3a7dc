"""The first of the account pages: what needs attention, and where to go on."""

from uuid import UUID

from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.mfa import registry, reset
from gatehouse.mfa import service as mfa
from gatehouse.pages.account.guards import shows
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import create_blueprint
from gatehouse.passwords import service as passwords
from gatehouse.sessions import service as sessions
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users

overview_routes = create_blueprint("account_overview")
FEW_CODES = 3
RESET = gettext_noop(
    "Someone asked to remove all your second factors. Keep them, if it was not you."
)
UNVERIFIED = gettext_noop("Your e-mail address is not confirmed.")
NO_FACTOR = gettext_noop("Protect your account with a passkey or a second factor.")
FEW_LEFT = gettext_noop("You have few recovery codes left. Create new ones.")
NO_PASSWORD = gettext_noop("Your account has no password.")


@overview_routes.get("/account")
@commits
@shows("overview")
def show_overview(caller: AccessToken) -> Variables:
    """Show what needs attention, with the page that settles it."""
    user_id = UUID(caller.sub)
    factors = mfa.list_factors(user_id)
    return {
        "profile": users.get_profile(user_id),
        "attention": _list_attention(user_id, factors),
        "factor_count": sum(registry.is_second_factor(str(one["kind"])) for one in factors),
        "session_count": len(sessions.active_sessions(user_id)),
    }


def _list_attention(user_id: UUID, factors: list[dict[str, object]]) -> list[tuple[str, str]]:
    """Return the sentences about what needs attention, each with the name of a page."""
    few = any(
        one["kind"] == registry.RECOVERY_CODES and int(str(one["left"])) < FEW_CODES
        for one in factors
    )
    found = {
        (RESET, "factors"): reset.find_for_user(user_id) is not None,
        (UNVERIFIED, "email"): not users.get_profile(user_id)["email_verified"],
        (NO_FACTOR, "factors"): bool(registry.second_factor_kinds()) and not factors,
        (FEW_LEFT, "factors"): few,
        (NO_PASSWORD, "password"): passwords.get(user_id) is None,
    }
    return [sentence for sentence, is_so in found.items() if is_so]
