"""Log lines of the worker."""

from __future__ import annotations

import logging

from registry import logs


def configure(level: str = "info", form: logs.Form = "auto") -> None:
    """Those of all processes, from `level` on; what the libraries set up for theirs is taken down."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logs.configure(level, form)
