"""Web sites of other origins: the example page, and hostile pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TYPES = {".html": "text/html", ".js": "text/javascript"}
EMPTY = b"<!doctype html><title>A page</title><body>"
Page = Callable[[str], tuple[str, bytes]]
"""Returns media type and content for a path."""


def serve_empty_page(_path: str) -> tuple[str, bytes]:
    """Return an empty page, in which a test then runs scripts."""
    return "text/html", EMPTY


def serve_files(folder: Path, service: Callable[[], str]) -> Page:
    """Return a page function for the files of a folder, with the URL of the service filled in."""

    def serve(path: str) -> tuple[str, bytes]:
        file = folder / (path.strip("/") or "index.html")
        text = file.read_text().replace("http://localhost:8000", service())
        return TYPES[file.suffix], text.encode()

    return serve


@contextmanager
def run_site(page: Page) -> Iterator[int]:
    """Serve a site on the loopback interface; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            media_type, content = page(self.path)
            self.send_response(200)
            self.send_header("Content-Type", media_type)
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
