"""Revoke all access to an account when its owner recovers it, or verifies it for the first time."""

from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.events import CredentialChanged, UserChanged, UserDisabled, publish
from gatehouse.database.session import advisory_lock
from gatehouse.devices import service as devices
from gatehouse.federation import identities
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import CODE, PASSWORD
from gatehouse.mfa import credential_store
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import service as users
from gatehouse.users.notifications import SURVIVING_PURPOSES
from gatehouse.web.request_context import RequestContext
from models import User


def revoke_all_access(user_id: UUID, reason: str, context: RequestContext) -> None:
    """End all sessions, forget all devices and delete pending codes, in the current transaction.

    Whatever else is pending (an e-mail change, a login, another reset) is cancelled, too. Only a
    previous e-mail address can still revert its change, and a scheduled MFA reset continues. The
    lockout counters are reset, except those of second factors: access to the mailbox alone must
    not allow more attempts at them.
    """
    kinds = (PASSWORD, CODE)
    lockout.unlock(
        user_id, context, *kinds
    )  # before the devices are deleted: their ids name counters
    devices.forget_all_devices(user_id)
    one_time_codes.delete_for_user(user_id, except_purposes=SURVIVING_PURPOSES)
    publish(CredentialChanged(user_id, reason, context))


def delete_codes_of_disabled_user(event: UserDisabled[RequestContext]) -> None:
    """Delete the codes, links and pending logins of a user who was disabled or deleted.

    As after `revoke_all_access`, a previous e-mail address can still revert its change.
    """
    one_time_codes.delete_for_user(event.user_id, except_purposes=SURVIVING_PURPOSES)


def take_ownership(user: User, context: RequestContext) -> None:
    """Give an account to the first user who verifies its e-mail, in the current transaction.

    Another party may have created the account, by an import for example. Their factors,
    identities at providers, phone number, sessions and pending codes are removed, with all links
    that revert or cancel something. The caller replaces the password. Name and roles stay: they
    give no access, and the operator assigns the roles.
    """
    advisory_lock(users.lock_key(user.id))
    revoke_all_access(user.id, "address_proved", context)
    one_time_codes.delete_for_user(user.id)
    credential_store.delete_factors(user.id, context)
    identities.delete_for(user.id)
    changed = ("email_verified", "phone") if user.phone else ("email_verified",)
    user.phone = user.phone_verified_at = None
    user.email_verified_at = clock.now()
    record(events.Account.OWNERSHIP_VERIFIED, context, user_id=user.id)
    publish(UserChanged(user.id, context, changed))
