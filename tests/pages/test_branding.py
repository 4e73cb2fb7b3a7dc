"""The operator's look of the pages: logo, colours, background and links; and no pages at all."""

import re
from pathlib import Path

import pytest

from gatehouse.core.colors import MIN_CONTRAST, contrast
from gatehouse.core.i18n import load_language
from gatehouse.messaging.template_catalog import EXAMPLES
from gatehouse.messaging.template_rendering import render
from gatehouse.pages.branding import DARK_SURFACES, LIGHT_SURFACES, render_theme
from gatehouse.settings.branding import Picture
from tests.pages.axe import COLORS, find_faults
from tests.pages.conftest import ONE_WORKER

STYLES = Path(__file__).parents[2] / "gatehouse/pages/static/pages.css"
PICTURES = Path(__file__).parent / "pictures"
SVG, PNG = PICTURES / "logo.svg", PICTURES / "dark.png"
NOW, GERMAN = EXAMPLES["asked"], load_language("de")
LOGIN_LINK = {
    name: EXAMPLES[name] for name in ("code", "link", "expires", "asked", "address", "device")
}
BRAND = {
    "GATEHOUSE_LOGO": str(SVG),
    "GATEHOUSE_LOGO_DARK": str(PNG),
    "GATEHOUSE_ACCENT_COLOR": "#ffcc00",
    "GATEHOUSE_BACKGROUND": "#0b3d2e",
    "GATEHOUSE_TERMS_URL": "https://example.com/terms?a=1&b=2",
    "GATEHOUSE_PRIVACY_URL": "https://example.com/privacy",
    "GATEHOUSE_SUPPORT_URL": "mailto:help@example.com",
    "GATEHOUSE_SERVICE_NAME": 'Ann & <Co> "Shop"',
}


def urls_of(html, pattern):
    return [url.replace("&amp;", "&") for url in re.findall(pattern, html)]


@pytest.mark.settings(**BRAND)
def test_page_has_the_logo_the_colours_and_the_links(app):
    browser = app.test_client()
    page = browser.get("/login")
    [logo] = urls_of(page.text, r'<img src="([^"]+)"')
    [dark] = urls_of(page.text, r'<source srcset="([^"]+)"')
    theme = urls_of(page.text, r'<link rel="stylesheet" href="([^"]+)"')[-1]

    assert 'alt="Ann &amp; &lt;Co&gt; &#34;Shop&#34;"' in page.text
    for url, media_type, file in ((logo, "image/svg+xml", SVG), (dark, "image/png", PNG)):
        picture = browser.get(url)
        assert picture.mimetype == media_type
        assert picture.data == file.read_bytes()
        assert picture.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in picture.headers["Content-Security-Policy"]
        assert "script-src" not in picture.headers["Content-Security-Policy"]
        assert picture.headers["Cache-Control"] == "public, max-age=86400"
    colors = browser.get(theme)
    assert colors.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "--brand: #ffcc00; --on-brand: #000000" in colors.text
    assert "#0b3d2e" in colors.text
    footer = page.text.partition("<footer>")[2]
    assert urls_of(footer, r'href="([^"]+)"') == [
        BRAND["GATEHOUSE_TERMS_URL"],
        BRAND["GATEHOUSE_PRIVACY_URL"],
        BRAND["GATEHOUSE_SUPPORT_URL"],
    ]
    metadata = browser.get("/.well-known/openid-configuration").json
    assert metadata["op_tos_uri"] == BRAND["GATEHOUSE_TERMS_URL"]
    assert metadata["op_policy_uri"] == BRAND["GATEHOUSE_PRIVACY_URL"]


def test_page_without_a_look_has_the_name_and_neither_pictures_nor_links(app):
    browser = app.test_client()
    page = browser.get("/login")

    assert '<header class="brand">' in page.text
    assert "<img" not in page.text
    assert "<footer>" not in page.text
    for name in ("logo", "logo_dark", "background", "signing_keys"):
        assert browser.get(f"/assets/branding/{name}").status_code == 404
    assert "op_tos_uri" not in browser.get("/.well-known/openid-configuration").json


