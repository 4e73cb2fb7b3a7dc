"""`docs/postman.json`, a Postman collection (format 2.1), from the OpenAPI document.

Its scripts carry the mailed code and the tokens from one request to the next.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import current_app

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
DESCRIPTION = (
    "Generated from the OpenAPI document by `flask docs build`. Start Gatehouse with `make run`, "
    "then send the requests of the first folder in their order."
)
VARIABLES = {
    "base_url": "http://localhost:8000",
    "email": "ann@example.com",
    "password": "seven green lanterns",
    "code": "",
    "access_token": "",
    "refresh_token": "",
}
FILLED_IN = {
    "email": "{{email}}",
    "identifier": "{{email}}",
    "password": "{{password}}",
    "current_password": "{{password}}",
    "code": "{{code}}",
    "refresh_token": "{{refresh_token}}",
}
"""The fields whose value is a variable of the collection."""
BODIES: dict[str, dict[str, Any]] = {
    "VerifyEmail": {"email": "ann@example.com", "code": "12345678"},
    "Profile": {"name": "Ann"},
    "Forgot": {"email": "ann@example.com"},
    "Reset": {"email": "ann@example.com", "code": "12345678", "password": "x"},
    "LinkRequest": {"email": "ann@example.com"},
    "LinkLogin": {"login_token": "", "code": "12345678"},
    "Refresh": {"refresh_token": ""},
}
"""Examples for schemas whose fields are all optional, so that they suggest none."""
OF_COOKIES = ("/auth/csrf", "/auth/refresh")
"""What looks at cookies only where no bearer token is sent."""
KEEP_TOKENS = """\
if (pm.response.code === 200) {
  const answer = pm.response.json();
  pm.collectionVariables.set("access_token", answer.access_token);
  pm.collectionVariables.set("refresh_token", answer.refresh_token);
}"""
KEEP_CODE = """\
const newest = pm.response.json().items[0];
if (newest) {
  pm.collectionVariables.set("code", newest.variables.code);
}"""

Json = dict[str, Any]


def page() -> str:
    """Return the collection of the running application."""
    api = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    return json.dumps(collection(api.document()), indent=2, ensure_ascii=False) + "\n"


def collection(document: Json) -> Json:
    """Return a collection with a folder for each tag and a request for each operation."""
    about = {"name": document["info"]["title"], "description": DESCRIPTION, "schema": SCHEMA}
    token = {"key": "token", "value": "{{access_token}}", "type": "string"}
    return {
        "info": about,
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
    """Yield path, method and operation; the path's own parameters are the operation's too."""
    for path, methods in document["paths"].items():
        shared = methods.get("parameters", [])
        for method, operation in methods.items():
            if method != "parameters":
                parameters = shared + operation.get("parameters", [])
                yield path, method.upper(), operation | {"parameters": parameters}


def _item(path: str, method: str, operation: Json, schemas: Json) -> Json:
    request: Json = {"method": method, "url": _url(path, operation["parameters"])}
    request["description"] = operation.get("description", "")
    wants_token = "`token_missing`" in operation["responses"].get("401", {}).get("description", "")
    if path in OF_COOKIES or not wants_token:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        request |= _body(_schema_name(operation["requestBody"]), schemas)
    item = {"name": operation["summary"].rstrip("."), "request": request}
    answer = _schema_name(operation["responses"].get("200", {}))
    answers_tokens = answer in ("TokenAnswer", "LoginAnswer")
    return item | (_script(KEEP_TOKENS) if answers_tokens else {})


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
    example = BODIES.get(schema) or dict(_example(schemas[schema]))
    filled = {name: FILLED_IN.get(name, value) for name, value in example.items()}
    return {
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "body": {
            "mode": "raw",
            "raw": json.dumps(filled, indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        },
    }


def _example(schema: Json) -> Iterator[tuple[str, Any]]:
    """Yield the fields that are required, or that bring an example or a default."""
    for name, about in schema["properties"].items():
        value = about.get("example", about.get("default"))
        if value is not None or name in schema.get("required", ()):
            yield name, "" if value is None else value


def _schema_name(holder: Json) -> str:
    content = holder.get("content", {}).get("application/json", {})
    return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]


def _mailbox() -> Json:
    """Return the request that reads the mailed code; the mailbox is no part of the document."""
    url = _url("/dev/mailbox", [])
    url |= {"raw": url["raw"] + "?to={{email}}", "query": [{"key": "to", "value": "{{email}}"}]}
    request = {"method": "GET", "url": url, "auth": {"type": "noauth"}}
    request["description"] = "Development only: keeps the code of the newest mail."
    return {"name": "Read the developer mailbox", "request": request} | _script(KEEP_CODE)


def _script(source: str) -> Json:
    script = {"type": "text/javascript", "exec": source.splitlines()}
    return {"event": [{"listen": "test", "script": script}]}
