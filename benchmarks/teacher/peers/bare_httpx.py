"""httpx alone: what an asynchronous HTTP client costs without litellm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import measure

given = measure.parser().parse_args()
work = measure.work(given)
runner = asyncio.Runner()
# By default 20 connections are kept, fewer than are used here.
limits = httpx.Limits(max_connections=None, max_keepalive_connections=given.concurrency)
client = httpx.AsyncClient(timeout=measure.TIMEOUT_S, limits=limits, trust_env=False)
semaphore = asyncio.Semaphore(given.concurrency)


async def one(messages: measure.Messages) -> str:
    body = {"model": work["model"], "messages": messages, **work["options"]}
    async with semaphore:
        reply = await client.post(f"{given.url}/v1/chat/completions", json=body)
    return reply.json()["choices"][0]["message"]["content"]


async def gather(prompts: Sequence[measure.Messages]) -> list[str]:
    return await asyncio.gather(*map(one, prompts))


measure.measure(lambda prompts: runner.run(gather(prompts)), given, packages=["httpx"])
