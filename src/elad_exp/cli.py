"""`elad-exp`: reports and comparisons of finished runs, data checks, a local teacher."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from elad_exp.errors import EladError


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `elad-exp` command; 2 for the user's mistakes."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.action(arguments))
    except EladError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


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
    data = commands.add_parser("data", help="look at data files")
    checks = data.add_subparsers(required=True, metavar="COMMAND")
    check = checks.add_parser("check", help="print every problem of a JSON Lines file")
    check.add_argument("file", type=Path)
    check.set_defaults(action=_check)
    serve = commands.add_parser("serve-teacher", help="serve a small model to this machine")
    serve.add_argument(
        "--model", help="a folder, a .gguf file or OWNER/NAME (default: SmolLM2-135M-Instruct)"
    )
    serve.add_argument("--port", type=int, default=8642, help="default: %(default)s")
    serve.set_defaults(action=_serve)
    return parser


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


def _check(arguments: argparse.Namespace) -> int:
    from elad_exp.data.check import check_file, to_text

    report = check_file(arguments.file)
    print(to_text(report))
    return 0 if report.ok else 2


def _serve(arguments: argparse.Namespace) -> int:
    from elad_exp.serve import prepare, run, to_text

    server = prepare(arguments.model, port=arguments.port)
    print(to_text(server))
    run(server)


if __name__ == "__main__":
    sys.exit(main())
