"""The page of sessions and remembered devices: each of them can be ended."""

from collections import defaultdict
from typing import cast
from uuid import UUID

from gatehouse.database.session import commits
from gatehouse.devices import service as devices
from gatehouse.mfa import trusted_devices
from gatehouse.oauth import authorized_applications
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint
from gatehouse.pages.security_headers import current_locale
from gatehouse.sessions import logout
from gatehouse.sessions import service as sessions
from gatehouse.tokens.service import AccessToken
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts
from gatehouse.web.user_agent import device_name
from models import Device, Session

session_routes = create_blueprint("account_sessions")


@session_routes.get("/account/sessions")
@commits
@shows("sessions")
def show_sessions(caller: AccessToken) -> Variables:
    """Show where the user is signed in, and which devices skip the second factor."""
    user_id = UUID(caller.sub)
    rows = sessions.active_sessions(user_id)
    return {
        "applications": _list_applications(user_id),
        "sessions": sorted(
            (_describe(row, caller) for row in rows), key=lambda one: not one["current"]
        ),
        "devices": [_describe_device(row) for row in devices.list_trusted_devices(user_id)],
    }


@session_routes.post("/auth/account/sessions/<uuid:session_id>/end")
@accepts(FORM)
@commits
@submits("sessions")
def end_session(caller: AccessToken, session_id: UUID) -> str:
    """End one of the user's sessions."""
    sessions.end_own_session(UUID(caller.sub), session_id, request_context())
    return "session-ended"


@session_routes.post("/auth/account/sessions/end-others")
@accepts(FORM)
@rate_limit("logout")
@commits
@submits("sessions")
def end_other_sessions(caller: AccessToken) -> str:
    """End all sessions of the user except this one."""
    logout.end_many_sessions(logout.OTHERS, caller, request_context())
    return "others-ended"


@session_routes.post("/auth/account/devices/<uuid:device_id>/forget")
@accepts(FORM)
@commits
@submits("sessions")
def forget_device(caller: AccessToken, device_id: UUID) -> str:
    """Require the second factor again on one of the user's devices."""
    trusted_devices.forget_device(UUID(caller.sub), device_id, request_context())
    return "device-forgotten"


def _list_applications(user_id: UUID) -> dict[UUID, list[str]]:
    """Return the names of the applications that use each session."""
    names: dict[UUID, list[str]] = defaultdict(list)
    for one in authorized_applications.list_applications(user_id, request_context()):
        for session_id in cast(list[UUID], one["session_ids"]):
            names[session_id].append(str(one["name"]))
    return names


def _describe(row: Session, caller: AccessToken) -> dict[str, object]:
    """Return a session for the page; what an administrator has opened hides its client."""
    return {
        "id": row.id,
        "device": current_locale().format_device(device_name(row.user_agent)),
        "ip_address": row.ip_address,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "current": str(row.id) == caller.sid,
        "is_of_administrator": row.actor_id is not None,
    }


def _describe_device(row: Device) -> dict[str, object]:
    return {
        "id": row.id,
        "device": current_locale().format_device(device_name(row.user_agent)),
        "last_used_at": row.last_used_at,
        "remembered_until": row.remembered_until,
    }
