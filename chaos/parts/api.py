"""`python -m chaos.parts.api serve ...`: the real API, which can be told to die between commit and message."""

from __future__ import annotations

from collections.abc import Sequence

from app.cli.main import main
from app.queue import Publisher
from chaos.parts import points


def _die_before_publish() -> None:
    publish = Publisher.__call__

    def deadly(self: Publisher, job_ids: Sequence[str], queue: str) -> None:
        points.die_if_armed(points.DIE_BEFORE_PUBLISH)
        publish(self, job_ids, queue)

    Publisher.__call__ = deadly  # type: ignore[method-assign]


if __name__ == "__main__":
    points.shift_the_clock()
    _die_before_publish()
    main()
