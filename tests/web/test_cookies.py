"""Strict parsing of the service's cookies in the raw `Cookie` header."""

import pytest

from gatehouse.core.errors import MalformedRequest
from gatehouse.web import cookies
from gatehouse.web.cookies import ACCESS, CSRF, DEVICE, REFRESH
from tests.tokens.forgery import case

NAMES = [ACCESS, REFRESH, CSRF, DEVICE]
OTHER_COOKIES = [
    "",
    "a=b",
    'theme="dark, blue"; a="x;y"; broken; =; ==; ;',
    "__host-access=a; __HOST-ACCESS=b; __Host-Access=c",  # case matters: not ours
    "__Host-accessory=a; __Host-access; __Host-access =a",
    "\xff=\x00",
]


@pytest.mark.parametrize("name", NAMES)
def test_cookie_is_found_at_any_position(name):
    for header in ("{}", "a=b; {}", "{}; a=b", "a=b;{};c", "a=b; \t{} \t; c", ";;{};"):
        assert cookies.parse_cookie(header.format(f"{name}=Az09._-"), name) == "Az09._-", header


@pytest.mark.parametrize("name", NAMES)
def test_other_cookies_are_ignored(name):
    for header in OTHER_COOKIES:
        assert cookies.parse_cookie(header, name) == "", header
        assert cookies.parse_cookie(f"{header}; {name}=mine; {header}", name) == "mine", header


@pytest.mark.parametrize("name", NAMES)
def test_cookie_name_within_another_cookie_is_ignored(name):
    for header in (f"a={name}=evil", f"a=b,{name}=evil", f"x{name}=evil", f"a={name}="):
        assert cookies.parse_cookie(header, name) == "", header
        assert cookies.parse_cookie(f"{header}; {name}=mine", name) == "mine", header


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize("name", NAMES)
def test_duplicate_or_quoted_cookie_is_rejected(name):
    pair = f"{name}=mine"
    headers = [
        f"{pair}; {pair}",
        f"{pair}; {name}=other",
        f"{name}=; {pair}",
        f"{pair};{name}=",
        f"{pair},{pair}",  # two header lines, joined by a server
        f"{pair},a=b",
        f'a="b; {pair}"',
        f'{name}="mine"',
        f"{pair}{pair}",
    ]

    for header in headers:
        with case(header=header), pytest.raises(MalformedRequest):
            cookies.parse_cookie(header, name)


@pytest.mark.parametrize("name", NAMES)
def test_cookie_value_with_other_characters_is_rejected(name):
    for value in ("", " ", "a b", "a/b", "a+b", "a=", "a%20", '"a"', "\xe9", "a\0"):
        with case(value=value), pytest.raises(MalformedRequest):
            cookies.parse_cookie(f"{name}={value}", name)


@pytest.mark.requirement("SE-01")
def test_cookie_that_browsers_would_drop_is_not_sent():
    longest = 4096 - len(ACCESS)

    assert "a" * longest in cookies.set_cookie_header(ACCESS, "a" * longest, 600)
    with pytest.raises(ValueError, match="too long"):
        cookies.set_cookie_header(ACCESS, "a" * (longest + 1), 600)
