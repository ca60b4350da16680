"""What `mode=plan` prints, of a run and of a sweep; it writes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from elad_exp.rundir import read_lines
from elad_exp.student.speed import Speeds
from tests.helpers_main import LESSONS, TINY, main, result, run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with a student of a known speed."""
    monkeypatch.chdir(tmp_path)
    speeds = Speeds(1000.0, 1000.0)
    monkeypatch.setattr("elad_exp.plan.job.measure", lambda *args, **options: speeds)


EVOKD = ["+experiment=evokd_quickstart", *LESSONS]
LABELS = [
    *EVOKD[:-4],  # but for its lessons
    *("trainer.accelerator=cpu", "trainer.threads=1"),
    *("teacher=gold", "selection.among=pool", "selection.candidates=12"),
    *("schedule.shots=null", "schedule.initial_size=6"),
]


def planned(capsys: pytest.CaptureFixture[str], *arguments: str, job: Sequence[str] = TINY) -> str:
    assert main([*job, *arguments, "mode=plan"]) == 0
    assert list(Path.cwd().iterdir()) == []
    return capsys.readouterr().out


def rows(shown: str) -> list[list[str]]:
    """The cells of the table, without its head."""
    found = [re.split(r"\s{2,}", line.strip()) for line in shown.splitlines()]
    return [cells for cells in found if cells[0].isdigit() or cells[0] == "all"]


def test_the_table_of_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    shown = planned(capsys)
    assert [cells[:3] for cells in rows(shown)] == [
        ["0", "6", "6"],
        ["1", "4", "4"],
        ["2", "4", "4"],
        ["3", "0", "0"],
        ["all", "14", "14"],
    ]
    assert "this teacher is free" in shown
    assert "budget    no limit" in shown
    assert "usd" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_the_budget_that_ends_a_run_ends_its_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limit = "budget.max_annotations=8"
    shown = planned(capsys, limit, "budget.max_calls=1000")
    assert "max_annotations=8 is expected to be used up in round 1, with 2 of 4" in shown
    assert [cells[:2] for cells in rows(shown)][:-1] == [["0", "6"], ["1", "2"], ["2", "0"]]
    assert run(tmp_path / "run", limit) == 0
    lines = read_lines(tmp_path / "run" / "rounds.jsonl")
    assert [(line["bought"] or {}).get("ok", 0) for line in lines] == [6, 2, 0]


def test_what_scoring_writes_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    def written(*arguments: str) -> int:
        return int(rows(planned(capsys, *arguments))[1][6].replace(",", ""))

    whole = written()  # 10 attempts and 2 explanations more of each
    measured = 192
    assert whole - measured == 3 * 10 * 12
    assert written("selection.guided_fraction=0.5") - measured == (10 + 2 * 5) * 12
    assert written("selection.inter_from=prefixes") > whole
    assert written("selector=random", "selection.also_score=all") == whole
    assert written("selector=random") - measured == 4 * 12


def test_time_is_a_limit_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    # Round 0 measures 16 questions with 12 tokens each, at 1000 tokens a second.
    shown = planned(capsys, "budget.max_wall_s=0.3", "budget.scope=sweep")  # of each job even so
    assert "max_wall_s=0.3 is expected to be used up in round 1, with 0 of 4" in shown


def test_a_sweep_is_added_up_and_judged_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    sweep = ["-m", "seed=0,1", "budget.max_annotations=20"]
    shown = planned(capsys, *sweep)
    assert "job 1: seed=1" in shown.splitlines()
    assert [cells[:2] for cells in rows(shown)] == [["0", "14"], ["1", "14"], ["all", "28"]]
    assert "of each job by itself: expected to suffice" in shown
    shown = planned(capsys, *sweep, "budget.scope=sweep")
    assert [cells[:2] for cells in rows(shown)] == [["0", "14"], ["1", "6"], ["all", "20"]]
    assert "of the whole sweep: expected to cut short 1 of 2 (job 1)" in shown


def test_a_job_that_would_be_refused_is_left_out_and_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-m", *TINY, "budget.max_annotations=3,8", "mode=plan"]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: job 0: schedule.initial_size=6 exceeds")
    assert [cells[:2] for cells in rows(shown.out)] == [["1", "8"], ["all", "8"]]
    assert list(Path.cwd().iterdir()) == []


