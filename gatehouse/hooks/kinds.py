"""The kinds of hooks, and what can be set of each."""

WEBHOOK = "webhook"
BEFORE_REGISTRATION = "before_registration"
BEFORE_LOGIN = "before_login"
TOKEN_CLAIMS = "token_claims"  # noqa: S105 - the name of a kind
BLOCKING = (BEFORE_REGISTRATION, BEFORE_LOGIN, TOKEN_CLAIMS)
KINDS = (WEBHOOK, *BLOCKING)
ALLOW, DENY = "allow", "deny"
ON_FAILURE = (ALLOW, DENY)
"""What a blocking hook decides while it does not answer."""
MIN_TIMEOUT, MAX_TIMEOUT = 20, 300
"""Milliseconds that a blocking hook may take; also those of all hooks of a kind together."""
MILLISECOND = 0.001
"""Seconds."""
ALL_EVENTS = "*"
EVENT_NAME = r"\*|[a-z][a-z_]*(\.[a-z][a-z_]*)+"
"""The name of an event that a webhook gets, or `*` for all of them."""
