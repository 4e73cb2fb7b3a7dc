"""Sites beside the service: the example page's, and those of somebody hostile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TYPES = {".html": "text/html", ".js": "text/javascript"}
EMPTY = b"<!doctype html><title>A page</title><body>"
Page = Callable[[str], tuple[str, bytes]]
"""Answers a path with a media type and a content."""


def anything(_path: str) -> tuple[str, bytes]:
    """Answer an empty page, whose deeds the test then tells it."""
    return "text/html", EMPTY


def files(folder: Path, service: Callable[[], str]) -> Page:
    """Answer the files of a folder, with the address of the service put in."""

    def answer(path: str) -> tuple[str, bytes]:
        file = folder / (path.strip("/") or "index.html")
        text = file.read_text().replace("http://localhost:8000", service())
        return TYPES[file.suffix], text.encode()

    return answer


@contextmanager
def site(page: Page) -> Iterator[int]:
    """Serve a site on the loopback address; lend its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = page(self.path)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
