"""Receive webhooks of Gatehouse: verify each, and store it once. Python 3.11, no packages.

WEBHOOK_SECRET=whsec_... python receiver.py
"""

import base64
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE = 300  # seconds that a message may be old, so that it cannot be sent again later
MAX_BODY = 65_536
stored: dict[str, dict[str, object]] = {}  # by id; a database in real life


def verify(headers, body: bytes) -> bool:
    """Return whether a message is from Gatehouse, and recent."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    signatures = headers["webhook-signature"]
    if not (message_id and timestamp and signatures and timestamp.isdecimal()):
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256"))
    is_signed = any(hmac.compare_digest(one.encode(), expected) for one in signatures.split())
    return is_signed and abs(time.time() - int(timestamp)) <= TOLERANCE


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what it has stored, and 401 to what is not from Gatehouse."""

    def do_POST(self) -> None:
        """Verify and store one event."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length <= MAX_BODY else b""
        if not verify(self.headers, body):
            self.answer(401)
            return
        event = json.loads(body)
        if event["id"] not in stored:  # a repeated message is accepted, and changes nothing
            stored[event["id"]] = event
            print(event["type"], event["data"], flush=True)
        self.answer(204)  # only now: what is not answered 2xx is sent again

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver)
print(f"Listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
