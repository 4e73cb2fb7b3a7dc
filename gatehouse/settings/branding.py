"""Settings of what people see: the hosted pages and the e-mails, which share their look."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gatehouse.settings.field import setting
from gatehouse.settings.languages import LANGUAGES
from gatehouse.settings.parsers import boolean, choice, display_name, folder_path, http_url
from gatehouse.settings.svg import SVG_TYPE, check_svg

COLOR = re.compile(r"#[0-9a-f]{6}")
EMAIL_LINK = re.compile(r"mailto:[^\s@?&#]+@[a-z0-9.-]+", re.IGNORECASE)
WEB_LINK = re.compile(r"[!-~]+")
MAX_LOGO, MAX_BACKGROUND = 100_000, 500_000  # bytes
SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
}
"""What files of a media type begin with (WHATWG MIME Sniffing section 6.1)."""


@dataclass(frozen=True)
class Picture:
    """A picture of the operator's, as it is sent to browsers."""

    media_type: str
    content: bytes = field(repr=False)


def color(value: str) -> str:
    """colour, such as `#14538c`"""
    if not COLOR.fullmatch(value.lower()):
        raise ValueError("must be a colour such as #14538c")
    return value.lower()


def logo_file(value: str) -> Picture:
    """path of an SVG, PNG or WebP file, up to 100 kB"""
    content = _read_file(value, MAX_LOGO, "an SVG, PNG or WebP")
    kind = _recognize(content, ("image/png", "image/webp"))
    if not kind:
        check_svg(content)
    return Picture(kind or SVG_TYPE, content)


def color_or_picture(value: str) -> str | Picture:
    """colour, such as `#e8eef4`, or path of a PNG, JPEG or WebP file, up to 500 kB"""
    if value.startswith("#"):
        return color(value)
    content = _read_file(value, MAX_BACKGROUND, "a PNG, JPEG or WebP")
    kind = _recognize(content, tuple(SIGNATURES))
    if not kind:
        raise ValueError("must be a colour such as #e8eef4, or name a PNG, JPEG or WebP file")
    return Picture(kind, content)


def page_link(value: str) -> str:
    """`https://...`, or `mailto:` and an e-mail address"""
    if EMAIL_LINK.fullmatch(value):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("must be a valid URL") from None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must start with https:// or mailto:")
    if not WEB_LINK.fullmatch(value):
        raise ValueError("must have ASCII characters only, and no spaces")
    return value


def _read_file(path: str, limit: int, kinds: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise ValueError(f"must name {kinds} file that can be read") from None
    if len(content) > limit:
        raise ValueError(f"must name a file of at most {limit // 1000} kB")
    return content


def _recognize(content: bytes, kinds: tuple[str, ...]) -> str:
    return next((kind for kind in kinds if SIGNATURES[kind].match(content)), "")


@dataclass(frozen=True, kw_only=True)
class BrandingSettings:
    """Pages and mails.

    The name, logo, colours and links of the hosted pages and of the e-mails; see
    [pages](pages.md) and [templates and languages](templates-and-languages.md).
    """

    pages: bool = setting(boolean, "on")
    """`off` switches off the hosted pages for people; needs `GATEHOUSE_FRONTEND_URL`, to which the
    links in mails then lead."""
    sign_in_form: str = setting(choice("together", "identifier-first"), "together")
    """`identifier-first` asks for the password on a page of its own, after the e-mail address,
    username or phone number; that page is the same whether or not there is an account."""
    frontend_url: str = setting(http_url)
    """Base URL of your front end's pages for the links in mails; without it, ours are used."""
    service_name: str = setting(display_name)
    """Name that users see in mails, pages, authenticator apps and passkeys; not accepted as a
    password. By default the host of the public URL; `Gatehouse` in development."""
    logo: Picture | str = setting(logo_file)
    """Logo above the pages, in the place of the name; it is shown 40 pixels high."""
    logo_dark: Picture | str = setting(logo_file)
    """Logo for browsers that are set to dark colours; by default the same one."""
    accent_color: str = setting(color, "#14538c")
    """Colour of buttons and links; its text and borders are made light or dark enough to read."""
    background: str | Picture = setting(color_or_picture)
    """What is behind the forms."""
    terms_url: str = setting(page_link)
    """Your terms of service, linked from pages and mails."""
    privacy_url: str = setting(page_link)
    """Your privacy policy, linked likewise."""
    support_url: str = setting(page_link)
    """Where people get help, linked likewise."""
    default_locale: str = setting(choice(*LANGUAGES), "en")
    """Language of mails and pages for users whose own language is unknown or not available."""
    templates: str = setting(folder_path)
    """Folder of your own message templates; see `templates-and-languages.md`."""
