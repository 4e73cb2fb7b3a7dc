"""All message templates with their variables, and an example of each variable."""

from datetime import UTC, datetime

from gatehouse.core.i18n import gettext_noop

TEMPLATES: dict[str, tuple[str, ...]] = {
    "verify_email": ("code", "link", "code_link", "expires"),
    "account_exists": (),
    "invitation": ("link", "role", "expires"),
    "invitation_reminder": ("invited", "expires"),
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
    "notice_identity_linked": ("provider", "link"),
    "notice_identity_unlinked": ("provider", "link"),
    "notice_codes_low": ("left", "link"),
    "notice_recovery_code_used": ("left", "link"),
    "notice_lockout": ("link",),
    "notice_attempts": ("link",),
    "notice_mfa_reset": ("link", "when"),
    "notice_api_key_expires": ("service_account", "key", "when"),
    "notice_webhook_paused": ("webhook", "reason"),
    "notice_client_secret_expires": ("client", "client_id", "when"),
    "notice_impersonation": ("link",),
    "notice_account_deleted": ("link", "when"),
    "notice_account_restored": ("link",),
}
"""Template name to its own variables; all templates also have COMMON_VARIABLES."""

COMMON_VARIABLES: tuple[str, ...] = ("asked", "address", "device", "site", "host", "service")
COMMON_VARIABLES += ("language", "direction", "subject", "accent", "on_accent")
COMMON_VARIABLES += ("terms_url", "privacy_url", "support_url")
"""Time, IP address and device of the request; host with port, host and name of the service;
language tag and text direction; colour of buttons and of the text on them; links. `subject` exists
in the HTML part only."""

EXAMPLES: dict[str, object] = {
    "code": "12345678",
    "link": "https://id.example.com/verify-email/01890000-0000-7000-8000-000000000000#token",
    "code_link": "",  # in the place of the link, for a sign-up with a passkey
    "expires": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    "invited": datetime(2026, 12, 18, 9, 0, tzinfo=UTC),
    "when": datetime(2026, 12, 27, 18, 30, tzinfo=UTC),
    "asked": datetime(2026, 12, 24, 18, 0, tzinfo=UTC),
    "role": "admin",
    "new_address": "ann@example.com",
    "number": "+4915112345678",
    "factor": "totp",
    "provider": "Google",
    "left": 3,
    "service_account": "deploy",
    "key": "CI runner",
    "webhook": "crm",
    "client": "Example Shop",
    "client_id": "shop",
    "reason": "It answered 503.",
    "what": "your password was reset",
    "address": "192.0.2.7",
    "device": "Firefox on Linux",
}

TRANSLATABLE = {
    "totp": gettext_noop("authenticator app"),
    "sms": gettext_noop("codes by text message"),
    "email": gettext_noop("codes by e-mail"),
    "passkey": gettext_noop("passkey"),
    "recovery_codes": gettext_noop("recovery codes"),
    "your password was reset": gettext_noop("your password was reset"),
    "your e-mail address was changed": gettext_noop("your e-mail address was changed"),
    "your second factors are about to be removed": gettext_noop(
        "your second factors are about to be removed"
    ),
    "your second factor is being reset": "your second factors are about to be removed",
    "your account was deleted": gettext_noop("your account was deleted"),
    "the phone number of your account was changed": gettext_noop(
        "the phone number of your account was changed"
    ),
}
"""The values of `factor` and `what`, with their translatable texts.

`your second factor is being reset` is the value in messages that an earlier version queued."""
