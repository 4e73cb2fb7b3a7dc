"""Our cookies in the raw header text: one of a name, or none, or a refusal; never a guess."""

import pytest

from gatehouse.core.errors import MalformedRequest
from gatehouse.web import cookies
from gatehouse.web.cookies import ACCESS, CSRF, DEVICE, REFRESH

NAMES = [ACCESS, REFRESH, CSRF, DEVICE]
FOREIGN = [
    "",
    "a=b",
    'theme="dark, blue"; a="x;y"; broken; =; ==; ;',
    "__host-access=a; __HOST-ACCESS=b; __Host-Access=c",  # case matters: not ours
    "__Host-accessory=a; __Host-access; __Host-access =a",
    "\xff=\x00",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_cookie_is_found_wherever_it_stands(name):
    for text in ("{}", "a=b; {}", "{}; a=b", "a=b;{};c", "a=b; \t{} \t; c", ";;{};"):
        assert cookies.read(text.format(f"{name}=Az09._-"), name) == "Az09._-", text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", FOREIGN)
def test_the_cookies_of_others_are_not_looked_at(name, text):
    assert cookies.read(text, name) == ""
    assert cookies.read(f"{text}; {name}=mine; {text}", name) == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_in_the_cookies_of_others_shuts_no_door(name):
    for text in (f"a={name}=evil", f"a=b,{name}=evil", f"x{name}=evil", f"a={name}="):
        assert cookies.read(text, name) == "", text
        assert cookies.read(f"{text}; {name}=mine", name) == "mine", text


@pytest.mark.requirement("AP-11")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_stands_twice_or_with_an_odd_value_is_refused(name):
    mine = f"{name}=mine"
    texts = [
        f"{mine}; {mine}",
        f"{mine}; {name}=other",
        f"{name}=; {mine}",
        f"{mine};{name}=",
        f"{mine},{mine}",  # two header lines, joined by a server
        f"{mine},a=b",
        f'a="b; {mine}"',
        f'{name}="mine"',
        f"{mine}{mine}",
    ]

    for text in texts:
        with pytest.raises(MalformedRequest):
            cookies.read(text, name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", ["", " ", "a b", "a/b", "a+b", "a=", "a%20", '"a"', "\xe9", "a\0"]
)
def test_a_value_that_we_never_gave_is_refused(name, value):
    with pytest.raises(MalformedRequest):
        cookies.read(f"{name}={value}", name)


@pytest.mark.requirement("SE-01")
def test_a_cookie_that_browsers_would_drop_is_not_sent():
    longest = 4096 - len(ACCESS)

    assert "a" * longest in cookies.keep(ACCESS, "a" * longest, 600)
    with pytest.raises(ValueError, match="too long"):
        cookies.keep(ACCESS, "a" * (longest + 1), 600)
