"""bespokelabs-curator, with its cache, display and telemetry off, little logging and no rate limit.

Each `ask` is one call of a `curator.LLM`. The clock therefore also runs while curator writes
requests, answers and the resulting dataset to files and opens new connections: none of it can be
turned off. The server's window says how long the requests alone took.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import measure
from bespokelabs import curator
from datasets import Dataset

UNLIMITED = 10**12

# The vocabulary that curator counts tokens with comes with litellm: nothing needs to be fetched.
LITELLM = Path(find_spec("litellm").origin).parent
os.environ["TIKTOKEN_CACHE_DIR"] = str(LITELLM / "litellm_core_utils" / "tokenizers")

parser = measure.parser()
parser.add_argument("--backend", required=True, help="openai: its default; litellm: like ours")
given = parser.parse_args()
work = measure.work(given)
logging.getLogger("curator").setLevel(logging.WARNING)


class Teacher(curator.LLM):
    def prompt(self, row: dict) -> list[dict[str, str]]:
        return row["messages"]

    def parse(self, row: dict, response: str) -> dict[str, str]:
        return {"response": response}


teacher = Teacher(
    model_name=work["model"] if given.backend == "openai" else f"openai/{work['model']}",
    backend=given.backend,
    generation_params=work["options"],
    backend_params={
        "base_url": f"{given.url}/v1",
        "max_concurrent_requests": given.concurrency,
        "max_requests_per_minute": UNLIMITED,
        "max_tokens_per_minute": UNLIMITED,
        "max_retries": 0,
        "request_timeout": int(measure.TIMEOUT_S),
    },
)


def ask(prompts: Sequence[measure.Messages]) -> list[str]:
    rows = Dataset.from_list([{"messages": messages} for messages in prompts])
    return teacher(rows, working_dir=str(given.store)).dataset["response"]


measure.measure(ask, given, packages=["bespokelabs-curator", "litellm", "aiohttp", "datasets"])
