"""Errors a user can act on. Each message names the value, what is allowed and what to do."""

from __future__ import annotations


class EladError(Exception):
    """Base of all errors raised on purpose; shown as one short message, without a traceback."""

    exit_code = 1


class UserError(EladError):
    """A mistake in configuration, arguments or input files. Exit code 2."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration value that cannot be used."""


class Unreachable(ConfigError):
    """A server that does not answer: a mistake when a run begins, a fault when it goes on."""


class DataError(UserError):
    """An input file or row that cannot be used; names file, line and reason."""


class AssetError(UserError):
    """A dataset or model that can be had from none of its sources."""


class BudgetExceeded(EladError):
    """A reservation that does not fit under the budget. Nothing was called."""


class NothingLeft(BudgetExceeded):
    """The teacher has nothing left that it could give. Nothing was called."""


class RunStopped(EladError):
    """The run stops early and can be resumed. `reason` is what `result.json` records."""

    exit_code = 75

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Interrupted(RunStopped):
    """SIGINT or SIGTERM arrived; state is written, the run can be resumed."""

    def __init__(self, signum: int) -> None:
        super().__init__("signal", f"signal {signum} arrived; state is written")
        self.signum = signum
        self.exit_code = 128 + signum
