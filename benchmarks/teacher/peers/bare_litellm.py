"""What ours is measured against: `litellm.acompletion` under a semaphore, gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import litellm
import measure

given = measure.parser().parse_args()
work = measure.work(given)
runner = asyncio.Runner()
semaphore = asyncio.Semaphore(given.concurrency)


async def one(messages: measure.Messages) -> str:
    async with semaphore:
        reply = await litellm.acompletion(
            model=f"openai/{work['model']}",
            messages=messages,
            api_base=f"{given.url}/v1",
            api_key="none",
            timeout=measure.TIMEOUT_S,
            num_retries=0,
            max_retries=0,
            **work["options"],
        )
    return reply.choices[0].message.content


async def gather(prompts: Sequence[measure.Messages]) -> list[str]:
    return await asyncio.gather(*map(one, prompts))


measure.measure(
    lambda prompts: runner.run(gather(prompts)), given, packages=["litellm", "openai", "httpx"]
)
