"""Messages for rejected passwords: one English sentence for each error code.

The gettext catalogues translate them; their placeholders are filled in after translation.
"""

from gatehouse.core.i18n import gettext_noop

ERROR_MESSAGES = {
    "password_too_short": gettext_noop("Use at least %(least)s characters."),
    "password_too_long": gettext_noop("Use at most %(most)s characters."),
    "password_unprintable": gettext_noop(
        "Control characters such as tabs and line breaks cannot be used."
    ),
    "password_blocklisted": gettext_noop(
        "This password, or a simple variant of it, is among those that attackers try first."
    ),
    "password_service_name": gettext_noop("This password is almost the name of this service."),
    "password_personal": gettext_noop(
        "This password is almost your name, your e-mail address or the name of this service."
    ),
    "password_too_guessable": gettext_noop("This password is too easy to guess."),
    "password_unchanged": gettext_noop("This is your password already; choose another one."),
    "password_breached": gettext_noop(
        "This password appeared in a data breach, so attackers know it; choose another one."
    ),
}
"""By error code; `password_too_guessable` may use one of ZXCVBN_WARNINGS instead."""

ZXCVBN_WARNINGS = (
    gettext_noop("Straight rows of keys are easy to guess."),
    gettext_noop("Short keyboard patterns are easy to guess."),
    gettext_noop('Repeats like "aaa" are easy to guess.'),
    gettext_noop('Repeats like "abcabcabc" are only slightly harder to guess than "abc".'),
    gettext_noop("Sequences like abc or 6543 are easy to guess."),
    gettext_noop("Recent years are easy to guess."),
    gettext_noop("Dates are often easy to guess."),
    gettext_noop("This is a top-10 common password."),
    gettext_noop("This is a top-100 common password."),
    gettext_noop("This is a very common password."),
    gettext_noop("This is similar to a commonly used password."),
    gettext_noop("A word by itself is easy to guess."),
    gettext_noop("Names and surnames by themselves are easy to guess."),
    gettext_noop("Common names and surnames are easy to guess."),
)
"""The warnings of zxcvbn."""