def numbers(line: str, shown: str) -> list[int]:
    """The whole numbers of the line that begins so."""
    [found] = [x for x in shown.splitlines() if x.startswith(line)]
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", found)]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["teacher.votes=2", "teacher.lesson_size=3"],
        ["dataset=bulletin_entities"],
        ["teacher.init=auggpt", "teacher.init_rounds=2"],
    ],
    ids=str,
)
def test_lessons_cost_what_is_planned(
    options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = planned(capsys, *options, job=EVOKD)
    assert [cells[:2] for cells in rows(shown)] == [
        ["0", "0"],
        ["1", "8"],
        ["2", "8"],
        ["3", "0"],
        ["all", "16"],
    ]
    assert "this teacher is free" in shown
    assert main([*EVOKD, *options, f"paths.run_dir={tmp_path / 'run'}"]) == 0
    spent = result(tmp_path / "run")["spent"]
    expected, most, calls, annotations = numbers("tokens", shown)
    assert (calls, annotations) == (spent["calls"], spent["annotations"])
    # Of a tagger that has learnt nothing the program names so much that it is cut off.
    assert 0.7 < expected / spent["tokens"] < 1.35
    assert spent["tokens"] < most


@pytest.mark.parametrize(
    ("limit", "bought"),
    [
        ("max_annotations=14", [0, 8, 4, 0]),
        ("max_calls=4", [0, 4, 0]),
        ("max_calls=6", [0, 8, 0, 0]),
        ("max_tokens=3300", [0, 4, 0]),
    ],
)
def test_the_budget_that_ends_lessons_ends_their_plan(
    limit: str, bought: list[int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = planned(capsys, f"budget.{limit}", job=EVOKD)
    assert f"{limit} is expected to be used up in round" in shown.replace(",", "")
    assert [int(cells[1]) for cells in rows(shown)][:-1] == bought
    assert main([*EVOKD, f"budget.{limit}", f"paths.run_dir={tmp_path / 'run'}"]) == 0
    lines = read_lines(tmp_path / "run" / "rounds.jsonl")
    after = [line["spent"]["annotations"] for line in lines]
    assert [b - a for a, b in zip(after, [*after[1:], after[-1]], strict=True)] == bought
    assert numbers("tokens", shown)[2] == lines[-1]["spent"]["calls"]


def test_lessons_of_a_sweep_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    shown = planned(
        capsys, "-m", "seed=0,1", "budget.max_calls=15", "budget.scope=sweep", job=EVOKD
    )
    assert [cells[:2] for cells in rows(shown)] == [["0", "16"], ["1", "8"], ["all", "24"]]
    assert "of the whole sweep: expected to cut short 1 of 2 (job 1)" in shown


def test_time_ends_lessons_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    # Nothing is waited for: the 30 texts that round 0 reads take the time, then training does.
    shown = planned(capsys, "budget.max_wall_s=0.1", job=EVOKD)
    assert "max_wall_s=0.1 is expected to be used up in round 1, with 0 of 8" in shown


def test_a_student_that_labels_reads(capsys: pytest.CaptureFixture[str]) -> None:
    def read(*arguments: str) -> int:
        shown = planned(capsys, *arguments, job=LABELS)
        assert "written" not in shown
        assert "read tok" in shown
        assert "1,000 tokens/s read" in shown
        assert [cells[:2] for cells in rows(shown)][:-1] == [
            *(["0", "6"], ["1", "10"], ["2", "10"], ["3", "0"]),
        ]
        return int(rows(shown)[1][6].replace(",", ""))

    measured = read("selector=random")  # 30 texts, and nothing is scored
    for selector, passes in (("margin", 2), ("bald", 1 + 8)):
        assert read(f"selector={selector}") == pytest.approx(
            measured * (1 + 12 * passes / 30), 0.01
        )


def test_a_selector_that_a_student_cannot_serve_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*LABELS, "selector=step_entropy", "mode=plan"]) == 2
    assert "this student labels texts" in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []


def test_students_that_write_and_that_label_are_added_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = ["-m", "student=tiny_encoder,tiny"]
    job = [x for x in LABELS if not x.startswith("student.")]
    shown = planned(capsys, *jobs, "selector=random", job=job)
    assert "written/read tok" in shown
