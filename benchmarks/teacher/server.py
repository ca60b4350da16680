"""A loopback server of the OpenAI chat protocol that answers every request after a fixed latency.

    python server.py --answer FILE --latency-s 0.2 --discard 32

It prints its address and ends when its standard input does. `GET /stats` says what arrived, so
that the benchmark can tell a fast peer from one that asked for less. A request of fewer than two
messages is a probe (curator sends one to learn about rate limits): answered at once, and counted
apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import zlib
from pathlib import Path
from typing import Any


class Stats:
    """What arrived, after the first `discard` requests where it is said so."""

    def __init__(self, discard: int) -> None:
        self.discard, self.requests, self.probes = discard, 0, 0
        self.in_flight, self.highest_in_flight = 0, 0
        self.fingerprint = 0
        self.fields: set[str] = set()
        self.first, self.last, self.cpu = 0.0, 0.0, 0.0

    def arrived(self, body: dict[str, Any]) -> None:
        self.requests += 1
        self.in_flight += 1
        self.highest_in_flight = max(self.highest_in_flight, self.in_flight)
        self.fingerprint += fingerprint(body["messages"])
        self.fields.update(body)
        if self.requests == self.discard + 1:
            self.first, self.cpu = time.perf_counter(), time.process_time()

    def answered(self) -> None:
        self.in_flight -= 1
        self.last = time.perf_counter()

    def to_dict(self) -> dict[str, Any]:
        timed = self.requests > self.discard
        return {
            "requests": self.requests,
            "probes": self.probes,
            "highest_in_flight": self.highest_in_flight,
            "fingerprint": self.fingerprint,
            "fields": sorted(self.fields),
            "window_s": self.last - self.first if timed else 0.0,
            "server_cpu_s": time.process_time() - self.cpu if timed else 0.0,
        }


class Connection(asyncio.Protocol):
    """One keep-alive connection of HTTP/1.1; its requests come one after the other."""

    def __init__(self, stats: Stats, reply: bytes, latency_s: float) -> None:
        self.stats, self.reply, self.latency_s = stats, reply, latency_s
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        first, *rest = head.split(b"\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in rest)}
        if b"transfer-encoding" in headers:
            self._send(
                b'{"error": {"message": "content-length is needed"}}', b"411 Length Required"
            )
            return
        length = int(headers.get(b"content-length", 0))
        if len(body) < length:
            return
        self.buffer = body[length:]
        if first.startswith(b"GET"):
            self._send(json.dumps(self.stats.to_dict()).encode())
            return
        request = json.loads(body[:length])
        if len(request["messages"]) < 2:
            self.stats.probes += 1
            self._send(self.reply)
            return
        self.stats.arrived(request)
        asyncio.get_running_loop().call_later(self.latency_s, self._answer)

    def _answer(self) -> None:
        self.stats.answered()
        self._send(self.reply)

    def _send(self, body: bytes, status: bytes = b"200 OK") -> None:
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)


def fingerprint(messages: list[dict[str, str]]) -> int:
    """Of one request; their sum does not depend on the order in which they arrive."""
    return zlib.crc32("\0".join(m["role"] + "\0" + m["content"] for m in messages).encode())


def completion(answer: str) -> bytes:
    """The body of a chat completion whose content is `answer`."""
    usage = {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
    message = {"role": "assistant", "content": answer}
    body = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "benchmark",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    return json.dumps(body).encode()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer", type=Path, required=True, help="file with the content")
    parser.add_argument("--latency-s", type=float, required=True)
    parser.add_argument("--discard", type=int, required=True, help="requests before the clock")
    arguments = parser.parse_args()
    stats = Stats(arguments.discard)
    reply = completion(arguments.answer.read_text(encoding="utf-8"))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(stats, reply, arguments.latency_s), "127.0.0.1", 0, backlog=256
    )
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
