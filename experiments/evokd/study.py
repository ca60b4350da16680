"""The EvoKD study: what a teacher that studies the student is worth, and which part of it.

    python experiments/evokd/study.py --part bulletin              # generated notices, by program
    python experiments/evokd/study.py --part real --data FOLDER    # real texts, from a corpus
    python experiments/evokd/study.py --part uneven                # the same, by an uneven writer
    python experiments/evokd/study.py --part bulletin --summarise  # tables and figures again

FOLDER holds sib200_en, snips_intents and wikigold (docs/datasets.md). Jobs run in processes of one
thread. A job that is finished, or whose curve is beside this file, is skipped, so the study may be
stopped and started again at any time, on any machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import arms

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from jobs import Job, committed, run_all  # noqa: E402
from summary import summarise  # noqa: E402

SEEDS = {
    "bulletin": range(100, 110),
    "real": range(100, 103),
    "uneven": range(200, 210),
    "tuning": range(2),
}
"""Tuning has another world than the report's, is read on dev, and chose sizes and steps."""
TUNING_WORLD = ("dataset.world_seed=100", "dataset.split_seed=100")


def jobs(part: str, data: Path | None) -> Iterator[Job]:
    """In the order in which they are wanted."""
    for seed in SEEDS[part]:
        if part == "real":
            assert data is not None
            for dataset in arms.DATASETS:
                for name in arms.REAL:
                    yield Job(part, dataset, name, seed, arms.real(dataset, name, data))
            continue
        for name in arms.UNEVEN if part == "uneven" else arms.BULLETIN:
            own = {"tuning": TUNING_WORLD, "uneven": arms.HABIT}.get(part, ())
            yield Job(part, "bulletin", name, seed, (*arms.bulletin(name), *own))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=tuple(SEEDS), default="bulletin")
    parser.add_argument("--data", type=Path, help="folder of the real datasets")
    parser.add_argument("--root", type=Path, default=Path("runs/evokd-study"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="arms, by name, separated by commas")
    parser.add_argument("--minutes", type=float, help="start no new job after this time")
    parser.add_argument("--summarise", action="store_true", help="tables and figures only")
    given = parser.parse_args()
    if given.part == "real" and not given.data and not given.summarise:
        parser.error("--part real needs --data FOLDER with sib200_en, snips_intents and wikigold")
    if not given.summarise:
        names = given.only.split(",") if given.only else None
        run_all(
            (job for job in jobs(given.part, given.data) if names is None or job.name in names),
            given.root,
            done=committed(HERE / f"{given.part}_curves.csv"),
            workers=given.workers,
            minutes=given.minutes,
        )
    summarise(given.root / given.part, HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
