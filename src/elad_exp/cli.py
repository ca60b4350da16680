"""`elad-exp`: reports, comparisons, ranking again, data checks, the store of paid answers, a local
teacher.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from elad_exp.errors import AssetError, ConfigError, EladError


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `elad-exp` command; 2 for the user's mistakes, and 141, as of a program
    that SIGPIPE has ended, if nobody reads its output to the end (`elad-exp store show | head`).
    """
    try:
        return _run(argv)
    except BrokenPipeError:
        # Python flushes once more when it ends, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.action(arguments))
    except EladError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        sys.stdout.flush()  # here, where a closed pipe is noticed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="elad-exp", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="write report.html of a run again")
    report.add_argument("run", type=Path)
    report.set_defaults(action=_report)
    compare = commands.add_parser("compare", help="compare the runs below a folder")
    compare.add_argument("sweep", type=Path)
    compare.add_argument("--json", type=Path, help="write the figures there as well")
    compare.add_argument("--plot", type=Path, help="draw the curves there as well")
    compare.set_defaults(action=_compare)
    select = commands.add_parser(
        "select",
        help="rank the candidates of a round again, by other selectors",
        description="Rank the stored candidates of a round again, by other selectors: what they "
        "would have chosen, how much of it the run chose, how much of it the student has wrong. "
        "Nothing is generated. Scores that the run did not compute are missing; a run with "
        "selection.also_score=all has all of them.",
    )
    _select_arguments(select)
    data = commands.add_parser("data", help="look at data files")
    checks = data.add_subparsers(required=True, metavar="COMMAND")
    check = checks.add_parser(
        "check",
        help="print every problem of a file or folder of questions",
        description="Print every problem of a file or folder of questions, what a run would leave "
        "out, near-duplicates, and a summary. Exits with 2 where a run would be refused.",
    )
    check.add_argument("path", type=Path, help="a file, or a folder with a file for each split")
    check.add_argument(
        "--student",
        default="tiny",
        metavar="NAME",
        help="whose tokens to count, as in student=NAME (default: %(default)s)",
    )
    check.set_defaults(action=_check)
    serve = commands.add_parser("serve-teacher", help="serve a small model to this machine")
    serve.add_argument(
        "--model", help="a folder, a .gguf file or OWNER/NAME (default: SmolLM2-135M-Instruct)"
    )
    serve.add_argument("--port", type=int, default=8642, help="default: %(default)s")
    serve.set_defaults(action=_serve)
    _store_commands(commands.add_parser("store", help="paid answers: show, export, prune"))
    return parser


def _select_arguments(select: argparse.ArgumentParser) -> None:
    select.add_argument("--from", type=Path, required=True, metavar="RUN", dest="run")
    select.add_argument(
        "--selector", required=True, metavar="NAME[,NAME...]", help="as in selector=NAME"
    )
    select.add_argument("--round", type=int, help="default: the last one with scores")
    select.add_argument(
        "-n", type=int, help="size of the query, audit included (default: the run's)"
    )
    select.add_argument("--json", action="store_true", help="print everything as JSON")
    select.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings of the selectors, like weights.inter=2 or selector@selector.inner=random",
    )
    select.set_defaults(action=_select)


def _store_commands(store: argparse.ArgumentParser) -> None:
    actions = store.add_subparsers(required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--store", type=Path, metavar="FILE", help="not the one of ELAD_EXP_CACHE")
    show = actions.add_parser(
        "show", parents=[place], help="runs and what they cost; of one run, its calls"
    )
    show.add_argument("run", nargs="?", metavar="RUN_ID")
    show.set_defaults(action=_show)
    export = actions.add_parser(
        "export",
        parents=[place],
        help="write a recording that teacher=recorded replays",
        description="Write a recording that teacher=recorded replays: for each answered call the "
        "teacher's text, and the steps of the student's that it let stand. Read by you alone until "
        "you change the file's mode; look at your provider's terms before you publish it.",
    )
    export.add_argument("file", type=Path, metavar="FILE.jsonl")
    export.add_argument("--run", action="append", default=[], metavar="RUN_ID", help="may repeat")
    export.set_defaults(action=_export)
    prune = actions.add_parser(
        "prune",
        parents=[place],
        help="delete runs, or their answers only",
        description="Delete runs, or their answers only; without --yes, say what would go. A "
        "deleted run cannot be resumed. Deleted answers are not served to other runs any more, "
        "which then pay for them.",
    )
    which = prune.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--before",
        metavar="DATE",
        help="runs that have asked nothing since then, like 2026-01-31 (UTC)",
    )
    which.add_argument("--run", metavar="RUN_ID")
    prune.add_argument(
        "--answers-only", action="store_true", help="delete the texts, keep calls and costs"
    )
    prune.add_argument("--yes", action="store_true", help="delete")
    prune.set_defaults(action=_prune)


