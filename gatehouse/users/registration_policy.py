"""Who can get an account: the policy of the settings, which depends on no account that exists."""

import config
from gatehouse.core.errors import ValidationFailed
from gatehouse.core.i18n import gettext_noop
from gatehouse.users.errors import RegistrationClosed
from gatehouse.users.identifiers import Email

OPEN, CLOSED = "open", "closed"
NOT_ALLOWED = {
    "code": "email_domain_not_allowed",
    "message": gettext_noop(
        "Addresses of this domain are not accepted here; use another e-mail address."
    ),
}


def require_sign_up(email: Email) -> None:
    """Require that users can sign up themselves, with this e-mail address.

    Raises:
        RegistrationClosed: users cannot sign up themselves.
        ValidationFailed: the domain is blocked, or is not among those that are allowed.
    """
    require_open_registration()
    require_allowed_domain(email)


def require_open_registration() -> None:
    """Require that users can sign up themselves.

    Raises:
        RegistrationClosed: only an invitation leads to an account, or nothing does.
    """
    if config.settings().registration != OPEN:
        raise RegistrationClosed


def require_invitations() -> None:
    """Require that invitations can be sent and accepted.

    Raises:
        RegistrationClosed: no new accounts are accepted.
    """
    if config.settings().registration == CLOSED:
        raise RegistrationClosed


def require_allowed_domain(email: Email) -> None:
    """Require that users may sign up with, or change to, an e-mail address of this domain.

    Raises:
        ValidationFailed: the domain is blocked, or is not among those that are allowed.
    """
    settings, domain = config.settings(), email.canonical.rpartition("@")[2]
    allowed, blocked = settings.registration_domains, settings.registration_blocked_domains
    if _is_listed(domain, blocked) or (allowed and not _is_listed(domain, allowed)):
        raise ValidationFailed({"email": [NOT_ALLOWED]})


def _is_listed(domain: str, patterns: tuple[str, ...]) -> bool:
    parents = domain.split(".")[1:]
    wildcards = {f"*.{'.'.join(parents[i:])}" for i in range(len(parents))}
    return domain in patterns or not wildcards.isdisjoint(patterns)
