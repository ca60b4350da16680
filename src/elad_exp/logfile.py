"""`run.log`: what a run and its libraries say, without secrets."""

from __future__ import annotations

import logging
from pathlib import Path

from elad_exp.teachers.endpoint import redact


class _Redacted(logging.Formatter):
    """What libraries say and what tracebacks hold, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to(path: Path) -> logging.Handler:
    """Write what is logged to `path`, secrets left out, until the handler is closed."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Redacted("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("elad_exp").setLevel(logging.INFO)
    return handler
