"""Contrast of colours (WCAG 2.2, relative luminance and contrast ratio)."""

MIN_CONTRAST = 4.5
"""Of text (WCAG 2.2 success criterion 1.4.3, level AA)."""
BLACK, WHITE = "#000000", "#ffffff"
STEPS = 50

Rgb = tuple[int, int, int]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours such as `#14538c`, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(color: str) -> str:
    """Return black or white, whichever is easier to read on a colour; it always suffices."""
    return max((WHITE, BLACK), key=lambda text: contrast(text, color))


def readable(color: str, surfaces: tuple[str, ...]) -> str:
    """Return a colour as near as possible to the given one that can be read on all surfaces.

    The surfaces are all light or all dark.
    """
    toward = text_on(surfaces[0])
    mixes = (_mix(color, toward, step / STEPS) for step in range(STEPS + 1))
    return next(mix for mix in mixes if min(contrast(mix, s) for s in surfaces) >= MIN_CONTRAST)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _mix(color: str, other: str, share: float) -> str:
    pairs = zip(_rgb(color), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
