"""SMS gateways as descriptions: a TOML file says how to ask, and what the answers mean.

The structure of a request is the file's; values are put into it afterwards, one by one, so no text
becomes a parameter, a header or another placeholder. docs/mail-and-sms.md describes the format.
"""

import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from gatehouse.messaging.message import Message
from gatehouse.net.http_client import Answer, Call

FOLDER = Path(__file__).parent / "gateways"
KEYS = {"url", "method", "error", "headers", "basic", "form", "json", "accepted", "refused"}
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
OF_MESSAGES = {"to", "digits", "text", "id"}
CODE = re.compile(r"[\w.-]{1,32}", re.ASCII)
SECONDS, MOST = 10.0, 65_536
Values = Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Who asks the gateway, as the settings say it."""

    account: str = ""
    secret: str = field(default="", repr=False)
    sender: str = ""

    @property
    def values(self) -> dict[str, str]:
        """What stands in a template for them."""
        return {"account": self.account, "secret": self.secret, "from": self.sender}


@dataclass(frozen=True)
class Rule:
    """Recognises an answer: one of these statuses, and each field has one of its values.

    A field without values has only to be there.
    """

    status: tuple[int, ...]
    fields: Mapping[str, tuple[str, ...]]

    def fits(self, status: int, body: Any) -> bool:
        """Tell whether an answer is of this kind."""
        return status in self.status and all(
            (found := look_up(body, path)) is not None and (not values or found in values)
            for path, values in self.fields.items()
        )


@dataclass(frozen=True)
class Gateway:
    """A gateway that is described completely, and who asks it."""

    name: str
    description: Mapping[str, Any]
    caller: Caller
    accepted: tuple[Rule, ...]
    refused: tuple[Rule, ...]

    def call(self, message: Message) -> Call:
        """Return the request that sends a text."""
        number = message.recipient
        values = self.caller.values | {"to": number, "digits": number.lstrip("+")}
        values |= {"text": message.text.strip(), "id": str(message.id)}
        about = self.description
        url = filled(about["url"], {k: quote(v, safe="") for k, v in values.items()})
        kind, body = _body(about, values)
        headers = {**filled(about.get("headers", {}), values), **kind, **_basic(about, values)}
        return Call(about.get("method", "POST"), url, headers, body, SECONDS, MOST)

    def error(self, answer: Answer) -> str:
        """Return the status of an answer, and its error code where it is one."""
        code = look_up(read_json(answer), self.description.get("error", "")) or ""
        return f"{answer.status} ({code})" if CODE.fullmatch(code) else str(answer.status)


def load(name: str, caller: Caller) -> Gateway:
    """Read a preset by its name, or a description of one's own by its path.

    Raises:
        ValueError: a sentence that says what is missing or unknown.
    """
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if file.parent == FOLDER and name not in presets():
        raise ValueError(f"There is no SMS gateway {name!r}; there are {', '.join(presets())}.")
    try:
        description = tomllib.loads(file.read_text(encoding="utf-8"))
        accepted, refused = (_rules(description.get(k, [])) for k in ("accepted", "refused"))
        gateway = Gateway(file.stem, description, caller, accepted, refused)
        _check(gateway)
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"The SMS gateway {name} is no readable file.") from None
    except (ValueError, TypeError, AttributeError, KeyError) as problem:
        raise ValueError(f"The SMS gateway {name} is not described right: {problem}.") from None
    return gateway


def presets() -> list[str]:
    """Return the names of the gateways that are described already."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def filled(template: Any, values: Values) -> Any:
    """Return a template with its placeholders replaced, once each; keys stay as they are."""
    if isinstance(template, str):
        return PLACEHOLDER.sub(lambda found: values[found[1]], template)
    if isinstance(template, dict):
        return {key: filled(inner, values) for key, inner in template.items()}
    return [filled(inner, values) for inner in template] if isinstance(template, list) else template


def read_json(answer: Answer) -> Any:
    """Return what an answer says, or None where it is no JSON."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def look_up(body: Any, path: str) -> str | None:
    """Return the text at a path such as `messages.0.status`, or None where there is nothing."""
    for step in path.split("."):
        if isinstance(body, list) and step.isdecimal() and int(step) < len(body):
            body = body[int(step)]
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return None if body is None else _as_text(body)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(about: Mapping[str, Any], values: Values) -> tuple[dict[str, str], bytes | None]:
    if "form" in about:
        form = urlencode(filled(about["form"], values)).encode()
        return {"Content-Type": "application/x-www-form-urlencoded"}, form
    if "json" in about:
        return {"Content-Type": "application/json"}, json.dumps(
            filled(about["json"], values)
        ).encode()
    return {}, None


def _basic(about: Mapping[str, Any], values: Values) -> dict[str, str]:
    """Return the header of HTTP Basic (RFC 7617)."""
    if "basic" not in about:
        return {}
    pair = filled(about["basic"], values)
    joined = f"{pair['user']}:{pair['password']}".encode()
    return {"Authorization": f"Basic {b64encode(joined).decode()}"}


def _rules(tables: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return tuple(_rule(**table) for table in tables)


def _rule(status: list[int], fields: Mapping[str, list[Any]] | None = None) -> Rule:
    chosen = {path: tuple(map(_as_text, values)) for path, values in (fields or {}).items()}
    return Rule(tuple(status), chosen)


CHECKS: list[tuple[str, Callable[[Mapping[str, Any], set[str]], bool]]] = [
    ("it needs a url that starts with https://", lambda about, _: _is_url(about.get("url", ""))),
    ("it has both a form and a json", lambda about, _: not {"form", "json"} <= about.keys()),
    ("basic needs a user and a password", lambda about, _: _is_pair(about.get("basic"))),
    ("{text} appears nowhere", lambda _, used: "text" in used),
    ("neither {to} nor {digits} appears", lambda _, used: bool({"to", "digits"} & used)),
    (
        "{text} cannot stand in a header",
        lambda about, _: "text" not in set(_placeholders(about.get("headers", {}))),
    ),
    ("it says of no answer that it is accepted", lambda about, _: bool(about.get("accepted"))),
]


def _check(gateway: Gateway) -> None:
    """Find out now what would fail with the first text.

    Raises:
        ValueError: the rest of a sentence.
    """
    about, caller = gateway.description, gateway.caller.values
    if unknown := about.keys() - KEYS:
        raise ValueError(f"{sorted(unknown)[0]} is none of {', '.join(sorted(KEYS))}")
    used = set(_placeholders({key: about[key] for key in about if key not in ("error",)}))
    if unknown := used - caller.keys() - OF_MESSAGES:
        raise ValueError(f"nothing is known that could stand for {{{sorted(unknown)[0]}}}")
    for sentence, is_right in CHECKS:
        if not is_right(about, used):
            raise ValueError(sentence)
    for name in sorted(used & caller.keys()):
        if not caller[name] or not caller[name].isprintable():
            raise ValueError(f"it needs GATEHOUSE_SMS_{name.upper()}")


def _placeholders(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield from PLACEHOLDER.findall(template)
    elif isinstance(template, dict | list):
        for inner in template.values() if isinstance(template, dict) else template:
            yield from _placeholders(inner)


def _is_url(url: str) -> bool:
    return urlsplit(url).scheme in ("https", "http") and bool(urlsplit(url).hostname)


def _is_pair(basic: Any) -> bool:
    return basic is None or basic.keys() == {"user", "password"}
