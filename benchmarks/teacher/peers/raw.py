"""The floor: a socket for each of the concurrent callers and no client library at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import measure

given = measure.parser().parse_args()
address = urlsplit(given.url)
work = measure.work(given)
runner = asyncio.Runner()
streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []


async def worker(index: int, todo: list[tuple[int, measure.Messages]], found: list[str]) -> None:
    reader, writer = streams[index]
    while todo:
        i, messages = todo.pop()
        body = json.dumps(
            {"model": work["model"], "messages": messages, **work["options"]}
        ).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        headers = await reader.readuntil(b"\r\n\r\n")
        length = int(headers.lower().partition(b"content-length:")[2].split()[0])
        reply = json.loads(await reader.readexactly(length))
        found[i] = reply["choices"][0]["message"]["content"]


async def gather(prompts: Sequence[measure.Messages]) -> list[str]:
    todo = list(enumerate(prompts))[::-1]
    found = [""] * len(prompts)
    while len(streams) < given.concurrency:
        streams.append(await asyncio.open_connection(address.hostname, address.port))
    await asyncio.gather(*(worker(i, todo, found) for i in range(given.concurrency)))
    return found


measure.measure(lambda prompts: runner.run(gather(prompts)), given)
