"""The password policy (NIST SP 800-63B-4 section 3.1.1.2), with a reason for each rejection."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from zxcvbn_rs_py import zxcvbn

from gatehouse.passwords import blocklist, variants
from gatehouse.passwords.error_messages import ERROR_MESSAGES, ZXCVBN_WARNINGS

PRODUCT_NAME = "gatehouse"
MAX_LENGTH = 256  # code points: NIST requires 64 at least; longer ones are rejected, never cut
MAX_ESTIMATED_LENGTH = 32  # characters: 50 ms at worst; 95 blocked the process for half a second
MIN_SCORE = 2  # of 0 to 4: a million guesses and more
MIN_TERM_LENGTH = 3  # code points of a personal term; shorter ones are ignored

_UNPRINTABLE_CATEGORIES = {"Cc", "Cs"}  # controls, and surrogates, which no encoding can carry
_WORD_SEPARATORS = re.compile(r"[\W_]+")


class PasswordRejected(Exception):
    """The password does not meet the policy; the message is one sentence with the reason."""

    def __init__(self, code: str, template: str = "", **values: int) -> None:
        self.code, self.template, self.values = code, template or ERROR_MESSAGES[code], values
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The reason in English."""
        return self.translated(str)

    def translated(self, translate: Callable[[str], str]) -> str:
        """Return the reason translated by `translate`, with its numbers filled in."""
        return translate(self.template) % self.values if self.values else translate(self.template)


def minimum_length(mfa_mandatory: bool) -> int:
    """Return the minimum length in code points; it is lower where MFA is mandatory."""
    return 8 if mfa_mandatory else 15  # section 3.1.1.2 (1)


def check_password(
    password: str,
    personal_terms: Sequence[str],
    *,
    min_length: int = 15,
    service_name: str = PRODUCT_NAME,
) -> None:
    """Return if the password meets the policy; there are no composition rules.

    `personal_terms` are the user's name, username and e-mail address. `min_length` and all other
    lengths count code points after NFC normalisation.

    Raises:
        PasswordRejected: `password_too_short`, `password_too_long`, `password_unprintable`,
            `password_blocklisted`, `password_service_name`, `password_personal` or
            `password_too_guessable`.
    """
    normal = unicodedata.normalize("NFC", password)
    _check_length(normal, min_length)
    _check_printable(normal)
    _check_blocklist(normal)
    service_terms = _terms([PRODUCT_NAME, service_name])
    local_parts = (text.partition("@")[0] for text in personal_terms)
    all_terms = service_terms | _terms([*personal_terms, *local_parts])
    _check_terms(normal, service_terms, "password_service_name")
    _check_terms(normal, all_terms, "password_personal")
    _check_strength(normal, all_terms)


def _check_length(password: str, min_length: int) -> None:
    if len(password) < min_length:
        raise PasswordRejected("password_too_short", least=min_length)
    if len(password) > MAX_LENGTH:
        raise PasswordRejected("password_too_long", most=MAX_LENGTH)


def _check_printable(password: str) -> None:
    if any(unicodedata.category(character) in _UNPRINTABLE_CATEGORIES for character in password):
        raise PasswordRejected("password_unprintable")


def _check_blocklist(password: str) -> None:
    if blocklist.is_blocklisted(password):
        raise PasswordRejected("password_blocklisted")


def _check_terms(password: str, terms: frozenset[str], code: str) -> None:
    if any(
        blocklist.is_made_of_ranked_parts(variant, _ranking(terms))
        for variant in variants.variants(password)
    ):
        raise PasswordRejected(code)


def _check_strength(password: str, terms: frozenset[str]) -> None:
    """Reject a password that zxcvbn rates too weak; only ASCII can be rated.

    Of a long password, the repeated unit is rated, or else both ends: one of them must be strong.
    """
    if not password.isascii():
        return
    reason = ""
    text = password if len(password) <= MAX_ESTIMATED_LENGTH else variants.repeated_unit(password)
    for end in (text[:MAX_ESTIMATED_LENGTH], text[-MAX_ESTIMATED_LENGTH:]):
        reason = _find_weakness(end, terms)
        if not reason:
            return
    raise PasswordRejected("password_too_guessable", reason)


def _find_weakness(text: str, terms: frozenset[str]) -> str:
    """Return zxcvbn's reason why the text is easy to guess, or "" if it is not."""
    estimate = zxcvbn(text, sorted(terms))
    if int(estimate.score) >= MIN_SCORE:
        return ""
    warning = str(estimate.feedback and estimate.feedback.warning)
    return warning if warning in ZXCVBN_WARNINGS else ERROR_MESSAGES["password_too_guessable"]


def _ranking(terms: frozenset[str]) -> blocklist.Ranking:
    """Return a ranking in which each of the terms has rank 1."""
    return lambda text: 1 if text in terms else None


def _terms(texts: Sequence[str]) -> frozenset[str]:
    """Return the texts and the words in them, normalised, without very short ones."""
    words = [word for text in texts for word in _WORD_SEPARATORS.split(text)]
    terms = {
        fold(text)
        for text in (*texts, *words)
        for fold in (variants.casefold_nfkc, variants.strip_separators)
    }
    return frozenset(term for term in terms if len(term) >= MIN_TERM_LENGTH)
