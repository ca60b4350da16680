"""`python -m elad_exp`: one run, a sweep, or a run resumed.

Arguments are looked at before Hydra starts, because Hydra writes files before a task runs.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elad_exp.errors import ConfigError, EladError
from elad_exp.rundir import RunDirectory
from elad_exp.telling import sweep_ending

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from elad_exp.console import Console

_EXCLUDED = "hydra.job.config.override_dirname.exclude_keys"
_HYDRA_FLAGS = ("--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--version")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 completed, 1 failed, 2 the user's mistake, 75 stopped, 130/143 signals."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except EladError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _dispatch(arguments: list[str]) -> int:
    from elad_exp.arguments import check_arguments, list_experiments, resumed_config

    if not arguments:
        print(list_experiments())
        return 2
    check_arguments(arguments)
    if any(argument.split("=")[0] in _HYDRA_FLAGS for argument in arguments):
        return _hydra(arguments)
    if any(argument in ("-m", "--multirun") for argument in arguments):
        return _sweep(arguments)
    flags = [argument for argument in arguments if argument.startswith("-")]
    if flags:
        raise ConfigError(f"unknown option {flags[0]}; overrides are written KEY=VALUE")
    if any(argument.startswith("resume=") for argument in arguments):
        directory, config = resumed_config(arguments)
        return run_one(config, directory, resumed=True)
    from elad_exp.config import compose_config

    return run_one(compose_config(arguments), overrides=arguments)


@contextmanager
def run_directory(config: DictConfig) -> Iterator[Path]:
    """`paths.run_dir`, or a new folder named after the experiment and the time.

    A new folder is made here, so that of runs that start in one second each has its own. If the
    run cannot begin and leaves it empty, it is removed.

    Raises:
        ConfigError: No folder can be made.
    """
    if config.paths.run_dir:
        yield Path(str(config.paths.run_dir))
        return
    parent = Path(str(config.paths.root)) / str(config.name)
    made: list[Path] = []
    try:
        try:
            made += [folder for folder in (parent, *parent.parents) if not folder.exists()]
            made.insert(0, _new_folder(parent))
        except OSError as error:
            raise ConfigError(
                f"paths.root={config.paths.root}: {parent} cannot be written ({error.strerror}); "
                "choose another"
            ) from error
        yield made[0]
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _new_folder(parent: Path) -> Path:
    stem = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    path, count = parent / stem, 1
    while True:
        parent.mkdir(parents=True, exist_ok=True)
        # Taken by another run, or one that could not begin has just removed the parent.
        with suppress(FileExistsError, FileNotFoundError):
            path.mkdir()
            return path
        count += 1
        path = parent / f"{stem}-{count}"


def run_one(
    config: DictConfig,
    path: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    resumed: bool = False,
    sweep: str | None = None,
) -> int:
    """Check everything that can be checked, then create or reopen the directory and run.

    Without `path` the run goes where `run_directory` says.
    """
    from omegaconf import OmegaConf

    from elad_exp.budget.budget import Limits, raised_only
    from elad_exp.console import Console

    limits = Limits(**OmegaConf.to_container(config.budget))  # type: ignore[arg-type]
    if resumed:
        assert path is not None
        old = RunDirectory(path).read_json("result.json")
        was = old["budget"]
        raised_only(Limits(**was["limits"], scope=was.get("scope", "run")), limits)
    console = Console()
    _quiet_environment()
    from elad_exp.groundwork import check  # heavy: torch, Lightning
    from elad_exp.run import Run

    _quiet_libraries()

    check(config)
    if config.mode == "plan":
        from elad_exp.plan.tell import plan

        with _warnings_told(console):
            plan(config, console=console)
        return 0
    with run_directory(config) if path is None else nullcontext(path) as place:
        directory = RunDirectory(place)
        if not resumed:
            directory.create()
        with directory.held():
            if resumed:
                directory.reopen()
            else:
                directory.write_text("overrides.txt", "".join(f"{o}\n" for o in overrides))
            run = Run(config, directory, console=console, resumed=resumed, sweep=sweep)
            return run.execute()


def _warnings_told(console: Console) -> AbstractContextManager[None]:
    """What a plan has instead of `run.log`."""
    from elad_exp.console import Told, told

    return told(Told(console, "elad_exp.assets"), Told(console, "elad_exp", logging.WARNING))


def _quiet_environment() -> None:
    """What libraries read once, when they are imported."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")


