"""Contrast of colours, and shades of an operator's colour that can be read."""

from itertools import product

import pytest

from gatehouse.core.colors import MIN_CONTRAST, contrast, readable, text_on
from gatehouse.pages.branding import DARK_SURFACES, LIGHT_SURFACES

PARTS = ("00", "55", "aa", "ff")
COLORS = ["#" + "".join(parts) for parts in product(PARTS, repeat=3)]


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


def test_every_colour_has_text_and_shades_that_can_be_read():
    for color in COLORS:
        assert contrast(color, text_on(color)) >= MIN_CONTRAST, color
        for surfaces in (LIGHT_SURFACES, DARK_SURFACES):
            shade = readable(color, surfaces)
            assert min(contrast(shade, surface) for surface in surfaces) >= MIN_CONTRAST, color


def test_colour_that_can_be_read_is_kept():
    assert readable("#14538c", LIGHT_SURFACES) == "#14538c"
    assert readable("#8cc2f2", DARK_SURFACES) == "#8cc2f2"
