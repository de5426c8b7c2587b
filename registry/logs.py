"""Log lines of all processes: JSON on standard error, or for people where that is a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import Processor

Form = Literal["auto", "json", "console"]


def configure(level: str = "info", form: Form = "auto") -> None:
    """Send structlog's lines to standard error, from `level` on, and the libraries' warnings in the same form.

    Variables never show in tracebacks: they hold keys.
    """
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    plain = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    console = structlog.dev.ConsoleRenderer(
        colors=for_people and sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
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
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


class _Libraries(logging.Handler):
    """Gives what libraries log to structlog, with the fields of the request or attempt that it is about."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = structlog.get_logger()
            write = line.error if record.levelno >= logging.ERROR else line.warning
            more = {"exc_info": record.exc_info} if record.exc_info else {}
            write(record.getMessage(), logger=record.name, **more)
        except Exception:  # noqa: BLE001 - a line that can't be written must not become the program's error
            self.handleError(record)


def _logger(*_: Any) -> structlog.WriteLogger:
    """Looks for standard error each time, so that whoever replaces it gets the lines."""
    return structlog.WriteLogger(sys.stderr)