def _quiet_libraries() -> None:
    """Libraries log to `run.log`; what they say on the terminal is not for our users."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()  # it prints by itself; the root logger writes run.log
        library.propagate = True
    logging.getLogger("lightning.pytorch.trainer.connectors.signal_connector").setLevel(
        logging.ERROR
    )
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.captureWarnings(True)
    logging.lastResort = None


def _sweep(arguments: list[str]) -> int:
    """A sweep. A mistake in a job is told once, before any job starts."""
    from elad_exp.config import check_jobs, fixed_overrides, held_back

    overrides = [argument for argument in arguments if not argument.startswith("-")]
    fixed = fixed_overrides(overrides)
    jobs, modes = check_jobs(overrides)
    if modes == {"plan"}:  # without Hydra, which would make the sweep's folder
        return _plan_sweep(jobs, fixed)
    # A job's folder is named after what is swept; with all overrides its name gets too long.
    more = [f"{_EXCLUDED}=[{','.join(fixed)}]"]
    return _hydra(arguments, held=held_back(fixed), more=more, total=len(jobs))


def _plan_sweep(jobs: Sequence[Sequence[str]], fixed: Mapping[str, str]) -> int:
    _quiet_environment()
    from elad_exp.console import Console
    from elad_exp.plan.tell import plan_sweep

    _quiet_libraries()
    console = Console()
    with _warnings_told(console):
        failed = plan_sweep(jobs, fixed, console=console)
    for error in failed:
        print(f"error: {error}", file=sys.stderr)
    return 1 if failed else 0


def _hydra(
    arguments: list[str], *, held: Sequence[str] = (), more: Sequence[str] = (), total: int = 1
) -> int:
    """Sweeps of `total` jobs and Hydra's own options; each job adds `held`, and Hydra alone is
    given `more`.
    """
    import hydra

    from elad_exp.config import compose_config, config_dir, register

    register()
    jobs = _Jobs()

    def task(config: DictConfig) -> int:
        from hydra.core.hydra_config import HydraConfig

        sys.argv = [argv[0], *arguments]  # what records of a run say
        settings = HydraConfig.get()
        path = Path(settings.runtime.output_dir)
        print(f"job {settings.job.num + 1} of {total}: {settings.job.override_dirname}", flush=True)
        try:
            overrides = [*held, *settings.overrides.task]
            config = compose_config(overrides)
            sweep = str(Path(settings.sweep.dir).absolute())
            code = run_one(config, path, overrides=overrides, sweep=sweep)
        except Exception as error:  # entry point: the other jobs shall run
            from omegaconf import OmegaConf

            from elad_exp.record import record_refusal

            if isinstance(error, EladError):
                print(f"error: {error}", file=sys.stderr)
            else:
                _print_traceback(*sys.exc_info())
            code = error.exit_code if isinstance(error, EladError) else 1
            plain: Any = OmegaConf.to_container(config, resolve=True)
            record_refusal(plain, path, exit_code=code, reason=str(error))
        jobs.add(path, code, folder=str(settings.sweep.dir))
        if code > 128:  # Hydra would go on with the next job
            raise SystemExit(code)
        return code

    given = [argument for argument in arguments if argument not in held]
    argv, sys.argv = sys.argv, [sys.argv[0], *given, *more]
    try:
        start = hydra.main(config_path=str(config_dir()), config_name="config", version_base="1.3")
        start(task)()
    finally:
        sys.argv = argv
        jobs.tell()
    failed = [code for code in jobs.codes if code not in (0, 75)]
    return 1 if failed else (75 if 75 in jobs.codes else 0)


class _Jobs:
    """What became of the jobs of a sweep; none where Hydra only shows something."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self._records: list[dict[str, Any]] = []
        self._folder = ""

    def add(self, path: Path, code: int, *, folder: str) -> None:
        """Note a job that wrote to `path` and ended with `code`; `folder` is the sweep's."""
        self.codes.append(code)
        self._folder = folder
        if (path / "result.json").exists():  # not where it was only planned
            found = RunDirectory(path).read_json("result.json")
            if found["exit_code"] == code:  # else it is of another run, which was there before
                self._records.append(found)

    def tell(self) -> None:
        """Print what they came to."""
        if self._records:
            print(sweep_ending(self._records, self._folder), flush=True)


def _print_traceback(*error: Any) -> None:
    """As Python does it, without keys and passwords that a message may repeat."""
    from elad_exp.teachers.endpoint import redact

    print(redact("".join(traceback.format_exception(*error))), file=sys.stderr, end="")


if __name__ == "__main__":
    sys.excepthook = _print_traceback
    sys.exit(main())