def _report(arguments: argparse.Namespace) -> int:
    from elad_exp.reporting.html import write_report

    print(write_report(arguments.run))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from elad_exp.reporting.compare import compare, render, to_json

    comparison = compare(arguments.sweep)
    print(render(comparison))
    if arguments.json:
        arguments.json.write_text(json.dumps(to_json(comparison), indent=2) + "\n")
    if arguments.plot:
        from elad_exp.reporting.plots import compare_plot

        compare_plot(arguments.sweep, arguments.plot)
    return 0


def _select(arguments: argparse.Namespace) -> int:
    from elad_exp.reporting.ranking_text import to_json, to_text
    from elad_exp.rerank import rerank

    stored, rankings = rerank(
        arguments.run,
        arguments.selector,
        arguments.overrides,
        round=arguments.round,
        n=arguments.n,
    )
    if arguments.json:
        print(json.dumps(to_json(stored, rankings), indent=2))
    else:
        print(to_text(stored, rankings))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from transformers.utils import logging as transformers_logging

    from elad_exp.building import build
    from elad_exp.config import compose_config
    from elad_exp.console import Console, Told, told
    from elad_exp.data.check import check_path
    from elad_exp.data.check_text import to_text
    from elad_exp.student.ruler import student_ruler

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    # The line between question and explanation is the one that dataset=jsonl has.
    config = compose_config(
        ["dataset=jsonl", "dataset.path=unused", f"student={arguments.student}"]
    )
    student, line = build(config.student), config.dataset.instruction
    refused = False
    try:
        with told(Told(Console(), "elad_exp.assets")):
            report = check_path(
                arguments.path,
                ruler=lambda task, samples: student_ruler(student, task, samples),
                instruction=line,
            )
    except (AssetError, ConfigError) as error:
        refused = isinstance(error, ConfigError)
        print(f"lengths are in words: {error}", file=sys.stderr)
        report = check_path(arguments.path, instruction=line)
    print(to_text(report), end="")
    return 0 if report.ok and not refused else 2


def _serve(arguments: argparse.Namespace) -> int:
    from elad_exp.serve import prepare, run, to_text

    server = prepare(arguments.model, port=arguments.port)
    print(to_text(server))
    run(server)


def _open(arguments: argparse.Namespace) -> tuple[sqlite3.Connection, Path]:
    """The store, which looking at it leaves as it is."""
    from elad_exp.assets import store_path
    from elad_exp.budget.database import open_readonly

    path = arguments.store or store_path()
    return open_readonly(path), path


def _show(arguments: argparse.Namespace) -> int:
    from elad_exp.budget.overview import show, show_run

    db, path = _open(arguments)
    with closing(db):
        print(show_run(db, arguments.run) if arguments.run else show(db, path))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from elad_exp.budget.export import chosen, differences, export

    db, _ = _open(arguments)
    with closing(db):
        n = export(db, arguments.file, arguments.run)
        runs = chosen(db, arguments.run)
    if shown := differences({run.run_id: run.teacher for run in runs if run.teacher}):
        print(
            f"warning: the runs had different teachers ({shown}); such a recording is replayed one "
            "run at a time, with teacher.run=RUN_ID",
            file=sys.stderr,
        )
    print(f"{arguments.file}: {n} answers; replay with teacher=recorded teacher.path=FILE")
    return 0


def _prune(arguments: argparse.Namespace) -> int:
    from elad_exp.budget.database import open_database
    from elad_exp.budget.prune import compact, date, plan, prune

    before = date(arguments.before) if arguments.before else None
    db, path = _open(arguments)
    with closing(db):
        answers_only = arguments.answers_only
        found = plan(db, run_id=arguments.run, before=before, answers_only=answers_only)
    for line in found.stays():
        print(line)
    if not found.runs:
        print("there is no run to delete")
        return 0
    what = found.goes(answers_only=answers_only)
    if not arguments.yes:
        print(f"would delete {what}\nnothing is deleted yet; add --yes to delete it")
        return 2
    with closing(open_database(path)) as db:
        prune(db, found.runs, answers_only=answers_only)
        print(f"deleted {what}")
        if compact(db, path):
            print(f"the store {path} takes {path.stat().st_size / 1e6:.1f} MB now")
        else:
            print(
                f"another process uses the store {path}: the deleted texts stay in the file until "
                "a run is pruned while none does"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
