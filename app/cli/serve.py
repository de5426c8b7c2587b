"""`pocketrec serve`: the whole service on one machine, or its API alone; `pocketrec worker`: a worker alone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.errors import guarded
from app.cli.options import StateDir
from app.cli.output import say
from app.cli.settings import load_settings

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on. [env: POCKETREC_HOST] [default: 127.0.0.1]")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="0 takes a free one. [env: POCKETREC_PORT] [default: 8000]"),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="When ready, print one line of JSON on stdout: {url, state_dir, broker, ...}.")
]
WithParent = Annotated[
    bool,
    typer.Option("--stop-with-stdin", help="Stop when standard input is closed: for programs that start a service."),
]
ApiOnly = Annotated[
    bool, typer.Option("--api-only", help="Without a worker: those run elsewhere, each by `pocketrec worker`.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Start nothing: say whether a worker of this machine is alive; status 1 if not.")
]


@guarded
def serve(
    state_dir: StateDir = None,
    host: Host = None,
    port: Port = None,
    as_json: AsJson = False,
    stop_with_stdin: WithParent = False,
    api_only: ApiOnly = False,
) -> None:
    """Start the service on this machine: API, worker and, unless POCKETREC_BROKER_URL is set, an embedded broker.

    Everything is configured by environment variables POCKETREC_...: see docs/operations.md. Without POCKETREC_API_KEY
    it listens on this machine only. Ctrl-C stops it in order: a running job writes a checkpoint and goes on from it
    after the next start.

    Examples:

      pocketrec serve

      POCKETREC_API_KEY=... pocketrec serve --host 0.0.0.0 --port 8000

      POCKETREC_API_KEY=... pocketrec serve --api-only --host 0.0.0.0
    """
    given = {"state_dir": state_dir, "host": host, "port": port}
    settings = load_settings({name: value for name, value in given.items() if value is not None})
    from app.cli.service import run

    run(settings, announce=_announce(as_json), stop_with_stdin=stop_with_stdin, api_only=api_only)


@guarded
def worker(state_dir: StateDir = None, check: Check = False) -> None:
    """Start one worker, without an API. It looks at the settings and becomes python -m worker.

    Everything is configured by environment variables POCKETREC_...: the database, the broker and the blob store that
    the API uses, and POCKETREC_SLOTS, POCKETREC_VALIDATE_SLOTS and POCKETREC_QUEUES. Any number may run, on any
    machine. SIGTERM or Ctrl-C: a running job writes a checkpoint and goes on from it elsewhere.

    Examples:

      pocketrec worker

      POCKETREC_QUEUES=train POCKETREC_SLOTS=2 pocketrec worker
    """
    import os
    import sys

    settings = load_settings({} if state_dir is None else {"state_dir": state_dir})
    os.environ["POCKETREC_STATE_DIR"] = str(settings.state_dir)
    # In place of this process, so that signals and the exit status are the worker's own.
    os.execv(sys.executable, [sys.executable, "-m", "worker", *(["--check"] if check else [])])  # noqa: S606


def _announce(as_json: bool) -> Any:
    def announce(facts: dict[str, Any]) -> None:
        say(f"PocketRec {facts['version']} listens on {facts['url']}", style="bold")
        say(f"  state folder  {facts['state_dir']}")
        say(f"  database      {facts['database']}")
        say(f"  broker        {facts['broker']['description']}")
        say("  durability    database: queued jobs outlive the broker, running ones go on from their last checkpoint")
        say(f"  auth          {'on: POCKETREC_API_KEY' if facts['auth'] else 'off: reachable from this machine only'}")
        say("  Ctrl-C stops it")
        if as_json:
            print_json_line(facts)

    return announce


def print_json_line(facts: dict[str, Any]) -> None:
    """`facts` as one line of JSON on stdout."""
    import json
    import sys

    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
