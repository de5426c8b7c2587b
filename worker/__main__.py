"""`python -m worker`: one worker with its slots, the reaper, and an embedded broker if none is configured.

Standard output gets one JSON line, `ready`, and with `--die-with-parent` then `alive` every few seconds; the log goes
to standard error. SIGTERM or SIGINT: no more claims, trainers checkpoint at the next batch, leases are released, and
the process is gone within 20 s.
"""

from __future__ import annotations

import argparse
import sys

from registry.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is told to stop, or look after one that runs. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Runs jobs. Settings: POCKETREC_* variables.")
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="stop when the parent process ends; if standard input is a pipe, when that closes",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="start nothing: say whether a worker of this machine and state folder is alive; status 1 if none is",
    )
    options = parser.parse_args(arguments)
    settings = Settings()
    if options.check:
        from worker import alive

        found = alive.check(settings)
        print(found.detail)
        return 0 if found.ok else 1
    from worker import service  # not above: a check that runs every half minute shouldn't pay for Celery

    return service.run(settings, die_with_parent=options.die_with_parent)


if __name__ == "__main__":
    sys.exit(main())
