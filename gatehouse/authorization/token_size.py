"""The limit of a token's size: a browser keeps cookies of 4,096 bytes, with name and attributes."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from gatehouse.authorization.catalog import Catalog
from gatehouse.authorization.errors import TooManyPermissions
from gatehouse.authorization.roles import SEPARATOR, USER_SUBJECT, is_active
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.tokens import service as tokens
from gatehouse.tokens import specs
from gatehouse.tokens.specs import SessionClaims
from models import ProfileSchema, RoleAssignment

MAX_TOKEN_SIZE = 3500  # bytes
MAX_AMR = ("pwd", "email", "otp", "sms", "hwk", "swk", "recovery", "mfa")
MAX_NUMBER = 2**31  # of a version, and of an index in the status lists


def require_small_tokens(catalog: Catalog, changed_roles: Iterable[str]) -> None:
    """Require that the tokens of all users with a changed role stay small.

    Raises:
        TooManyPermissions: the token of one of them would be too large.
    """
    affected = {
        name for name in catalog.roles if set(catalog.with_parents([name])) & set(changed_roles)
    }
    for given in _list_combinations(affected):
        require_small_token(catalog, given.split())


def require_small_token(catalog: Catalog, roles: Iterable[str]) -> None:
    """Require that the largest token of a user with these roles stays small.

    If attributes become claims, the largest ones that a user can have are in it.

    Raises:
        TooManyPermissions: it would be larger than MAX_TOKEN_SIZE.
    """
    names = catalog.with_parents(roles)
    spec = specs.access_token(catalog.scope_of(names), timedelta(seconds=900))
    any_id, now = str(crypto.new_id()), clock.unix_time()
    claims = SessionClaims(any_id, any_id, now, now, MAX_AMR, "aal2", names)
    claims = replace(claims, custom=_largest_custom_claims())
    claims = replace(claims, versions=[MAX_NUMBER] * (1 + len(names)), status_index=MAX_NUMBER)
    if len(tokens.issue(spec, any_id, claims)) > MAX_TOKEN_SIZE:
        raise TooManyPermissions


def _largest_custom_claims() -> dict[str, object]:
    size = db.session.scalar(select(ProfileSchema.claims_size)) or 0
    return {"x": "x" * size} if size else {}


def _list_combinations(roles: set[str]) -> list[str]:
    """Return the distinct combinations of roles of the users who have one of these roles."""
    subjects = select(RoleAssignment.subject_id).where(RoleAssignment.role.in_(roles), is_active())
    combinations = (
        select(func.aggregate_strings(RoleAssignment.role, SEPARATOR).label("given"))
        .where(RoleAssignment.subject_kind == USER_SUBJECT, is_active())
        .where(RoleAssignment.subject_id.in_(subjects))
        .group_by(RoleAssignment.subject_id)
        .subquery()
    )
    return list(db.session.scalars(select(combinations.c.given).distinct()))
