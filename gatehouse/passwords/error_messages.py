"""What a person is told about a password that is refused: a sentence for each code, in English.

The catalogues translate these texts; the names in them are filled in afterwards.
"""

from gatehouse.core.i18n import marked

SENTENCES = {
    "password_too_short": marked("Use at least %(least)s characters."),
    "password_too_long": marked("Use at most %(most)s characters."),
    "password_unprintable": marked(
        "Control characters such as tabs and line breaks cannot be used."
    ),
    "password_blocklisted": marked(
        "This password, or a simple form of it, is among those that attackers try first."
    ),
    "password_service_name": marked("This password is the name of this service, hardly changed."),
    "password_personal": marked(
        "This password is your name, your address or the name of this service, hardly changed."
    ),
    "password_too_guessable": marked("This password is too easy to guess."),
    "password_breached": marked(
        "This password was stolen somewhere before, so attackers know it; choose another one."
    ),
}
"""By code; `password_too_guessable` may say one of WARNINGS instead."""

WARNINGS = (
    marked("Straight rows of keys are easy to guess."),
    marked("Short keyboard patterns are easy to guess."),
    marked('Repeats like "aaa" are easy to guess.'),
    marked('Repeats like "abcabcabc" are only slightly harder to guess than "abc".'),
    marked("Sequences like abc or 6543 are easy to guess."),
    marked("Recent years are easy to guess."),
    marked("Dates are often easy to guess."),
    marked("This is a top-10 common password."),
    marked("This is a top-100 common password."),
    marked("This is a very common password."),
    marked("This is similar to a commonly used password."),
    marked("A word by itself is easy to guess."),
    marked("Names and surnames by themselves are easy to guess."),
    marked("Common names and surnames are easy to guess."),
)
"""What zxcvbn says."""
