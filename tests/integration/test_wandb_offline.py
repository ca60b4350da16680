"""An offline W&B run, read back from its file: the keys of the metrics, the exit code, no gold."""

from __future__ import annotations

import json
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elad_exp.__main__ import main
from elad_exp.callbacks.loggers import WandbSink
from elad_exp.errors import ConfigError, EladError
from elad_exp.rundir import read_lines
from elad_exp.signals import Interrupt
from tests.helpers_main import SIZES, TINY

wandb = pytest.importorskip("wandb", reason="wandb is not installed (extra `wandb`)")

# Its threads and generated code warn about themselves; that is not what is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CANARY = "canary-4b1d"


def chunks(raw: bytes) -> Iterator[bytes]:
    """The records of a `.wandb` file: after 7 bytes, LevelDB's log format, in blocks of 32 KiB,
    each part with 7 bytes of checksum, length and kind (1 whole, 2 first, 3 middle, 4 last).
    """
    assert raw[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(raw):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", raw, at + 4)
        parts += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def records(run_dir: Path) -> Iterator[Any]:
    """The records of the one offline run below `run_dir`."""
    from wandb.proto import wandb_internal_pb2

    (file,) = (run_dir / "wandb").glob("offline-run-*/*.wandb")
    for data in chunks(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def history(run_dir: Path) -> list[dict[str, Any]]:
    found = []
    for record in records(run_dir):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            row = {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}
            found.append({k: v for k, v in row.items() if not k.startswith("_")})
    return found


def exit_codes(run_dir: Path, within_s: float = 10.0) -> list[int]:
    """Exit codes in the record; W&B's own process may write the last one after `finish` returns."""
    end = time.monotonic() + within_s
    while True:
        kinds = [(record.WhichOneof("record_type"), record) for record in records(run_dir)]
        codes = [record.exit.exit_code for kind, record in kinds if kind == "exit"]
        if codes or time.monotonic() > end:
            return codes
        time.sleep(0.1)


def contents(run_dir: Path) -> bytes:
    return b"".join(p.read_bytes() for p in (run_dir / "wandb").rglob("*") if p.is_file())


def test_metrics_are_found_in_the_offline_run_under_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert main([*TINY, "logger=wandb_offline", f"paths.run_dir={path}"]) == 0
    rows = history(path)
    lines = read_lines(path / "rounds.jsonl")
    assert [row["round/index"] for row in rows] == [0, 1, 2, 3]
    always = {"round/index", "dev/acc", "test/acc", "time/train", "time/evaluate"}
    always |= {f"cost/{unit}" for unit in ("annotations", "tokens", "usd", "train_tokens")}
    for row, line in zip(rows, lines, strict=True):
        assert always <= set(row)
        assert row["cost/annotations"] == line["spent"]["annotations"]
        assert row["cost/tokens"] == line["spent"]["tokens"]
        assert row["test/acc"] == pytest.approx(line["test"]["acc"]["value"])
    assert {"teacher/acceptance_rate", "teacher/answer_accuracy"} <= set(rows[1])
    assert {"time/score", "time/annotate"} <= set(rows[1])
    measured = [k for row in rows for k in row if k.startswith("select/auroc/")]
    defined = [m for line in lines for k, m in (line["select"] or {}).items() if m and "auroc" in k]
    assert len(measured) == len(defined)
    assert exit_codes(path) == [0]


def test_every_metric_is_drawn_over_the_annotations(tmp_path: Path) -> None:
    path = tmp_path / "run"
    one = ["schedule.rounds=1", "logger=wandb_offline", f"paths.run_dir={path}"]
    assert main([*TINY, *one]) == 0
    metrics = [r.metric for r in records(path) if r.WhichOneof("record_type") == "metric"]
    steps = {m.name or m.glob_name: m.step_metric for m in metrics}
    assert steps.get("test/acc", steps.get("*")) == "cost/annotations"


@pytest.mark.parametrize("how", ["crash", "signal"])
def test_the_exit_code_of_a_run_that_did_not_complete_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from elad_exp.student.module import StudentModule

    def crash(*args: Any) -> None:
        raise RuntimeError("a defect")

    def asked_to_stop(interrupt: Interrupt) -> None:
        interrupt.signum = signal.SIGINT
        check(interrupt)

    check = Interrupt.check
    path = tmp_path / "run"
    arguments = [*TINY, "logger=wandb_offline", f"paths.run_dir={path}"]
    if how == "crash":
        monkeypatch.setattr(StudentModule, "training_step", crash)
        with pytest.raises(RuntimeError, match="a defect"):
            main(arguments)
        assert exit_codes(path) == [1]
    else:
        monkeypatch.setattr(Interrupt, "check", asked_to_stop)
        assert main(arguments) == 130
        assert exit_codes(path) == [130]


def test_neither_gold_nor_questions_reach_wandb(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"{CANARY}-question: is {i} even?",
            "answer": "no" if i % 2 else "yes",
            "explanation": [f"{CANARY}-explanation {i}."],
            "meta": {"note": f"{CANARY}-meta"},
        }
        for i in range(40)
    ]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = [x for x in SIZES if not x.startswith("dataset")]
    path = tmp_path / "run"
    own = ["dataset=jsonl", f"dataset.path={data}", "dataset.n_dev=4", "dataset.n_test=6"]
    own += ["teacher=gold", "selector=step_entropy", "name=mine", "logger=wandb_offline"]
    assert main([*own, *sizes, f"paths.run_dir={path}"]) == 0
    assert CANARY.encode() in (path / "annotations.jsonl").read_bytes()  # the teacher is the gold
    assert len(history(path)) == 4
    assert CANARY.encode() not in contents(path)


@pytest.mark.slow
def test_a_resumed_run_replays_its_history_into_one_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    limited = ["budget.max_annotations=10", "logger=none", f"paths.run_dir={path}"]
    assert main([*TINY, *limited]) == 0
    assert main([f"resume={path}", "budget.max_annotations=14", "logger=wandb_offline"]) == 0
    rows = history(path)
    assert [row["round/index"] for row in rows] == [0, 1, 2, 3]
    assert [row["cost/annotations"] for row in rows] == [0, 6, 10, 14]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (wandb.errors.UsageError("No API key configured. Use `wandb login`."), ConfigError),
        (wandb.errors.AuthenticationError("API key must have 40+ characters"), ConfigError),
        (wandb.errors.CommError("Timed out\nConsider a longer init_timeout"), EladError),
    ],
    ids=["usage", "login", "network"],
)
def test_what_wandb_refuses_is_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[EladError]
) -> None:
    def refuse(**_: Any) -> None:
        raise error

    monkeypatch.setattr(wandb, "init", refuse)
    sink = WandbSink("elad_exp", offline=False)
    with pytest.raises(EladError, match=r"logger: W&B .*wandb login.*wandb_offline") as caught:
        sink.start(tmp_path, {}, "run")
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert str(error).splitlines()[0].rstrip(".") in str(caught.value)
    sink.close(1)  # nothing was begun


def test_a_run_without_a_login_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured")

    monkeypatch.setattr(wandb, "init", refuse)
    assert main([*TINY, "logger=wandb", f"paths.root={tmp_path / 'runs'}"]) == 2
    assert "No API key configured" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_two_jobs_of_a_sweep_are_two_runs_both_closed(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sweep = ["-m", *TINY, "schedule.rounds=1", "seed=0,1", "logger=wandb_offline"]
    assert main([*sweep, f"hydra.sweep.dir={folder}"]) == 0
    paths = sorted(p.parent for p in folder.rglob("result.json"))
    assert [exit_codes(path) for path in paths] == [[0], [0]]
    assert [len(history(path)) for path in paths] == [2, 2]
    assert wandb.run is None
