"""SMS gateways described by TOML files: the HTTP request, and the rules for its response.

The file defines the structure of the request; values are substituted afterwards, each on its own,
so that no value can become a parameter, a header or a placeholder. docs/mail-and-sms.md describes
the format.
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
from gatehouse.net.http_client import HttpRequest, HttpResponse

FOLDER = Path(__file__).parent / "sms_gateways"
KEYS = {"url", "method", "error", "headers", "basic", "form", "json", "accepted", "refused"}
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
MESSAGE_PLACEHOLDERS = {"to", "digits", "text", "id"}
ERROR_CODE = re.compile(r"[\w.-]{1,32}", re.ASCII)
TIMEOUT_SECONDS, MAX_RESPONSE_BYTES = 10.0, 65_536
Values = Mapping[str, str]


@dataclass(frozen=True)
class Credentials:
    """Account, secret and sender for a gateway, from the settings."""

    account: str = ""
    secret: str = field(default="", repr=False)
    sender: str = ""

    @property
    def placeholder_values(self) -> dict[str, str]:
        """The values by placeholder name."""
        return {"account": self.account, "secret": self.secret, "from": self.sender}


@dataclass(frozen=True)
class Rule:
    """Matches a response with one of the statuses whose fields each have one of their values.

    A field without values only has to exist.
    """

    status: tuple[int, ...]
    fields: Mapping[str, tuple[str, ...]]

    def matches(self, status: int, body: object) -> bool:
        """Return whether a response with this status and JSON body matches."""
        return status in self.status and all(
            (found := json_path(body, path)) is not None and (not values or found in values)
            for path, values in self.fields.items()
        )


@dataclass(frozen=True)
class Gateway:
    """A gateway with its checked description and credentials."""

    name: str
    description: Mapping[str, Any]
    credentials: Credentials
    accepted: tuple[Rule, ...]
    refused: tuple[Rule, ...]

    def build_request(self, message: Message) -> HttpRequest:
        """Return the HTTP request that sends an SMS."""
        number, template = message.recipient, self.description
        values = self.credentials.placeholder_values | {"to": number, "digits": number.lstrip("+")}
        values |= {"text": message.text.strip(), "id": str(message.id)}
        url = substitute(template["url"], {k: quote(v, safe="") for k, v in values.items()})
        content_type, body = _encode_body(template, values)
        headers = {
            **substitute(template.get("headers", {}), values),
            **content_type,
            **_basic_auth_header(template, values),
        }
        method = template.get("method", "POST")
        return HttpRequest(method, url, headers, body, TIMEOUT_SECONDS, MAX_RESPONSE_BYTES)

    def describe_error(self, response: HttpResponse) -> str:
        """Return the status of a response, with the gateway's error code if it has one."""
        code = json_path(parse_json(response), self.description.get("error", "")) or ""
        return f"{response.status} ({code})" if ERROR_CODE.fullmatch(code) else str(response.status)


def load_gateway(name: str, credentials: Credentials) -> Gateway:
    """Load a preset by name, or an operator's description by the path of its .toml file.

    Raises:
        ValueError: it is unknown, unreadable or incomplete; a sentence says what is wrong.
    """
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if file.parent == FOLDER and name not in list_presets():
        raise ValueError(
            f"There is no SMS gateway {name!r}; there are {', '.join(list_presets())}."
        )
    try:
        description = tomllib.loads(file.read_text(encoding="utf-8"))
        accepted, refused = (_parse_rules(description.get(k, [])) for k in ("accepted", "refused"))
        gateway = Gateway(file.stem, description, credentials, accepted, refused)
        _check(gateway)
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"The file of the SMS gateway {name} cannot be read.") from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"The file of the SMS gateway {name} is wrong: {error}.") from None
    return gateway


