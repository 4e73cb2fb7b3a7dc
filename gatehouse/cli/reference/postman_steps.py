"""The steps of the Postman collection: every operation in an order that works on a fresh server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAILBOX = "mailbox"
"""A step that reads the developer mailbox, which is no operation of the document."""
SAVE_TOKENS = {
    "access_token": "answer.access_token",
    "refresh_token": "answer.refresh_token",
}
SAVE_CODE = {"code": "answer.items[0].variables.code"}
NEEDS_BROWSER = "A browser has to make the credential, so this one is rejected."
NEEDS_MAIL = "The token comes from a mail that this collection does not cause, so it is rejected."
COMPUTE_TOTP = """\
const crypto = require("crypto-js");
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const bits = [...pm.collectionVariables.get("totp_secret")]
  .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
const key = bits.match(/.{8}/g).map((byte) => parseInt(byte, 2).toString(16).padStart(2, "0"));
const step = Math.floor(Date.now() / 30000).toString(16).padStart(16, "0");
const hex = crypto.enc.Hex;
const mac = crypto.HmacSHA1(hex.parse(step), hex.parse(key.join(""))).toString(hex);
const offset = 2 * parseInt(mac.slice(-1), 16);
const number = parseInt(mac.slice(offset, offset + 8), 16) & 0x7fffffff;
pm.collectionVariables.set("totp_code", String(number % 1000000).padStart(6, "0"));"""
"""A script that computes the code that an authenticator app would show (RFC 6238)."""


@dataclass(frozen=True)
class Step:
    """A request, and what is kept of its response."""

    operation: str
    body: Mapping[str, object] | None = None
    status: int | None = None
    """The expected status; by default the documented one of success."""
    save: Mapping[str, str] = field(default_factory=dict)
    """Variables, with the JavaScript expression of `answer` that each is set to."""
    note: str = ""
    """Why the request is rejected here."""
    before: str = ""
    """A script to run before the request."""
    to: str = "{{email}}"
    """The recipient whose messages the mailbox lists."""


def read_code(to: str = "{{email}}") -> Step:
    """Return the step that saves the code of the newest message."""
    return Step(MAILBOX, save=SAVE_CODE, to=to)


def log_in() -> Step:
    """Return the step that logs in with the password."""
    body = {"identifier": "{{email}}", "password": "{{password}}"}
    return Step("log_in", body, save=SAVE_TOKENS)


CREDENTIALS = {"client_id": "shop", "client_secret": "secret"}
NEEDS_CLIENT = "Register an application first: `gatehouse clients create`."
NEEDS_PROVIDER = "Declare a provider first, in `GATEHOUSE_PROVIDERS`, and use a browser."
NEEDS_APPLICATION = "It takes access tokens of applications, not those of the API itself."
STEPS: Mapping[str, tuple[Step, ...]] = {
    "Sign up and log in": (
        Step(
            "register_user",
            {"email": "{{email}}", "password": "{{password}}"},
            save={"registration_token": "answer.registration_token"},
        ),
        read_code(),
        Step(
            "verify_email",
            {
                "email": "{{email}}",
                "code": "{{code}}",
                "registration_token": "{{registration_token}}",
            },
        ),
        log_in(),
        Step("read_me", save={"user_id": "answer.id"}),
        Step("update_me", {"name": "Ann"}),
        Step("refresh_tokens", {"refresh_token": "{{refresh_token}}"}, save=SAVE_TOKENS),
        Step("resend_verification_email", {"email": "{{email}}"}),
        Step("read_csrf_token", status=401, note="It belongs to sessions in cookies."),
        Step("read_verification_code", {"token": "x"}, 401, note=NEEDS_MAIL),
        Step("create_passkey_sign_up_options", {"email": "bob@example.com"}),
        Step("accept_invitation", {"token": "x", "password": "{{password}}"}, 401, note=NEEDS_MAIL),
    ),
    "Other ways to log in": (
        Step(
            "request_login_link",
            {"email": "{{email}}"},
            save={"login_token": "answer.login_token"},
        ),
        read_code(),
        Step("read_login_link_code", {"token": "x"}, 401, note=NEEDS_MAIL),
        Step(
            "log_in_with_link",
            {"login_token": "{{login_token}}", "code": "{{code}}"},
            save=SAVE_TOKENS,
        ),
        Step("create_passkey_login_options"),
        Step("log_in_with_passkey", status=422, note=NEEDS_BROWSER),
        log_in(),
    ),
    "Identity providers": (
        Step("list_providers"),
        Step(
            "complete_federated_login",
            {"federation_code": "x", "code_verifier": "v" * 43},
            401,
            note=NEEDS_PROVIDER,
        ),
        Step("create_nonce", status=404, note=NEEDS_PROVIDER),
        Step("log_in_with_id_token", {"id_token": "x"}, 404, note=NEEDS_PROVIDER),
        Step("list_identities"),
        Step("begin_linking", {"provider": "acme"}, 404, note=NEEDS_PROVIDER),
        Step(
            "complete_linking",
            {"federation_code": "x", "code_verifier": "v" * 43},
            401,
            note=NEEDS_PROVIDER,
        ),
        Step("remove_identity", status=404, note=NEEDS_PROVIDER),
    ),
    "Second factors": (
        Step(
            "enrol_factor",
            {"kind": "totp", "label": "Phone"},
            save={"factor_id": "answer.id", "totp_secret": "answer.secret"},
        ),
        Step("list_factors"),
        Step(
            "confirm_factor",
            {"code": "{{totp_code}}"},
            save={"recovery_code": "answer.recovery_codes[0]"},
            before=COMPUTE_TOTP,
        ),
        Step(
            "log_in",
            {"identifier": "{{email}}", "password": "{{password}}"},
            save={"mfa_token": "answer.mfa_token"},
        ),
        Step(
            "create_login_challenge",
            {"mfa_token": "{{mfa_token}}", "factor_id": "{{factor_id}}"},
        ),
        Step(
            "verify_second_factor",
            {
                "mfa_token": "{{mfa_token}}",
                "factor": "recovery_codes",
                "code": "{{recovery_code}}",
                "remember_device": True,
            },
            save=SAVE_TOKENS,
        ),
        Step("list_trusted_devices", save={"device_id": "answer.items[0].id"}),
        Step("forget_trusted_device"),
        Step(
            "replace_recovery_codes",
            save={"recovery_code": "answer.recovery_codes[0]"},
        ),
        Step("create_reauthentication_challenge", {"factor_id": "{{factor_id}}"}),
        Step("reauthenticate", {"password": "{{password}}"}, save=SAVE_TOKENS),
        Step("create_passkey_registration_options"),
        Step("register_passkey", status=422, note=NEEDS_BROWSER),
        Step(
            "request_mfa_recovery",
            {"email": "{{email}}"},
            save={"recovery_token": "answer.recovery_token"},
        ),
        read_code(),
        Step(
            "confirm_mfa_recovery",
            {
                "recovery_token": "{{recovery_token}}",
                "code": "{{code}}",
                "recovery_code": "{{recovery_code}}",
            },
        ),
        Step("read_mfa_reset"),
        Step("cancel_mfa_reset", {"token": "x"}, 401, note=NEEDS_MAIL),
        Step("cancel_my_mfa_reset"),
        Step("remove_factor"),
        Step(
            "enrol_factor_at_login",
            {"mfa_token": "{{mfa_token}}", "kind": "totp"},
            401,
            note="The login does not wait for a factor to be enrolled.",
        ),
        Step(
            "confirm_factor_at_login",
            {"mfa_token": "{{mfa_token}}", "factor_id": "{{factor_id}}", "code": "000000"},
            401,
            note="The login does not wait for a factor to be enrolled.",
        ),
    ),
    "Password, e-mail address and phone number": (
        Step(
            "change_password",
            {"current_password": "{{password}}", "password": "{{new_password}}"},
        ),
        Step("request_password_reset", {"email": "{{email}}"}),
        read_code(),
        Step(
            "reset_password",
            {"email": "{{email}}", "code": "{{code}}", "password": "{{password}}"},
        ),
        log_in(),
        Step("change_email", {"email": "{{new_email}}"}),
        read_code("{{new_email}}"),
        Step("verify_email", {"email": "{{new_email}}", "code": "{{code}}"}),
        Step("revert_email_change", {"token": "x"}, 401, note=NEEDS_MAIL),
        Step(
            "log_in",
            {"identifier": "{{new_email}}", "password": "{{password}}"},
            save=SAVE_TOKENS,
        ),
        Step("change_phone", {"phone": "{{phone}}"}),
        read_code("%2B4915112345678"),
        Step("verify_phone", {"phone": "{{phone}}", "code": "{{code}}"}),
        Step("remove_phone"),
    ),
    "For services and operators": (
        Step("verify_request"),
        Step("read_jwks"),
        Step("read_status_list"),
        Step("list_related_origins", status=404, note="There are none by default."),
        Step("read_captcha"),
        Step("check_liveness"),
        Step("check_readiness"),
        Step("read_metrics"),
    ),
    "For applications": (
        Step("read_provider_metadata"),
        Step("read_server_metadata"),
        Step(
            "request_tokens",
            {"grant_type": "client_credentials", **CREDENTIALS},
            status=401,
            note=NEEDS_CLIENT,
        ),
        Step("introspect_token", {"token": "x", **CREDENTIALS}, status=401, note=NEEDS_CLIENT),
        Step("revoke_token", {"token": "x", **CREDENTIALS}, status=401, note=NEEDS_CLIENT),
        Step("read_userinfo", status=401, note=NEEDS_APPLICATION),
        Step("post_userinfo", status=401, note=NEEDS_APPLICATION),
    ),
    "Sessions and logout": (
        Step(
            "list_grants",
        ),
        Step("revoke_grant", status=404, note="No application has access yet."),
        Step(
            "list_sessions",
            save={"session_id": "answer.items.find((one) => !one.current).id"},
        ),
        Step("end_session"),
        Step("log_out"),
        Step(
            "log_in",
            {"identifier": "{{new_email}}", "password": "{{password}}"},
            save=SAVE_TOKENS,
        ),
        Step("list_history"),
        Step("export_me"),
        Step("delete_me"),
        Step("restore_me", {"token": "x"}, status=401, note=NEEDS_MAIL),
    ),
}
"""The folders of the collection, with their requests in order."""
