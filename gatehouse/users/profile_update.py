"""Users change their own profile."""

from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.users import attributes
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted
from gatehouse.users.forms import ProfileUpdateForm
from gatehouse.users.profile_schema import USER
from gatehouse.web.request_context import RequestContext


def update_profile(user_id: UUID, form: ProfileUpdateForm, context: RequestContext) -> None:
    """Change the fields that the form has; None clears a field.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
        UsernameTaken: another user has the username.
        ValidationFailed: an attribute is not one that the user may write, or is invalid.
    """
    changes = form.profile
    with write_transaction():
        advisory_lock(users.lock_key(user_id))
        user = users.get_user(user_id)
        if user is None:
            raise AccountDeleted
        users.require_free_username(changes.get("username"), user_id=user_id)
        users.set_fields(user, changes)
        changed = [*sorted(changes), *attributes.list_paths(form.attributes)]
        record(events.Account.PROFILE_CHANGED, context, user_id=user_id, fields=changed)
        users.flush_changes()
        attributes.change_attributes(user, form.attributes, USER)
        publish(UserChanged(user_id, context, tuple(changed)))
