"""What a person is told about a password that is refused: a sentence for each code, in English.

The catalogues translate these very texts; the names in them are filled in afterwards.
"""

SENTENCES = {
    "password_too_short": "Use at least %(least)s characters.",
    "password_too_long": "Use at most %(most)s characters.",
    "password_unprintable": "Control characters such as tabs and line breaks cannot be used.",
    "password_blocklisted": (
        "This password, or a simple form of it, is among those that attackers try first."
    ),
    "password_personal": (
        "This password is your name, your address or the name of this service, hardly changed."
    ),
    "password_too_guessable": "This password is too easy to guess.",
    "password_breached": (
        "This password was stolen somewhere before, so attackers know it; choose another one."
    ),
}
"""By code; `password_too_guessable` may say one of WARNINGS instead."""

WARNINGS = (
    "Straight rows of keys are easy to guess.",
    "Short keyboard patterns are easy to guess.",
    'Repeats like "aaa" are easy to guess.',
    'Repeats like "abcabcabc" are only slightly harder to guess than "abc".',
    "Sequences like abc or 6543 are easy to guess.",
    "Recent years are easy to guess.",
    "Dates are often easy to guess.",
    "This is a top-10 common password.",
    "This is a top-100 common password.",
    "This is a very common password.",
    "This is similar to a commonly used password.",
    "A word by itself is easy to guess.",
    "Names and surnames by themselves are easy to guess.",
    "Common names and surnames are easy to guess.",
)
"""What zxcvbn says."""
