"""Routes that list what belongs to a user: sessions, factors, identities, events, risk."""

from uuid import UUID

from gatehouse.admin.changes import CHANGE_ERRORS, build_change
from gatehouse.admin.schemas import (
    AuditItemPage,
    IdentityItem,
    ManagedFactor,
    ManagedSession,
    RiskItem,
)
from gatehouse.audit import search as audit
from gatehouse.authorization import permissions
from gatehouse.core.errors import NotFound
from gatehouse.federation import identities
from gatehouse.mfa import service as mfa
from gatehouse.oauth import authorized_applications
from gatehouse.oauth.application_schemas import AuthorizedApplication
from gatehouse.risk import assessments
from gatehouse.sessions import service as sessions
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.users import service as users
from gatehouse.web import pagination
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, page_schema

user_detail_routes = Blueprint(
    "admin_user_details",
    __name__,
    url_prefix="/admin",
    description="Administration: data of users",
)


@user_detail_routes.get("/users/<uuid:user_id>/sessions")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_detail_routes.response(200, page_schema(ManagedSession))
@user_detail_routes.errors(NotFound)
def list_user_sessions(_caller: Administrator, user_id: UUID) -> dict[str, object]:
    """List the active sessions of a user, the newest first; there are at most 50."""
    users.require_user(user_id)
    return {"items": sessions.list_managed_sessions(user_id), "next_cursor": None}


@user_detail_routes.get("/users/<uuid:user_id>/grants")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_detail_routes.response(200, page_schema(AuthorizedApplication))
@user_detail_routes.errors(NotFound)
def list_user_grants(_caller: Administrator, user_id: UUID) -> dict[str, object]:
    """List the applications that have access to a user, by name."""
    users.require_user(user_id)
    items = authorized_applications.list_applications(user_id, request_context())
    return {"items": items, "next_cursor": None}


@user_detail_routes.delete("/users/<uuid:user_id>/grants/<uuid:grant_id>")
@rate_limit("admin")
@requires(permissions.USERS_WRITE)
@user_detail_routes.response(204)
@user_detail_routes.errors(NotFound, *CHANGE_ERRORS)
def revoke_user_grant(_caller: Administrator, user_id: UUID, grant_id: UUID) -> None:
    """Revoke the access of an application to a user; its tokens are rejected within a second."""
    change = build_change(user_id)
    authorized_applications.revoke_access_by_administrator(change, grant_id)


@user_detail_routes.get("/users/<uuid:user_id>/factors")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_detail_routes.response(200, page_schema(ManagedFactor))
@user_detail_routes.errors(NotFound)
def list_user_factors(_caller: Administrator, user_id: UUID) -> dict[str, object]:
    """List the confirmed factors of a user, without their secrets."""
    users.require_user(user_id)
    return {"items": mfa.list_managed_factors(user_id), "next_cursor": None}


@user_detail_routes.get("/users/<uuid:user_id>/identities")
@rate_limit("admin")
@requires(permissions.USERS_READ)
@user_detail_routes.arguments(PageQuery, location="query")
@user_detail_routes.response(200, page_schema(IdentityItem))
@user_detail_routes.errors(NotFound)
def list_user_identities(
    _caller: Administrator, query: PageQueryForm, user_id: UUID
) -> dict[str, object]:
    """List the identities that a user has at identity providers, the newest first."""
    users.require_user(user_id)
    purpose = f"admin identities {user_id}"
    after = pagination.decode_cursor(purpose, query.cursor)
    items, following = identities.list_identities(user_id, query.limit, after)
    return {"items": items, "next_cursor": pagination.encode_cursor(purpose, following)}


@user_detail_routes.get("/users/<uuid:user_id>/risk")
@rate_limit("admin")
@requires(permissions.AUDIT_READ)
@user_detail_routes.arguments(PageQuery, location="query")
@user_detail_routes.response(200, page_schema(RiskItem))
@user_detail_routes.errors(NotFound)
def list_user_assessments(
    _caller: Administrator, query: PageQueryForm, user_id: UUID
) -> dict[str, object]:
    """List what the risk policy found and decided about a user's logins, the newest first."""
    users.require_user(user_id)
    purpose = f"admin risk {user_id}"
    after = pagination.decode_cursor(purpose, query.cursor)
    items, following = assessments.list_assessments(user_id, query.limit, after)
    return {"items": items, "next_cursor": pagination.encode_cursor(purpose, following)}


@user_detail_routes.get("/users/<uuid:user_id>/audit")
@rate_limit("admin")
@requires(permissions.AUDIT_READ)
@user_detail_routes.arguments(PageQuery, location="query")
@user_detail_routes.response(200, AuditItemPage)
@user_detail_routes.errors(NotFound)
def list_user_events(
    _caller: Administrator, query: PageQueryForm, user_id: UUID
) -> dict[str, object]:
    """List the events that concern a user, the newest first, also of one who was erased."""
    purpose = f"admin audit {user_id}"
    after = pagination.decode_cursor(purpose, query.cursor)
    rows, following = audit.list_events_of_user(user_id, query.limit, after)
    items = [audit.serialize_event(row) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(purpose, following)}
