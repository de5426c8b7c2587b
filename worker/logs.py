"""Log lines of the worker."""

from __future__ import annotations

import logging
import sys

from registry import logs


def configure(level: str = "info") -> None:
    """Those of all processes, from `level` on, and the libraries' warnings with them."""
    logs.configure(level)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", force=True
    )
