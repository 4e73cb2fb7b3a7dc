"""Which passwords are good enough: NIST SP 800-63B-4 section 3.1.1.2, and a reason when refused."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from zxcvbn_rs_py import zxcvbn

from gatehouse.passwords import blocklist, variants
from gatehouse.passwords.error_messages import SENTENCES, WARNINGS

PRODUCT = "gatehouse"
MAXIMUM = 256  # code points: NIST asks for 64 at least; a longer one is refused, never cut
ESTIMATED = 32  # characters: 50 ms at worst; 95 held the interpreter for half a second
LOWEST_SCORE = 2  # of 0 to 4: a million guesses and more
SHORTEST_TERM = 3  # code points of a personal word that is worth looking for

_UNPRINTABLE = {"Cc", "Cs"}  # controls, and surrogates, which no encoding can carry
_WORDS = re.compile(r"[\W_]+")


class PasswordRefused(Exception):
    """The password is not good enough; one sentence says why."""

    def __init__(self, code: str, sentence: str = "", **about: int) -> None:
        self.code, self.sentence, self.about = code, sentence or SENTENCES[code], about
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.said(str)

    def said(self, say: Callable[[str], str]) -> str:
        """Return the sentence as `say` translates it, the numbers filled in."""
        return say(self.sentence) % self.about if self.about else say(self.sentence)


def minimum_length(mfa_mandatory: bool) -> int:
    """Return the least number of code points: fewer where a second factor is always asked for."""
    return 8 if mfa_mandatory else 15  # section 3.1.1.2 (1)


def check(
    password: str, personal: Sequence[str], *, minimum: int = 15, service: str = PRODUCT
) -> None:
    """Return if the password may be used; there are no rules of composition.

    `personal` holds what is known of its owner: username, e-mail address, name; `service` is what
    people call the service. `minimum` counts code points after NFC, as everything here does.

    Raises:
        PasswordRefused: `password_too_short`, `password_too_long`, `password_unprintable`,
            `password_blocklisted`, `password_service_name`, `password_personal` or
            `password_too_guessable`.
    """
    normal = unicodedata.normalize("NFC", password)
    _check_length(normal, minimum)
    _check_printable(normal)
    _check_blocklist(normal)
    ours = _terms([PRODUCT, service])
    terms = ours | _terms([*personal, *(text.partition("@")[0] for text in personal)])
    _check_terms(normal, ours, "password_service_name")
    _check_terms(normal, terms, "password_personal")
    _check_guesses(normal, terms)


def _check_length(password: str, minimum: int) -> None:
    if len(password) < minimum:
        raise PasswordRefused("password_too_short", least=minimum)
    if len(password) > MAXIMUM:
        raise PasswordRefused("password_too_long", most=MAXIMUM)


def _check_printable(password: str) -> None:
    if any(unicodedata.category(character) in _UNPRINTABLE for character in password):
        raise PasswordRefused("password_unprintable")


def _check_blocklist(password: str) -> None:
    if blocklist.names(password):
        raise PasswordRefused("password_blocklisted")


def _check_terms(password: str, terms: frozenset[str], code: str) -> None:
    if any(blocklist.is_made_of(stem, _ranking(terms)) for stem in variants.stems(password)):
        raise PasswordRefused(code)


def _check_guesses(password: str, terms: frozenset[str]) -> None:
    """Refuse what zxcvbn finds too easy; other scripts than ASCII it cannot estimate.

    Of a long password it sees what is repeated, or else both ends, of which one must be strong.
    """
    if not password.isascii():
        return
    reason = ""
    text = password if len(password) <= ESTIMATED else variants.repeated_unit(password)
    for end in (text[:ESTIMATED], text[-ESTIMATED:]):
        reason = _weakness(end, terms)
        if not reason:
            return
    raise PasswordRefused("password_too_guessable", reason)


def _weakness(text: str, terms: frozenset[str]) -> str:
    """Return zxcvbn's sentence about what makes the text easy to guess; nothing if it is not."""
    estimate = zxcvbn(text, sorted(terms))
    if int(estimate.score) >= LOWEST_SCORE:
        return ""
    warning = str(estimate.feedback and estimate.feedback.warning)
    return warning if warning in WARNINGS else SENTENCES["password_too_guessable"]


def _ranking(terms: frozenset[str]) -> blocklist.Ranking:
    """Return a ranking in which each personal term is a guesser's first try."""
    return lambda text: 1 if text in terms else None


def _terms(texts: Sequence[str]) -> frozenset[str]:
    """Return the words a guesser would try because of names and addresses."""
    words = [word for text in texts for word in _WORDS.split(text)]
    terms = {
        fold(text) for text in (*texts, *words) for fold in (variants.folded, variants.squeezed)
    }
    return frozenset(term for term in terms if len(term) >= SHORTEST_TERM)