def test_theme_can_be_read_on_the_surfaces_of_the_stylesheet():
    styles = STYLES.read_text()
    light, dark = styles.split("prefers-color-scheme: dark", 1)
    for part, surfaces in ((light, LIGHT_SURFACES), (dark, DARK_SURFACES)):
        names = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part))
        assert {names["surface"], names["background"]} == set(surfaces)
        for text in ("text", "muted", "success", "error"):
            assert all(contrast(names[text], surface) >= MIN_CONTRAST for surface in surfaces)
        for kind in ("success", "error"):
            assert contrast(names[kind], names[f"{kind}-surface"]) >= MIN_CONTRAST
        assert contrast(names["field-border"], names["surface"]) >= 3  # WCAG 2.2, 1.4.11


def test_theme_with_a_picture_names_only_our_own_address():
    theme = render_theme("#14538c", Picture("image/png", PNG.read_bytes()))

    [url] = re.findall(r"url\(([^)]*)\)", theme)
    assert re.fullmatch(r'"background\?v=[0-9a-f]{12}"', url)


@pytest.mark.settings(**BRAND, **ONE_WORKER)
def test_page_with_a_look_has_no_accessibility_faults_and_loads_only_ours(live, browser):
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{live.url}/login")

    faults = find_faults(page, {}, COLORS)
    context.close()

    assert faults == []
    assert [url for url in requested if not url.startswith(live.url)] == []


OFF = {"GATEHOUSE_PAGES": "off", "GATEHOUSE_FRONTEND_URL": "https://app.example.com"}
ALWAYS = re.compile(
    r"/|/docs|/errors|/csp-reports|/assets/.*|/dev/mailbox.*|/oauth2/(authorize|logout)|"
    r"/auth/(authorize|end-session)"
)


@pytest.mark.settings(**OFF)
def test_pages_for_people_can_be_switched_off(app):
    browser = app.test_client()
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if app.view_functions[rule.endpoint].__module__.startswith("gatehouse.pages")
        and not ALWAYS.fullmatch(rule.rule)
    ]
    for rule in rules:
        path = re.sub(r"<uuid:\w+>", "01890000-0000-7000-8000-000000000000", rule.rule)
        for method in rule.methods & {"GET", "POST"}:
            assert browser.open(path, method=method).status_code == 404, (method, path)
    assert len(rules) > 20
    for path in ("/", "/docs", "/errors", "/assets/branding/theme.css"):
        page = browser.get(path)
        assert page.status_code == 200, path
        assert not re.search(r'href="/(account|login|register|forgot-password)', page.text), path
    assert browser.get("/.well-known/openid-configuration").json["prompt_values_supported"] == [
        "none"
    ]


@pytest.mark.settings(**BRAND)
def test_email_has_the_colours_and_links_of_the_pages_and_loads_nothing(app):
    with app.app_context():
        mail = render("account_exists", {"asked": NOW, "address": "", "device": ""}, GERMAN)
        code = render("login_link", LOGIN_LINK, GERMAN)

    for url in (BRAND["GATEHOUSE_TERMS_URL"], BRAND["GATEHOUSE_SUPPORT_URL"]):
        assert f'href="{url.replace("&", "&amp;")}"' in mail["html"]
    assert "background: #ffcc00; color: #000000" in code["html"]
    assert "Ann &amp; &lt;Co&gt;" in mail["html"]
    for shown in (mail["html"], code["html"]):
        assert not re.search(r"<img|<link|url\(|@import|src=", shown)


def test_email_without_a_look_has_our_colour_and_no_links(app):
    with app.app_context():
        mail = render("login_link", LOGIN_LINK, GERMAN)

    assert "background: #14538c; color: #ffffff" in mail["html"]
    assert len(re.findall(r"<a ", mail["html"])) == 1
