"""Log lines of all processes: JSON on standard error, or for people where that is a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor


def configure(level: str = "info") -> None:
    """Send structlog's lines to standard error, from `level` on. Variables never show in tracebacks: they hold keys."""
    for_people = sys.stderr.isatty()
    plain = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    ending: list[Processor] = [console] if for_people else [plain, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_logger,
    )


def _logger(*_: Any) -> structlog.WriteLogger:
    """Looks for standard error each time, so that whoever replaces it gets the lines."""
    return structlog.WriteLogger(sys.stderr)