def list_presets() -> list[str]:
    """Return the names of the gateways that Gatehouse ships, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def substitute(template: Any, values: Values) -> Any:
    """Replace the placeholders in the strings of a template in one pass; keys are not changed."""
    if isinstance(template, str):
        return PLACEHOLDER.sub(lambda found: values[found[1]], template)
    if isinstance(template, dict):
        return {key: substitute(inner, values) for key, inner in template.items()}
    return (
        [substitute(inner, values) for inner in template]
        if isinstance(template, list)
        else template
    )


def parse_json(response: HttpResponse) -> object:
    """Return the JSON body of a response, or None if it is not JSON."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def json_path(body: object, path: str) -> str | None:
    """Return the value at a path such as `messages.0.status` as a string, or None."""
    for step in path.split("."):
        if isinstance(body, list) and step.isdecimal() and int(step) < len(body):
            body = body[int(step)]
        else:
            body = body.get(step) if isinstance(body, dict) else None
    return None if body is None else _as_string(body)


def _as_string(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _encode_body(
    description: Mapping[str, object], values: Values
) -> tuple[dict[str, str], bytes | None]:
    if "form" in description:
        form = urlencode(substitute(description["form"], values)).encode()
        return {"Content-Type": "application/x-www-form-urlencoded"}, form
    if "json" in description:
        return {"Content-Type": "application/json"}, json.dumps(
            substitute(description["json"], values)
        ).encode()
    return {}, None


def _basic_auth_header(description: Mapping[str, object], values: Values) -> dict[str, str]:
    """Return the Authorization header of HTTP Basic (RFC 7617), if the gateway uses it."""
    if "basic" not in description:
        return {}
    pair = substitute(description["basic"], values)
    joined = f"{pair['user']}:{pair['password']}".encode()
    return {"Authorization": f"Basic {b64encode(joined).decode()}"}


def _parse_rules(tables: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return tuple(_parse_rule(**table) for table in tables)


def _parse_rule(status: list[int], fields: Mapping[str, list[object]] | None = None) -> Rule:
    expected = {path: tuple(map(_as_string, values)) for path, values in (fields or {}).items()}
    return Rule(tuple(status), expected)


CHECKS: list[tuple[str, Callable[[Mapping[str, Any], set[str]], bool]]] = [
    ("url must start with https://", lambda file, _: _is_url(file.get("url", ""))),
    ("form and json exclude each other", lambda file, _: not {"form", "json"} <= file.keys()),
    ("basic needs a user and a password", lambda file, _: _is_pair(file.get("basic"))),
    ("{text} is not used", lambda _, used: "text" in used),
    ("neither {to} nor {digits} is used", lambda _, used: bool({"to", "digits"} & used)),
    (
        "{text} is not allowed in a header",
        lambda file, _: "text" not in set(_placeholders(file.get("headers", {}))),
    ),
    ("a rule [[accepted]] is missing", lambda file, _: bool(file.get("accepted"))),
]


def _check(gateway: Gateway) -> None:
    """Check a description at the start, so that no error waits for the first SMS.

    Raises:
        ValueError: a check failed; the message is the end of a sentence.
    """
    file, credentials = gateway.description, gateway.credentials.placeholder_values
    if unknown := file.keys() - KEYS:
        raise ValueError(f"{sorted(unknown)[0]} is none of {', '.join(sorted(KEYS))}")
    used = set(_placeholders({key: file[key] for key in file if key not in ("error",)}))
    if unknown := used - credentials.keys() - MESSAGE_PLACEHOLDERS:
        raise ValueError(f"{{{sorted(unknown)[0]}}} is not a known placeholder")
    for sentence, is_valid in CHECKS:
        if not is_valid(file, used):
            raise ValueError(sentence)
    for name in sorted(used & credentials.keys()):
        if not credentials[name] or not credentials[name].isprintable():
            raise ValueError(f"it needs GATEHOUSE_SMS_{name.upper()}")


def _placeholders(template: object) -> Iterator[str]:
    if isinstance(template, str):
        yield from PLACEHOLDER.findall(template)
    elif isinstance(template, dict | list):
        for inner in template.values() if isinstance(template, dict) else template:
            yield from _placeholders(inner)


def _is_url(url: str) -> bool:
    return urlsplit(url).scheme in ("https", "http") and bool(urlsplit(url).hostname)


def _is_pair(basic: Any) -> bool:
    return basic is None or basic.keys() == {"user", "password"}
