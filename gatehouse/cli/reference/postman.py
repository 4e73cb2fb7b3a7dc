"""Generate `docs/postman.json`, a Postman collection (format 2.1), from the OpenAPI document.

Its scripts copy the mailed code and the tokens into the requests that follow.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import current_app

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
DESCRIPTION = (
    "Generated from the OpenAPI document by `flask docs build`. Start Gatehouse with `make run`, "
    "then send the requests of the first folder in order."
)
VARIABLES = {
    "base_url": "http://localhost:8000",
    "email": "ann@example.com",
    "password": "seven green lanterns",
    "code": "",
    "registration_token": "",
    "access_token": "",
    "refresh_token": "",
}
FIELD_VARIABLES = {
    "email": "{{email}}",
    "identifier": "{{email}}",
    "password": "{{password}}",
    "current_password": "{{password}}",
    "code": "{{code}}",
    "registration_token": "{{registration_token}}",
    "refresh_token": "{{refresh_token}}",
}
"""Fields whose value is a variable of the collection."""
BODIES: dict[str, dict[str, Any]] = {
    "VerifyEmail": {"email": "ann@example.com", "code": "12345678", "registration_token": ""},
    "ProfileUpdate": {"name": "Ann"},
    "PasswordResetRequest": {"email": "ann@example.com"},
    "PasswordReset": {"email": "ann@example.com", "code": "12345678", "password": "x"},
    "LoginLinkRequest": {"email": "ann@example.com"},
    "LinkLogin": {"login_token": "", "code": "12345678"},
    "RefreshRequest": {"refresh_token": ""},
}
"""Example bodies for schemas with optional fields only, from which none can be derived."""
COOKIE_PATHS = ("/auth/csrf", "/auth/refresh")
"""Paths that read cookies only when no bearer token is sent."""
SAVE_TOKENS_SCRIPT = """\
if (pm.response.code === 200) {
  const tokens = pm.response.json();
  pm.collectionVariables.set("access_token", tokens.access_token);
  pm.collectionVariables.set("refresh_token", tokens.refresh_token);
}"""
SAVE_REGISTRATION_SCRIPT = """\
if (pm.response.code === 202) {
  pm.collectionVariables.set("registration_token", pm.response.json().registration_token);
}"""
SAVE_CODE_SCRIPT = """\
const newest = pm.response.json().items[0];
if (newest) {
  pm.collectionVariables.set("code", newest.variables.code);
}"""

Json = dict[str, Any]


def render_page() -> str:
    """Return the collection of the current application, as JSON."""
    api = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    return json.dumps(build_collection(api.document()), indent=2, ensure_ascii=False) + "\n"


def build_collection(document: Json) -> Json:
    """Return a collection with a folder per tag and a request per operation."""
    info = {"name": document["info"]["title"], "description": DESCRIPTION, "schema": SCHEMA}
    token = {"key": "token", "value": "{{access_token}}", "type": "string"}
    return {
        "info": info,
        "auth": {"type": "bearer", "bearer": [token]},
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": [_folder(tag, document) for tag in document["tags"]],
    }


def _folder(tag: Json, document: Json) -> Json:
    items = []
    for path, method, operation in _operations(document):
        if tag["name"] in operation["tags"]:
            items.append(_item(path, method, operation, document["components"]["schemas"]))
        if path == "/auth/register" and tag["name"] in operation["tags"]:
            items.append(_mailbox())
    return {"name": tag["description"], "item": items}


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield path, method and operation, with the parameters of the path added."""
    for path, methods in document["paths"].items():
        shared = methods.get("parameters", [])
        for method, operation in methods.items():
            if method != "parameters":
                listed = shared + operation.get("parameters", [])
                parameters = [_resolve(document, parameter) for parameter in listed]
                yield path, method.upper(), operation | {"parameters": parameters}


def _resolve(document: Json, parameter: Json) -> Json:
    """Return a parameter, or the component that it refers to."""
    name = parameter.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["parameters"][name] if name else parameter
    return found


def _item(path: str, method: str, operation: Json, schemas: Json) -> Json:
    request: Json = {"method": method, "url": _url(path, operation["parameters"])}
    request["description"] = operation.get("description", "")
    needs_token = "`token_missing`" in operation["responses"].get("401", {}).get("description", "")
    if path in COOKIE_PATHS or not needs_token:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        request |= _body(_schema_name(operation["requestBody"]), schemas)
    item = {"name": operation["summary"].rstrip("."), "request": request}
    response = _schema_name(operation["responses"].get("200", {}))
    if path == "/auth/register":
        return item | _script(SAVE_REGISTRATION_SCRIPT)
    returns_tokens = response in ("TokenResponse", "LoginResponse")
    return item | (_script(SAVE_TOKENS_SCRIPT) if returns_tokens else {})


def _url(path: str, parameters: list[Json]) -> Json:
    path = re.sub(r"{(\w+)}", r":\1", path)
    url = {"raw": "{{base_url}}" + path, "host": ["{{base_url}}"], "path": path[1:].split("/")}
    query = [_parameter(p) | {"disabled": True} for p in parameters if p["in"] == "query"]
    variable = [_parameter(p) for p in parameters if p["in"] == "path"]
    return url | ({"query": query} if query else {}) | ({"variable": variable} if variable else {})


def _parameter(parameter: Json) -> Json:
    default = str(parameter["schema"].get("default", ""))
    described = parameter.get("description", "")
    return {"key": parameter["name"], "value": default, "description": described}


def _body(schema: str, schemas: Json) -> Json:
    first_way = _schema_name_of(schemas[schema].get("oneOf", [{}])[0]) or schema
    example = BODIES.get(schema) or dict(_example(schemas[first_way]))
    filled = {name: FIELD_VARIABLES.get(name, value) for name, value in example.items()}
    return {
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "body": {
            "mode": "raw",
            "raw": json.dumps(filled, indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        },
    }


def _example(schema: Json) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are required or have an example or a default, with that value."""
    for name, field in schema["properties"].items():
        value = field.get("example", field.get("default"))
        if value is not None or name in schema.get("required", ()):
            yield name, "" if value is None else value


def _schema_name(body: Json) -> str:
    content = body.get("content", {}).get("application/json", {})
    return _schema_name_of(content.get("schema", {}))


def _schema_name_of(reference: Json) -> str:
    return str(reference.get("$ref", "")).rpartition("/")[2]


def _mailbox() -> Json:
    """Return the request that reads the mailed code; the OpenAPI document lacks the mailbox."""
    url = _url("/dev/mailbox", [])
    url |= {"raw": url["raw"] + "?to={{email}}", "query": [{"key": "to", "value": "{{email}}"}]}
    request = {"method": "GET", "url": url, "auth": {"type": "noauth"}}
    request["description"] = "Development only: saves the code of the newest mail."
    return {"name": "Read the developer mailbox", "request": request} | _script(SAVE_CODE_SCRIPT)


def _script(source: str) -> Json:
    script = {"type": "text/javascript", "exec": source.splitlines()}
    return {"event": [{"listen": "test", "script": script}]}
