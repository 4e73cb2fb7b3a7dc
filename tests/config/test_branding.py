"""Settings of the look of pages and mails: each wrong value stops the start with one sentence."""

import pytest

from gatehouse.settings.branding import Picture
from tests.config.conftest import read_problems, read_settings

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
WEBP = b"RIFF\x10\0\0\0WEBPVP8 "
JPEG = b"\xff\xd8\xff\xe0"
GOOD_SVGS = {
    "path": '<path d="M0 0h9v9z" style="fill:url(#a)"/>',
    "style": "<style>.a{fill:#fff}</style><defs><linearGradient id='a'/></defs>",
    "reference": '<use href="#a"/><image href="data:image/png;base64,AAAA"/><!-- a comment -->',
}
BAD_SVGS = {
    "<script>alert(1)</script>": "remove <script>",
    '<path onload="alert(1)"/>': "remove the attribute onload of <path>",
    '<a href="javascript:alert(1)"/>': "remove the attribute href of <a>",
    '<image href="https://evil.example/x.png"/>': "remove the attribute href of <image>",
    '<image href="//evil.example/x.png"/>': "remove the attribute href of <image>",
    '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="//evil.example/a.svg#a"/>': "of <use>",
    '<set attributeName="href" to="java&#115;cript:alert(1)"/>': "attribute attributename",
    "<style>@import 'https://evil.example/a.css'</style>": "remove what <style> loads",
    '<path style="fill: url( https://evil.example/)"/>': "remove the attribute style of <path>",
    '<image href="data:image/svg+xml;base64,AAAA"/>': "remove the attribute href of <image>",
    "<foreignObject><b/></foreignObject>": "remove <foreignobject>",
}


def write(folder, content, name="picture"):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def test_logo_is_recognized_by_its_content(tmp_path):
    files = {"image/png": PNG, "image/webp": WEBP}
    files |= {"image/svg+xml" + name: SVG.format(svg) for name, svg in GOOD_SVGS.items()}

    for kind, content in files.items():
        found = read_settings(GATEHOUSE_LOGO=write(tmp_path, content)).logo
        assert isinstance(found, Picture)
        assert kind.startswith(found.media_type)


@pytest.mark.requirement("CF-02")
def test_svg_that_is_more_than_a_picture_stops_the_start(tmp_path):
    for svg, reason in BAD_SVGS.items():
        [problem] = read_problems(GATEHOUSE_LOGO=write(tmp_path, SVG.format(svg)))
        assert problem.startswith("GATEHOUSE_LOGO must be an SVG that is only a picture"), svg
        assert reason in problem

    entity = '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("&a;")
    no_picture = "GATEHOUSE_LOGO must be an SVG, PNG or WebP file."
    for content, sentence in {
        entity: "GATEHOUSE_LOGO must be an SVG without a DOCTYPE.",
        "<html/>": no_picture,
        "<svg": no_picture,
        "": no_picture,
        JPEG: no_picture,
    }.items():
        assert read_problems(GATEHOUSE_LOGO=write(tmp_path, content)) == [sentence]


@pytest.mark.requirement("CF-02")
def test_wrong_look_stops_the_start_with_one_sentence(tmp_path):
    large = write(tmp_path, PNG + b"\0" * 100_000)
    for name, value, sentence in (
        ("LOGO", large, "must name a file of at most 100 kB."),
        ("LOGO_DARK", "/nowhere.svg", "must name an SVG, PNG or WebP file that can be read."),
        ("ACCENT_COLOR", "blue", "must be a colour such as #14538c."),
        ("ACCENT_COLOR", "#fff", "must be a colour such as #14538c."),
        ("ACCENT_COLOR", "#14538c;}*{x:y", "must be a colour such as #14538c."),
        ("BACKGROUND", "#12", "must be a colour such as #14538c."),
        ("BACKGROUND", "/nowhere.png", "must name a PNG, JPEG or WebP file that can be read."),
        ("TERMS_URL", "http://example.com/terms", "must start with https:// or mailto:."),
        ("PRIVACY_URL", "javascript:alert(1)", "must start with https:// or mailto:."),
        ("PRIVACY_URL", "https://a@evil.example/", "must start with https:// or mailto:."),
        ("SUPPORT_URL", "mailto:help", "must start with https:// or mailto:."),
        ("SUPPORT_URL", "https://example.com/a b", "must have ASCII characters only, and no"),
        ("SUPPORT_URL", "https://[::1", "must be a valid URL."),
        ("PAGES", "maybe", "must be true or false."),
    ):
        [problem] = read_problems(**{f"GATEHOUSE_{name}": value})
        assert problem.startswith(f"GATEHOUSE_{name} {sentence}"), value


def test_look_is_read(tmp_path):
    settings = read_settings(
        GATEHOUSE_ACCENT_COLOR="#FFCC00",
        GATEHOUSE_BACKGROUND=write(tmp_path, JPEG),
        GATEHOUSE_TERMS_URL="https://example.com/terms?a=b#c",
        GATEHOUSE_SUPPORT_URL="mailto:help@example.com",
    )

    assert settings.accent_color == "#ffcc00"
    assert settings.background == Picture("image/jpeg", JPEG)
    assert settings.terms_url == "https://example.com/terms?a=b#c"
    assert settings.support_url == "mailto:help@example.com"
    assert read_settings().accent_color == "#14538c"
    assert (read_settings().logo, read_settings().background) == ("", "")


def test_pages_can_be_off_only_with_a_front_end():
    [problem] = read_problems(GATEHOUSE_PAGES="off")

    assert problem.startswith("GATEHOUSE_PAGES=off needs GATEHOUSE_FRONTEND_URL")
    url = "https://app.example.com"
    assert read_settings(GATEHOUSE_PAGES="off", GATEHOUSE_FRONTEND_URL=url).pages is False
