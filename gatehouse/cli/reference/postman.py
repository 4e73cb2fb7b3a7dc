"""Generate `docs/postman.json`, a Postman collection (format 2.1), from the OpenAPI document.

The order of the requests is that of `postman_steps`; scripts check each status, and keep what the
requests that follow need.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from flask import current_app

from gatehouse.cli.reference.postman_steps import MAILBOX, STEPS, Step
from gatehouse.web.openapi import FORM, MEDIA_TYPES

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
DESCRIPTION = (
    "Generated from the OpenAPI document by `gatehouse docs build`. Start it with `make run`, "
    "then run the collection from top to bottom: each request checks its status. "
    "It works once for each e-mail address; change the variables `email` and `new_email` to repeat."
)
VARIABLES = {
    "base_url": "http://localhost:8000",
    "email": "ann@example.com",
    "new_email": "ann@example.org",
    "password": "seven green lanterns",
    "new_password": "eight yellow windows",
    "phone": "+4915112345678",
    "number": "0",
    "account_id": "01890000-0000-7000-8000-000000000000",
    "key_id": "01890000-0000-7000-8000-000000000001",
    "hook_id": "01890000-0000-7000-8000-000000000002",
    "client_id": "shop",
    "secret_id": "01890000-0000-7000-8000-000000000002",
    "resource_id": "01890000-0000-7000-8000-000000000002",
    "grant_id": "01890000-0000-7000-8000-000000000002",
}
NO_BEARER = ("/auth/csrf", "/auth/refresh")
"""Paths that read cookies only when no bearer token is sent."""
LAST = "Sessions and logout"
FORM_TYPE = MEDIA_TYPES[FORM]

Json = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """An operation of the document."""

    path: str
    method: str
    content: Json

    @property
    def success(self) -> int:
        """The documented status of success."""
        return min(int(status) for status in self.content["responses"])

    @property
    def takes_bearer(self) -> bool:
        """Whether the collection's access token is to be sent."""
        takes_token = any("bearer" in one for one in self.content.get("security", ()))
        return takes_token and self.path not in NO_BEARER


def render_page() -> str:
    """Return the collection of the current application, as JSON."""
    api = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    return json.dumps(build_collection(api.document()), indent=2, ensure_ascii=False) + "\n"


def build_collection(document: Json) -> Json:
    """Return a collection with the steps, and with every operation that is no step."""
    operations = {one.content["operationId"]: one for one in _operations(document)}
    folders: dict[str, tuple[Step, ...]] = dict(STEPS)
    last = folders.pop(LAST)
    listed = {step.operation for step in chain(*STEPS.values())}
    for name in sorted(operations.keys() - listed):
        folder = f"Needs a permission: {operations[name].content['tags'][0]}"
        folders[folder] = (*folders.get(folder, ()), Step(name, status=403))
    info = {"name": document["info"]["title"], "description": DESCRIPTION, "schema": SCHEMA}
    token = {"key": "token", "value": "{{access_token}}", "type": "string"}
    return {
        "info": info,
        "auth": {"type": "bearer", "bearer": [token]},
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": [
            {"name": name, "item": [_item(step, operations) for step in steps]}
            for name, steps in (*folders.items(), (LAST, last))
        ],
    }


def _operations(document: Json) -> Iterator[Operation]:
    """Yield the operations, with the parameters of their paths added; production has no `/dev`."""
    paths = {path: item for path, item in document["paths"].items() if path[:5] != "/dev/"}
    for path, methods in paths.items():
        shared = methods.get("parameters", [])
        for method, operation in methods.items():
            if method != "parameters":
                listed = shared + operation.get("parameters", [])
                parameters = [one for one in listed if "$ref" not in one]
                yield Operation(path, method.upper(), operation | {"parameters": parameters})


def _item(step: Step, operations: Mapping[str, Operation]) -> Json:
    if step.operation == MAILBOX:
        return _mailbox(step)
    operation = operations[step.operation]
    request: Json = {
        "method": operation.method,
        "url": _url(operation),
        "description": " ".join(filter(None, (operation.content.get("description"), step.note))),
    }
    if not operation.takes_bearer:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation.content:
        request |= _body(operation, step.body or {})
    name = operation.content["summary"].rstrip(".")
    return {"name": name, "request": request} | _scripts(step, step.status or operation.success)


def _url(operation: Operation) -> Json:
    path = re.sub(r"{(\w+)}", r":\1", operation.path)
    url = {"raw": "{{base_url}}" + path, "host": ["{{base_url}}"], "path": path[1:].split("/")}
    parameters = operation.content["parameters"]
    query = [_query_parameter(one) for one in parameters if one["in"] == "query"]
    variable = [
        {"key": one["name"], "value": f"{{{{{one['name']}}}}}"}
        for one in parameters
        if one["in"] == "path"
    ]
    return url | ({"query": query} if query else {}) | ({"variable": variable} if variable else {})


def _query_parameter(parameter: Json) -> Json:
    default = str(parameter["schema"].get("default", ""))
    described = parameter.get("description", "")
    return {
        "key": parameter["name"],
        "value": default,
        "description": described,
        "disabled": True,
    }


def _body(operation: Operation, body: Mapping[str, object]) -> Json:
    """Return the body of a request: a form, or else JSON."""
    if FORM_TYPE in operation.content["requestBody"]["content"]:
        pairs = [{"key": key, "value": value} for key, value in body.items()]
        return {"body": {"mode": "urlencoded", "urlencoded": pairs}}
    return {
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "body": {
            "mode": "raw",
            "raw": json.dumps(body, indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        },
    }


def _mailbox(step: Step) -> Json:
    """Return the request that reads the mailed code, as the mailbox exists in development only."""
    url: Json = {
        "raw": f"{{{{base_url}}}}/dev/mailbox?to={step.to}",
        "host": ["{{base_url}}"],
        "path": ["dev", "mailbox"],
        "query": [{"key": "to", "value": step.to}],
    }
    request: Json = {"method": "GET", "url": url, "auth": {"type": "noauth"}}
    request["header"] = [{"key": "Accept", "value": "application/json"}]
    request["description"] = "Development only: saves the code of the newest message."
    return {"name": "Read the developer mailbox", "request": request} | _scripts(step, 200)


def _scripts(step: Step, status: int) -> Json:
    """Return the script that checks the status and keeps values, and the one before the request."""
    lines = [f'pm.test("{status}", () => pm.response.to.have.status({status}));']
    if step.save:
        lines.append("const answer = pm.response.json();")
    for name, expression in step.save.items():
        lines.append(f'pm.collectionVariables.set("{name}", {expression});')
    events = [("test", lines), ("prerequest", step.before.splitlines())]
    return {
        "event": [
            {"listen": listen, "script": {"type": "text/javascript", "exec": source}}
            for listen, source in events
            if source
        ]
    }
