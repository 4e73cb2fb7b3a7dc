"""What the account pages say after an action; URLs name these sentences by their codes."""

from gatehouse.core.i18n import gettext_noop

DONE = {
    "saved": gettext_noop("Your changes are saved."),
    "email-changed": gettext_noop("Your e-mail address is changed."),
    "phone-verified": gettext_noop("Your phone number is confirmed."),
    "phone-removed": gettext_noop("Your phone number is removed."),
    "password-changed": gettext_noop(
        "Your password is changed. All your other sessions have ended."
    ),
    "password-link-sent": gettext_noop("We have sent you an e-mail. Open its link to go on."),
    "factor-added": gettext_noop("Your new factor is ready. All your other sessions have ended."),
    "passkey-added": gettext_noop("Your passkey is ready."),
    "factor-removed": gettext_noop("The factor is removed. All your other sessions have ended."),
    "reset-cancelled": gettext_noop("Your factors stay as they are."),
    "session-ended": gettext_noop("That session has ended."),
    "others-ended": gettext_noop("All your other sessions have ended."),
    "device-forgotten": gettext_noop("That device asks for your second factor again."),
    "identity-linked": gettext_noop("That account is connected. You can sign in here with it."),
    "identity-removed": gettext_noop(
        "That account is disconnected. All your other sessions have ended."
    ),
    "access-revoked": gettext_noop("That application no longer has access to your account."),
}
