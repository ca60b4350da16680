"""A pass-through on loopback that keeps what a server reports as usage, seen by nobody else.

with record("http://127.0.0.1:8642") as proxy:
    ...  # ask proxy.url in place of the server
    proxy.usage
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST_S = 600.0


@dataclass
class Proxy:
    """`usage` has the prompt and completion tokens of each reply, in the order of the replies."""

    url: str
    upstream: str
    usage: list[tuple[int, int]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def record(upstream: str) -> Iterator[Proxy]:
    """A proxy of `upstream` (scheme, host and port) on a free port, until the block ends."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{http.server_address[1]}", upstream)
    http.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = urllib.request.Request(
            proxy.upstream + self.path, body, {"Content-Type": "application/json"}
        )
        try:
            with _direct.open(request, timeout=_LONGEST_S) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, data = error.code, error.read()
        with proxy.lock:
            proxy.requests.append(json.loads(body))
            proxy.statuses.append(status)
            if status == 200:
                usage = json.loads(data)["usage"]
                proxy.usage.append((usage["prompt_tokens"], usage["completion_tokens"]))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


# Loopback is never asked for through a proxy of the environment.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
