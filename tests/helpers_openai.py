"""A loopback server that speaks the OpenAI chat protocol, with a scripted teacher and faults.

    with serve(answer) as server:
        ... server.url, server.requests

`answer(body) -> str` writes the content of a reply. `server.faults` is a list of faults, one for
each request in order of arrival; when it is empty, requests are answered.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; null leaves a part as it is.

    Args:
        status: HTTP status of an error reply.
        headers: More headers of the reply.
        content: Content of the message, in place of the teacher's.
        body: The whole body of the reply, as it is.
        fence: Puts the teacher's content into a code fence.
        prose: Puts prose around the teacher's content.
        finish: `finish_reason`.
        refusal: The field `refusal` of the message.
        usage: The usage reported; `{}` leaves it out.
        message: Of an error reply.
        code: Of an error reply.
        reset: Resets the connection: `before` or `during` the answer.
        hang_s: Seconds without an answer.
        drip_s: Seconds after each byte of the body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: str | None = None
    body: str | None = None
    fence: bool = False
    prose: bool = False
    finish: str = "stop"
    refusal: str | None = None
    usage: dict[str, int] | None = None
    message: str = "as scripted"
    code: str | None = None
    reset: str = ""
    hang_s: float = 0.0
    drip_s: float = 0.0


@dataclass
class Server:
    url: str
    answer: Callable[[dict[str, Any]], str]
    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    billed: list[dict[str, int]] = field(default_factory=list)
    latency_s: float = 0.0
    count: Callable[[str], int] = lambda text: by_length(text)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """As at the beginning."""
        for kept in (self.faults, self.requests, self.headers, self.billed):
            kept.clear()

    def next_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else Fault()


def by_length(text: str) -> int:
    """Tokens of a text, about."""
    return len(text) // 4 + 1


def usage_of(
    body: dict[str, Any], content: str, count: Callable[[str], int] = by_length
) -> dict[str, int]:
    """As a provider would report it."""
    prompt = sum(count(m["content"]) for m in body["messages"])
    completion = count(content)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


@contextmanager
def serve(answer: Callable[[dict[str, Any]], str], **options: Any) -> Iterator[Server]:
    """A server on a free port of the loopback device, until the block ends."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_address[1]}/v1", answer, **options)
    http.script = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]}, {})

    def do_POST(self) -> None:
        script: Server = self.server.script  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with script.lock:
            script.requests.append(body)
            script.headers.append(dict(self.headers))
            fault = script.next_fault()
        if fault.reset == "before":
            self._reset()
            return
        script.closing.wait(script.latency_s + fault.hang_s)
        if fault.status != 200:
            error = {"message": fault.message, "type": "scripted", "code": fault.code}
            self._send(fault.status, {"error": error}, fault.headers)
            return
        if fault.body is not None:
            self._send_text(200, fault.body, fault.headers)
            return
        content = script.answer(body) if fault.content is None else fault.content
        if fault.fence:
            content = f"```json\n{content}\n```"
        if fault.prose:
            content = f"Let me see {{step by step}}.\n\n{content}\n\nI hope that this helps!"
        usage = usage_of(body, content, script.count) if fault.usage is None else fault.usage
        with script.lock:
            script.billed.append(usage)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if fault.refusal is not None:
            message |= {"content": None, "refusal": fault.refusal}
        reply = {
            "id": f"chatcmpl-{len(script.requests)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": fault.finish}],
        }
        if usage:
            reply["usage"] = usage
        self._send(200, reply, fault.headers, reset=fault.reset == "during", drip_s=fault.drip_s)

    def _send(
        self,
        status: int,
        body: dict[str, Any],
        headers: dict[str, str],
        *,
        reset: bool = False,
        drip_s: float = 0.0,
    ) -> None:
        self._send_text(status, json.dumps(body), headers, reset=reset, drip_s=drip_s)

    def _send_text(
        self,
        status: int,
        text: str,
        headers: dict[str, str],
        *,
        reset: bool = False,
        drip_s: float = 0.0,
    ) -> None:
        data = text.encode()
        try:
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if reset:
                self.wfile.write(data[: len(data) // 2])
                self._reset()
            elif drip_s:
                for i in range(len(data)):
                    self.wfile.write(data[i : i + 1])
                    if self.server.script.closing.wait(drip_s):  # type: ignore[attr-defined]
                        break
            else:
                self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _reset(self) -> None:
        # Linger of zero seconds: close sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.close_connection = True
        self.connection.close()
