"""`python -m chaos.parts.worker`: the real worker, with the faults of `chaos.parts.points` built in."""

from __future__ import annotations

import os
import sys
from typing import Any

from chaos.parts import points, trainer
from registry.broker_transports import RedisTransport
from worker import __main__ as worker_main
from worker.runtime import Runtime


def main() -> int:
    """Run a worker as `python -m worker` does. Returns its exit status."""
    points.shift_the_clock()
    if os.environ.get(points.TRAINER) == "light":
        _replace_the_trainer()
    _die_after_brpop()
    return worker_main.main(sys.argv[1:])


def _replace_the_trainer() -> None:
    real = Runtime.open.__func__  # type: ignore[attr-defined]

    def opened(cls: type[Runtime], *arguments: Any) -> Runtime:
        runtime: Runtime = real(cls, *arguments)
        runtime.trainer = (sys.executable, "-I", "-S", trainer.__file__)
        return runtime

    Runtime.open = classmethod(opened)  # type: ignore[assignment,method-assign]


def _die_after_brpop() -> None:
    deliver = RedisTransport._deliver

    def deadly(self: RedisTransport, message: object, queue: str) -> None:
        points.die_if_armed(points.DIE_AFTER_BRPOP)
        deliver(self, message, queue)

    RedisTransport._deliver = deadly  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    sys.exit(main())
