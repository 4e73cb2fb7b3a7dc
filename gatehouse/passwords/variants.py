"""Variants of weak passwords: repetition, decoration (digits, signs) and keyboard walks.

These are pure functions of the string; `blocklist` and `policy` decide what is weak.
"""

import re
import unicodedata
from collections.abc import Iterator

MAX_DECORATION_LENGTH = 4  # characters without a pattern that still count as decoration

_SEPARATORS = re.compile(r"[\s\-_.,']+")
_RUN = re.compile(r"(.)\1+", re.DOTALL)
_RUN_OR_YEAR = re.compile(r"(.)\1{2,}|19[4-9]\d|20[0-4]\d", re.DOTALL)
_UNSHIFTED = str.maketrans('!@#$%^&*()_+{}:"<>?', "1234567890-=[];',./")
_LEET = (
    str.maketrans("01345789@$!+", "oieastbgasit"),
    str.maketrans("01345789@$!+", "oleastbgaslt"),
)
_KEYBOARD_WALKS = (
    *("abcdefghijklmnopqrstuvwxyz", "a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "01234567890"),
    *("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    *("azertyuiop", "qsdfghjklm", "wxcvbn", "qwertzuiop", "yxcvbnm"),  # AZERTY, QWERTZ
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    *("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "qawsedrftgyhujikolp", "aqswdefrgthyjukilo"),
    *("a1s2d3f4g5h6j7k8l9", "azsxdcfvgbhnjmk", "z1x2c3v4b5n6m7"),
    *("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
)
_WALK_TRIGRAMS = frozenset(
    track[at : at + 3]
    for forward in _KEYBOARD_WALKS
    for track in (forward, forward[::-1])
    for at in range(len(track) - 2)
)


def casefold_nfkc(text: str) -> str:
    """Return the text in NFKC and case-folded, since attackers ignore case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def strip_separators(text: str) -> str:
    """Return the case-folded text without spaces and without punctuation between words."""
    return _SEPARATORS.sub("", casefold_nfkc(text))


def variants(password: str) -> set[str]:
    """Return the password and all simpler texts of which it may be a longer or disguised form."""
    texts = {casefold_nfkc(password), strip_separators(password)}
    cores = {core for text in texts for core in _strip_decoration(text)}
    units = {unit for core in cores if (unit := repeated_unit(core)) != core}
    cores |= {core for unit in units for core in _strip_decoration(unit)}
    return {reading for core in cores for reading in _leet_readings(core)}


def repeated_unit(text: str) -> str:
    """Return the shortest unit whose repetition is the text, or the text itself.

    The last repetition may be incomplete: `abcabcab` has the unit `abc`.
    """
    for size in range(1, len(text) // 2 + 1):
        if text.startswith(text[size:]):
            return text[:size]
    return text


def is_pattern(text: str) -> bool:
    """Return whether the whole text is a keyboard walk, a short repetition or decoration.

    Only ASCII counts as a short repetition or decoration: fifteen emoji are accepted.
    """
    if _is_walk(text.translate(_UNSHIFTED)):
        return True
    unit = repeated_unit(text)
    return text.isascii() and (
        (len(unit) <= MAX_DECORATION_LENGTH and unit != text) or is_decoration(text)
    )


def is_decoration(text: str) -> bool:
    """Return whether the text is not alphabetic and has few characters outside of patterns.

    MAX_DECORATION_LENGTH is the limit; patterns are keyboard walks, repetitions and years.
    """
    if any(character.isalpha() for character in text):
        return False
    unit = repeated_unit(text).translate(_UNSHIFTED)
    return _is_walk(unit) or _count_off_walk(_RUN_OR_YEAR.sub("", unit)) <= MAX_DECORATION_LENGTH


def _strip_decoration(text: str) -> Iterator[str]:
    """Yield the text, then the text without decoration: anywhere, or at its ends.

    At each end, up to three digits or signs may belong to the word: trustno1|23456, !!|4ever.
    """
    yield text
    alphas = [at for at, character in enumerate(text) if character.isalpha()]
    if not alphas:
        return
    if is_decoration("".join(character for character in text if not character.isalpha())):
        yield "".join(character for character in text if character.isalpha())
    starts = range(max(0, alphas[0] - 3), alphas[0] + 1)
    ends = range(alphas[-1] + 1, min(len(text), alphas[-1] + 4) + 1)
    heads = [at for at in {0, *starts} if is_decoration(text[:at])]
    tails = [at for at in {len(text), *ends} if is_decoration(text[at:])]
    yield from (text[head:tail] for head in heads for tail in tails)


def _leet_readings(text: str) -> set[str]:
    """Return the text and its readings without leetspeak (p4$$w0rd is password)."""
    return {text, *(text.translate(table) for table in _LEET)}


def _is_walk(text: str) -> bool:
    """Return whether four fifths of the text are on walks, with or without doubled characters."""
    return any(
        len(keys) > 2 and _count_off_walk(keys) * 5 <= len(keys)
        for keys in (text, _RUN.sub(r"\1", text))
    )


def _count_off_walk(text: str) -> int:
    """Count the characters that are not part of a walk of three or more keys."""
    starts = [at for at in range(len(text) - 2) if text[at : at + 3] in _WALK_TRIGRAMS]
    return len(text) - len({start + step for start in starts for step in range(3)})
