"""Every letter there is, with its variables and an example of each."""

from datetime import UTC, datetime
from typing import Any

from gatehouse.core.i18n import marked

LETTERS: dict[str, tuple[str, ...]] = {
    "verify_email": ("code", "link", "expires"),
    "account_exists": (),
    "invitation": ("link", "role", "expires"),
    "password_reset": ("code", "link", "expires"),
    "email_change": ("code", "link", "expires"),
    "email_change_asked": ("new_address",),
    "login_link": ("code", "link", "expires"),
    "factor_code": ("code", "expires"),
    "mfa_recovery": ("code", "expires"),
    "sms_reset": ("code",),
    "sms_phone": ("code",),
    "sms_login": ("code",),
    "sms_factor": ("code",),
    "sms_mfa_recovery": ("code",),
    "sms_notice": ("what",),
    "notice_new_device": ("link",),
    "notice_session_moved": ("link",),
    "notice_password_changed": ("link",),
    "notice_password_reset": ("link",),
    "notice_email_changed": ("new_address", "link", "expires"),
    "notice_phone_changed": ("number", "link"),
    "notice_factor_added": ("factor", "link"),
    "notice_factor_removed": ("factor", "link"),
    "notice_codes_low": ("left", "link"),
    "notice_recovery_code_used": ("left", "link"),
    "notice_lockout": ("link",),
    "notice_attempts": ("link",),
    "notice_mfa_reset": ("link", "when"),
}
"""The variables that senders give; every letter has those of ALWAYS besides."""

ALWAYS: tuple[str, ...] = ("asked", "address", "device", "site", "host", "service")
ALWAYS += ("language", "direction", "subject")
"""When, from where and with what it was asked for; where people use the service, and what they call
it; how it is read. The subject is known to the HTML part alone."""

EXAMPLES: dict[str, Any] = {
    "code": "12345678",
    "link": "https://id.example.com/verify-email/01890000-0000-7000-8000-000000000000#token",
    "expires": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    "when": datetime(2026, 12, 27, 18, 30, tzinfo=UTC),
    "asked": datetime(2026, 12, 24, 18, 0, tzinfo=UTC),
    "role": "admin",
    "new_address": "ann@example.com",
    "number": "+4915112345678",
    "factor": "totp",
    "left": 3,
    "what": "your password was reset",
    "address": "192.0.2.7",
    "device": "Firefox on Linux",
}

WORDS = {
    "totp": marked("authenticator app"),
    "sms": marked("codes by text message"),
    "email": marked("codes by e-mail"),
    "passkey": marked("passkey"),
    "recovery_codes": marked("recovery codes"),
    "your password was reset": marked("your password was reset"),
    "your e-mail address was changed": marked("your e-mail address was changed"),
    "your second factor is being reset": marked("your second factor is being reset"),
    "the phone number of your account was changed": marked(
        "the phone number of your account was changed"
    ),
}
"""What `factor` and `what` can be, in words that the catalogues have."""
