"""`python -m chaos.model`: walk far, and say how many states and transitions were seen.

make model-check ARGS="--walks 2000 --steps 60 --seed 7"
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from chaos.model import machine, world
from chaos.servers import NotHere, Postgres


def main() -> int:
    """Walk on both databases. Returns 1 if an invariant was violated; then the shortest walk to it is printed."""
    parser = argparse.ArgumentParser(prog="python -m chaos.model")
    parser.add_argument("--walks", type=int, default=1000, help="random walks on each database")
    parser.add_argument("--steps", type=int, default=60, help="steps of each walk, at most")
    parser.add_argument("--seed", type=int, default=None, help="which walks; by default others each time")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    wanted = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    return max([_walk(name, options.walks, options.steps, seed) for name in wanted])


def _walk(name: str, walks: int, steps: int, seed: int) -> int:
    if name == "sqlite":
        return _explore(world.Databases(), walks, steps, seed)
    try:
        with Postgres() as server:
            return _explore(world.Databases(server.url), walks, steps, seed)
    except NotHere as error:
        print(f"postgresql: skipped: {error}", flush=True)
        return 0


def _explore(databases: world.Databases, walks: int, steps: int, seed: int) -> int:
    explored, began = world.Explored(), time.monotonic()
    checked = seeded(seed)(machine.machine_on(databases, explored))
    try:
        run_state_machine_as_test(checked, settings=machine.effort(walks, steps, seed))
        status, verdict = 0, "no violation"
    except AssertionError:
        sys.excepthook(*sys.exc_info())
        status, verdict = 1, "VIOLATED"
    except KeyboardInterrupt:  # what it has seen until then counts, unless it was at work on a shorter walk
        status, verdict = 1, "broken off"
    finally:
        databases.close()
    print(f"{databases.dialect}, seed {seed}: {explored}; {verdict}, {time.monotonic() - began:.0f} s", flush=True)
    print("  " + ", ".join(f"{rule} {count}" for rule, count in sorted(explored.rules.items())), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
