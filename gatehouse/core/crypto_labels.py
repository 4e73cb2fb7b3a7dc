"""Every string that goes into a digest or a ciphertext: purposes and associated data.

These strings keep their spelling when a module, table or column is renamed: another spelling would
make stored digests and ciphertexts unusable. A purpose of a one-time code is also the value of
`one_time_codes.purpose`.
"""

# Associated data of encrypted columns; the row's id follows (see `column_data`).
CODE_DATA = "challenges.data"
CREDENTIAL_DATA = "credentials.data"
OUTBOX_PAYLOAD = "outbox.payload"
HOOK_SECRETS = "hooks.secrets"
WEBHOOK_PAYLOAD = "webhook_events.payload"
SIGNING_KEY = "signing_keys.private"
IDEMPOTENT_RESPONSE = "idempotency_keys.answer"
"""For tokens within the JSON column `idempotency_keys.response`."""

# Purposes of one-time codes, links and pending login steps.
REGISTRATION = "register"
INVITATION = "invite"
PASSWORD_RESET = "reset"  # noqa: S105 - the name of a purpose
LOGIN_LINK = "login"
LOGIN_CHALLENGE = "mfa"
MANDATORY_ENROLMENT = "mfa_enrolment"
STEP_UP_CHALLENGE = "reauthenticate"
EMAIL_CHANGE = "email_change"
EMAIL_CHANGE_REVERT = "email_undo"
MFA_RESET = "mfa_reset"
ACCOUNT_RESTORATION = "account_restoration"
MFA_RECOVERY = "lost_factor"
PHONE_VERIFICATION = "phone"
EMAIL_OTP = "factor_email"
SMS_OTP = "factor_sms"
DECOY = "nothing"
PASSKEY_CREATION = "passkey_create"
PASSKEY_SIGN_UP = "passkey_sign_up"
PASSKEY_SIGN_IN = "passkey_sign_in"
PASSKEY_SECOND_FACTOR = "passkey_second_factor"
FEDERATION_REQUEST = "federation_request"
FEDERATION_CODE = "federation_code"
FEDERATION_NONCE = "federation_nonce"
FEDERATION_LINKING = "federation_linking"

# Purposes of other keyed digests.
AUTHORIZATION_REQUEST = "authorization_request"
"""Associated data of the sealed requests that pages of the sign-in hand along."""
CAPTCHA = "captcha"
CAPTCHA_FAILURES = "robots"
CREDENTIAL_STUFFING = "guard"
CSRF = "csrf"
DEVICE = "device"
IDEMPOTENCY_BODY = "idempotency body"
IDEMPOTENCY_KEY = "idempotency key"
IDEMPOTENT_ENDPOINTS = {
    "account.request_mfa_recovery": "selfservice.ask_for_recovery",
    "account.request_password_reset": "selfservice.forget_password",
    "account.resend_verification_email": "selfservice.resend_email",
    "auth.register_user": "auth.register",
    "auth.request_login_link": "auth.ask_for_link",
    "second_factor.create_login_challenge": "second_step.ask_for_factor",
    "second_factor.create_reauthentication_challenge": "second_step.ask_again",
}
"""Flask endpoints of idempotent routes, and the names that are part of their keys' digests."""
PASSKEY_USER_HANDLE = "passkey handle"
PROXY_CHECK = "doctor"
LOGOUT_REQUEST = "oauth logout request"
"""Associated data of sealed logout requests."""

# Lockout counters: purposes by kind of attempt, scopes, and owners.
LOCKOUT = {"password": "guesses", "code": "guesses code", "factor": "guesses factor"}
LOCKOUT_DEVICE = "device:"
LOCKOUT_NETWORK = "network:"
LOCKOUT_IP_PREFIX = "site:"
LOCKOUT_TOTAL = "everybody"
LOCKOUT_USER = "user"
LOCKOUT_UNKNOWN = "nobody"

# Prefixes of purposes and of digested values.
CODE_PREFIX = "code:"
REQUESTER_PREFIX = "requester:"
CURSOR_PREFIX = "cursor:"
RATE_LIMIT_PREFIX = "limit "
RECIPIENT_LIMIT_PREFIX = "recipient "
SMS_BUDGET_PREFIX = "texts "
RECOVERY_CODES_PREFIX = "recovery_codes:"
CAPTCHA_ANSWER_PREFIX = "captcha:"


def column_data(label: str, row_id: object) -> str:
    """Return the associated data of one row's value: the label, a colon, the row's id."""
    return f"{label}:{row_id}"
