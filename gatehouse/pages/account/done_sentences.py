"""What the account pages say after an action; URLs name these sentences by their codes."""

from gatehouse.core.i18n import gettext_noop

DONE = {
    "saved": gettext_noop("Your changes are saved."),
    "session-ended": gettext_noop("That session has ended."),
    "others-ended": gettext_noop("All your other sessions have ended."),
    "device-forgotten": gettext_noop("That device asks for your second factor again."),
    "access-revoked": gettext_noop("That application no longer has access to your account."),
}
