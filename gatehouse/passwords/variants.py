"""The shapes people give a weak password to make it longer: repetition, decoration, key walks.

Everything here is pure and works on the string alone; what counts as weak is decided by
`blocklist` and `policy`.
"""

import re
import unicodedata
from collections.abc import Iterator

MEMORABLE = 4  # characters: what is added without a pattern and still counts as mere decoration

_SEPARATORS = re.compile(r"[\s\-_.,']+")
_RUN = re.compile(r"(.)\1+", re.DOTALL)
_RUN_OR_YEAR = re.compile(r"(.)\1{2,}|19[4-9]\d|20[0-4]\d", re.DOTALL)
_UNSHIFTED = str.maketrans('!@#$%^&*()_+{}:"<>?', "1234567890-=[];',./")
_LEET = (
    str.maketrans("01345789@$!+", "oieastbgasit"),
    str.maketrans("01345789@$!+", "oleastbgaslt"),
)
_FORWARD = (
    *("abcdefghijklmnopqrstuvwxyz", "a1b2c3d4e5f6g7h8i9j0", "1a2b3c4d5e6f7g8h9i0j", "01234567890"),
    *("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"),
    *("azertyuiop", "qsdfghjklm", "wxcvbn", "qwertzuiop", "yxcvbnm"),  # AZERTY, QWERTZ
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/"),
    *("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "qawsedrftgyhujikolp", "aqswdefrgthyjukilo"),
    *("a1s2d3f4g5h6j7k8l9", "azsxdcfvgbhnjmk", "z1x2c3v4b5n6m7"),
    *("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
)
_STEPS = frozenset(
    track[at : at + 3]
    for forward in _FORWARD
    for track in (forward, forward[::-1])
    for at in range(len(track) - 2)
)


def folded(text: str) -> str:
    """Return the text without the differences of case and width that a guesser ignores."""
    return unicodedata.normalize("NFKC", text).casefold()


def squeezed(text: str) -> str:
    """Return the folded text without spaces and the punctuation that stands between words."""
    return _SEPARATORS.sub("", folded(text))


def stems(password: str) -> set[str]:
    """Return the password and everything it may be a longer or disguised form of."""
    texts = {folded(password), squeezed(password)}
    cores = {core for text in texts for core in _undecorated(text)}
    units = {unit for core in cores if (unit := repeated_unit(core)) != core}
    cores |= {core for unit in units for core in _undecorated(unit)}
    return {reading for core in cores for reading in _readings(core)}


def repeated_unit(text: str) -> str:
    """Return what is repeated, at least twice and perhaps cut short at the end; else the text."""
    for size in range(1, len(text) // 2 + 1):
        if text.startswith(text[size:]):
            return text[:size]
    return text


def is_pattern(text: str) -> bool:
    """Tell whether the text is nothing but a walk over keys, a short repetition or decoration.

    Only ASCII can be a short repetition or decoration: fifteen emoji are somebody's choice.
    """
    if _is_walk(text.translate(_UNSHIFTED)):
        return True
    unit = repeated_unit(text)
    return text.isascii() and ((len(unit) <= MEMORABLE and unit != text) or is_decoration(text))


def is_decoration(text: str) -> bool:
    """Tell whether the text holds no letter and no more than a memorable rest without a pattern."""
    if any(character.isalpha() for character in text):
        return False
    unit = repeated_unit(text).translate(_UNSHIFTED)
    return _is_walk(unit) or _loose(_RUN_OR_YEAR.sub("", unit)) <= MEMORABLE


def _undecorated(text: str) -> Iterator[str]:
    """Yield the text, then its cores: without mere decoration anywhere, or at its ends.

    At the ends up to three characters may be the core's own: trustno1|23456, !!|4ever.
    """
    yield text
    letters = [at for at, character in enumerate(text) if character.isalpha()]
    if not letters:
        return
    if is_decoration("".join(character for character in text if not character.isalpha())):
        yield "".join(character for character in text if character.isalpha())
    starts = range(max(0, letters[0] - 3), letters[0] + 1)
    ends = range(letters[-1] + 1, min(len(text), letters[-1] + 4) + 1)
    heads = [at for at in {0, *starts} if is_decoration(text[:at])]
    tails = [at for at in {len(text), *ends} if is_decoration(text[at:])]
    yield from (text[head:tail] for head in heads for tail in tails)


def _readings(text: str) -> set[str]:
    """Return the text and what it says when digits and signs stand for letters (p4$$w0rd)."""
    return {text, *(text.translate(table) for table in _LEET)}


def _is_walk(text: str) -> bool:
    """Tell whether four fifths of the text, each key counted once, lie on walks."""
    return any(
        len(keys) > 2 and _loose(keys) * 5 <= len(keys) for keys in (text, _RUN.sub(r"\1", text))
    )


def _loose(text: str) -> int:
    """Count the characters that lie on no walk of three or more keys."""
    starts = [at for at in range(len(text) - 2) if text[at : at + 3] in _STEPS]
    return len(text) - len({start + step for start in starts for step in range(3)})
