"""A browser without a screen and without scripts: cookies, redirects and HTML forms.

It speaks to a Flask test client or to a running server through a `Connection` that keeps no
cookies, and stops where another origin would be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from werkzeug.test import TestResponse

from tests.client import Connection

MAX_STEPS = 30
TYPED = {"text", "email", "password", "tel", "search", "number", "checkbox"}
"""Fields that a person has to fill."""
Values = Mapping[str, str | Callable[[], str]]
"""What a person enters, by the name of the field; a function is called when it is needed."""


@dataclass
class Form:
    """A form of a page."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    required: list[str] = field(default_factory=list)
    """Names of the fields that a person has to fill."""
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def values(self) -> dict[str, str]:
        """Return the values that the page has filled in."""
        return dict(self.fields)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").upper())
            self.forms.append(self._form)
        elif self._form and tag in ("input", "button"):
            _add_control(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


def _add_control(form: Form, tag: str, given: dict[str, str]) -> None:
    kind = given.get("type", "submit" if tag == "button" else "text")
    name, value = given.get("name", ""), given.get("value", "")
    if kind == "submit":
        form.buttons.append((name, value))
    elif name and (kind not in ("checkbox", "radio") or "checked" in given):
        form.fields.append((name, value or ("on" if kind == "checkbox" else "")))
        if kind in TYPED and "required" in given and not value:
            form.required.append(name)


@dataclass(frozen=True)
class Page:
    """What the browser shows: a page, or the address of another origin that it stopped at."""

    url: str
    response: TestResponse
    """The page, or the redirect to the other origin."""

    @property
    def forms(self) -> list[Form]:
        """Return the forms of the page."""
        parser = _Forms()
        parser.feed(self.response.text)
        return parser.forms

    @property
    def text(self) -> str:
        """Return the HTML of the page."""
        return self.response.text

    def redirects(self) -> bool:
        """Return whether the response is a redirect."""
        return 300 <= self.response.status_code < 400 and "Location" in self.response.headers


class FormBrowser:
    """A browser with one cookie jar."""

    def __init__(self, new_connection: Callable[[], Connection], origin: str) -> None:
        self.origin = origin
        self._connection = new_connection()
        self.cookies: dict[str, tuple[str, str]] = {}
        """The values and paths of its cookies, by their names."""
        self.trail: list[tuple[str, str, int]] = []
        """Method, URL and status of each request."""

    def open(
        self, url: str, data: object = None, method: str = "GET", **headers: str | None
    ) -> Page:
        """Send one request; do not follow a redirect."""
        sent = {"Accept": "text/html", "Cookie": self._cookies_for(url), **headers}
        response = self._connection.open(
            url.removeprefix(self.origin).partition("#")[0],
            method=method,
            data=data,
            headers={name: value for name, value in sent.items() if value},
        )
        self._keep_cookies(response, url)
        self.trail.append((method, url, response.status_code))
        return Page(url, response)

    def visit(self, url: str, data: object = None, method: str = "GET") -> Page:
        """Open a URL and follow redirects up to a page, or an address of another origin."""
        return self.follow(self.open(url, data, method))

    def follow(self, page: Page) -> Page:
        """Follow redirects up to a page, or an address of another origin."""
        for _ in range(MAX_STEPS):
            if not page.redirects():
                return page
            url = urljoin(page.url, page.response.headers["Location"])
            if not self.is_here(url):
                return Page(url, page.response)
            page = self.open(url)
        raise AssertionError(f"too many redirects: {self.trail[-6:]}")

    def submit(self, page: Page, values: Values, button: str = "accept") -> Page:
        """Fill and send the form of a page that fits the values best; follow redirects."""
        form = best_form(page, values)
        fields = [(name, _value(values.get(name, value))) for name, value in form.fields]
        pressed = [one for one in form.buttons if one[1] == button] or form.buttons
        if pressed and pressed[0][0]:
            fields.append(pressed[0])
        return self.send(page, form, fields)

    def send(self, page: Page, form: Form, fields: list[tuple[str, str]]) -> Page:
        """Send these fields to the action of a form; follow redirects."""
        target = urljoin(page.url, form.action or page.url)
        if form.method == "GET":
            return self.visit(f"{target.partition('?')[0]}?{urlencode(fields)}")
        return self.post(target, fields, self.origin)

    def post(
        self, url: str, fields: Mapping[str, str] | list[tuple[str, str]], origin: str
    ) -> Page:
        """Post a form of a page of this origin; follow redirects."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
        return self.follow(self.open(url, urlencode(fields), "POST", **headers))

    def walk(self, page: Page, values: Values, button: str = "accept") -> Page:
        """Submit forms until a page cannot be filled, or another origin is reached."""
        for _ in range(MAX_STEPS):
            if not self.is_here(page.url) or not can_fill(page, values, self.origin):
                return page
            page = self.submit(page, values, button)
        raise AssertionError(f"too many steps: {self.trail[-6:]}")

    def is_here(self, url: str) -> bool:
        """Return whether a URL belongs to the server that this browser speaks to."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(url)) == self.origin

    def _cookies_for(self, url: str) -> str:
        path = urlsplit(url).path or "/"
        pairs = (
            f"{name}={value}"
            for name, (value, scope) in self.cookies.items()
            if path == scope or path.startswith(scope.rstrip("/") + "/")
        )
        return "; ".join(pairs)

    def _keep_cookies(self, response: TestResponse, url: str) -> None:
        default = urlsplit(url).path.rpartition("/")[0] or "/"
        for text in response.headers.getlist("Set-Cookie"):
            for name, morsel in SimpleCookie(text).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0" and morsel.value:
                    self.cookies[name] = (morsel.coded_value, morsel["path"] or default)


def best_form(page: Page, values: Values) -> Form:
    """Return the form with most fields among the values; of two such, the one that is posted."""

    def score(form: Form) -> tuple[int, bool]:
        return sum(name in values for name, _ in form.fields), form.method == "POST"

    return max(page.forms, key=score)


def can_fill(page: Page, values: Values, origin: str) -> bool:
    """Return whether a page has a form of this origin whose required fields have values."""
    if page.response.status_code >= 400 or not page.forms:
        return False
    form = best_form(page, values)
    here = urljoin(page.url, form.action or page.url).startswith(f"{origin}/")
    return here and all(name in values for name in form.required)


def _value(given: str | Callable[[], str]) -> str:
    return given if isinstance(given, str) else given()
