"""The operator's look of the pages: colours, logo, background and links.

The colours are in a stylesheet of their own, since the policy of the pages allows no inline styles.
"""

import hashlib
from functools import lru_cache

from flask import url_for

import config
from gatehouse.core import colors
from gatehouse.settings.branding import Picture

LIGHT_SURFACES = ("#ffffff", "#f4f5f7")
DARK_SURFACES = ("#1c2025", "#121519")
"""The surfaces of `pages.css` on which text stands, in light and dark."""


@lru_cache(maxsize=8)
def render_theme(accent: str, background: str | Picture) -> str:
    """Return the stylesheet: the accent colour for buttons, and shades of it that can be read."""
    lines = [
        f":root {{ --brand: {accent}; --on-brand: {colors.text_on(accent)};"
        f" --accent: {colors.readable(accent, LIGHT_SURFACES)}; }}",
        "@media (prefers-color-scheme: dark) {"
        f" :root {{ --accent: {colors.readable(accent, DARK_SURFACES)}; }} }}",
        *_background_rules(background),
    ]
    return "\n".join(lines) + "\n"


def _background_rules(background: str | Picture) -> list[str]:
    """Return the rules of what is behind a card; what stands on it is set off from a picture."""
    if isinstance(background, Picture):
        image = f'url("background?v={_digest(background.content)}")'
        body = f"body:has(> .card) {{ background: {image} center / cover fixed; }}"
        return [body, "body:has(> .card) > :is(header, footer) { background: var(--surface); }"]
    if not background:
        return []
    text = colors.text_on(background)
    return [
        f"body:has(> .card) {{ background: {background}; }}",
        f"body:has(> .card) > :is(header, footer) {{ --text: {text}; --muted: {text};"
        f" --accent: {text}; color: {text}; }}",
    ]


def describe_brand() -> dict[str, object]:
    """Return what the layout of the pages shows: addresses of pictures and theme, and links."""
    settings = config.settings()
    theme = render_theme(settings.accent_color, settings.background)
    return {
        "theme_url": url_for("branding.show_theme", v=_digest(theme.encode())),
        "logo_url": _picture_url("logo"),
        "dark_logo_url": _picture_url("logo_dark"),
        "terms_url": settings.terms_url,
        "privacy_url": settings.privacy_url,
        "support_url": settings.support_url,
        "has_pages": settings.pages,
    }


def _picture_url(name: str) -> str:
    picture = getattr(config.settings(), name)
    if not isinstance(picture, Picture):
        return ""
    return url_for("branding.show_picture", picture=name, v=_digest(picture.content))


@lru_cache(maxsize=8)
def _digest(content: bytes) -> str:
    """Return the version in an address, by which browsers notice a change."""
    return hashlib.sha256(content).hexdigest()[:12]
