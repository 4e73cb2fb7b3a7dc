"""A receiver of blocking hooks, with the standard library only: a WSGI application.

It verifies the signature (Standard Webhooks), and denies registrations from throw-away addresses.
"""

import base64
import hashlib
import hmac
import json
import os
import time

SECRET = os.environ.get("HOOK_SECRET", "")
THROW_AWAY = {"mailinator.com", "throwaway.example"}
TOLERANCE = 300  # seconds that a message may be old


def is_signed(environ, body, secret):
    """Return whether one of the signatures is ours, and the message is new."""
    message_id = environ.get("HTTP_WEBHOOK_ID", "")
    timestamp = environ.get("HTTP_WEBHOOK_TIMESTAMP", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    signatures = environ.get("HTTP_WEBHOOK_SIGNATURE", "").split(" ")
    return any(hmac.compare_digest(signature, expected) for signature in signatures)


def decide(hook):
    """Return the answer to a hook."""
    if hook["type"] == "before_registration":
        domain = hook["data"]["email"].lower().rpartition("@")[2]
        if domain in THROW_AWAY:
            message = "Please use an e-mail address that you will keep."
            return {"decision": "deny", "code": "throw_away_address", "message": message}
    return {"decision": "allow"}


def application(environ, start_response):
    """Answer one request."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if not is_signed(environ, body, SECRET):
        start_response("401 Unauthorized", [])
        return [b""]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(decide(json.loads(body))).encode()]
