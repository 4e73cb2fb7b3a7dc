"""Verify the code of the client that requested it, with attempts of its own.

Such a client has the token of its request, or a session of the account. Its five attempts at its
own code are counted apart, so that wrong codes of others use none of them up.
"""

from uuid import UUID

from sqlalchemy import and_, or_

from gatehouse.core import crypto
from gatehouse.one_time_codes import service as store
from gatehouse.one_time_codes.refunding import Condition
from gatehouse.one_time_codes.service import MAX_CODE_ATTEMPTS, InvalidCode
from models import OneTimeCode


def verify_code_with_token(purpose: str, subject: str, token: str, code: str) -> OneTimeCode:
    """Count an attempt at the code requested with a token, and return its row if they match.

    Rows from before migration 0011 have no requester: those of the subject are tried, and the
    caller checks that the token is theirs.

    Raises:
        InvalidCode: nothing was requested with the token, its attempts are used up, or the code
            does not match.
    """
    is_older = and_(
        OneTimeCode.requester_digest.is_(None),
        OneTimeCode.subject_digest.in_(crypto.keyed_digests(purpose, subject)),
    )
    digests = store.requester_digests(purpose, token)
    return _verify_code(or_(OneTimeCode.requester_digest.in_(digests), is_older), purpose, code)


def verify_code_of_user(purpose: str, user_id: UUID, code: str) -> OneTimeCode:
    """Count an attempt at the codes that a user requested, and return the matching row.

    Raises:
        InvalidCode: nothing is pending, its attempts are used up, or no code matches.
    """
    return _verify_code(OneTimeCode.user_id == user_id, purpose, code)


def _verify_code(condition: Condition, purpose: str, code: str) -> OneTimeCode:
    counter = OneTimeCode.requester_attempts
    for row in store.count_attempts(condition, purpose, MAX_CODE_ATTEMPTS, counter):
        if store.is_code_of(row, code):
            return row
    raise InvalidCode
