"""Exit statuses, and the one place where an error becomes words and a status.

| status | meaning |
|---|---|
| 0 | done |
| 1 | the job or run failed |
| 2 | wrong usage, bad input, or settings, a folder or a database that don't suit: mend it and try again |
| 3 | the service, its database or its blob store can't be reached, is busy, or is itself at fault |
| 4 | refused: a file is missing, or not the one that was published, stored or backed up |
| 130 | interrupted |
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from app.cli.output import print_json, say
from registry.errors import RegistryError
from registry.urls import without_password

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

Command = TypeVar("Command", bound=Callable[..., None])


class Status(IntEnum):
    """The exit statuses of `pocketrec`."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


# A run's typed errors that its user mends by changing the input; all others say that the run itself failed.
INPUT_CODES = frozenset(
    {
        "validation_failed",
        "dataset_invalid",
        "dataset_too_small",
        "dataset_too_large",
        "dataset_unreadable",
        "archive_rejected",
        "size_budget_impossible",
        "resource_estimate_exceeded",
        "checkpoint_mismatch",
        "unknown_items",
        "not_a_bundle",
        "items_exist",
        "ranks_unreadable",
    }
)
# The registry's errors that whoever runs the service mends, and those about damaged files; others pass by themselves.
SETUP_CODES = frozenset(
    {
        "backup_invalid",
        "database_too_new",
        "database_too_old",
        "no_database",
        "signing_key_invalid",
        "target_not_empty",
        "unsupported_database",
    }
)
DAMAGE_CODES = frozenset({"artifact_corrupt", "backup_damaged", "blob_missing"})


class CommandFailed(Exception):
    """Ends a command with a status, a stable code and lines that name cause and remedy."""

    def __init__(self, status: Status, code: str, lines: Sequence[str], errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(lines[0] if lines else code)
        self.status = status
        self.code = code
        self.lines = list(lines)
        self.errors = list(errors)


def from_problem(problem: dict[str, Any] | None, fallback: str, status: Status | None = None) -> CommandFailed:
    """From the error that a job, a dataset or a run carries: `{code, message or detail, errors}`.

    Args:
        status: how the command ends; None: `BAD_INPUT` where its user mends the error, else `FAILED`.
    """
    from app.client.errors import ApiError

    error = ApiError.from_body(0, problem or {"code": "pipeline_failed", "detail": fallback})
    if status is None:
        status = Status.BAD_INPUT if error.code in INPUT_CODES else Status.FAILED
    lines = [_in_options(line) for line in error.lines()]
    return CommandFailed(status, error.code, lines, [dict(fault) for fault in error.errors])


def _in_options(line: str) -> str:
    """`line` with what the dataset's spec calls `on_bad_rows` named as the option that sets it."""
    return line.replace("on_bad_rows=skip", "--on-bad-rows skip")


def from_registry(error: RegistryError) -> CommandFailed:
    """From an error of the service's own stores, for the commands that work on them."""
    status = Status.UNREACHABLE
    if error.code in SETUP_CODES:
        status = Status.BAD_INPUT
    elif error.code in DAMAGE_CODES:
        status = Status.REFUSED
    return CommandFailed(status, error.code, [error.message])


def from_database(error: SQLAlchemyError, url: str) -> CommandFailed:
    """From an error of the database at `url`, such as that it doesn't answer."""
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    line = f"the database {without_password(url)}: {reason}"
    return CommandFailed(Status.UNREACHABLE, "database_unavailable", [line])


def guarded(command: Command) -> Command:
    """Turn the errors that a command raises into words on stderr and an exit status.

    A command with a parameter `as_json` that is set also prints `{"error": {code, message, errors}}` on stdout.
    """

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except KeyboardInterrupt:
            say("interrupted")
            _forget_interrupt()
            raise typer.Exit(Status.INTERRUPTED) from None
        except Exception as error:
            failure = _understood(error)
            if failure is None:
                raise
            for number, line in enumerate(failure.lines):
                say(f"error: {line}" if number == 0 else f"  {line}", style="red" if number == 0 else None)
            if options.get("as_json"):
                message = failure.lines[0] if failure.lines else failure.code
                print_json({"error": {"code": failure.code, "message": message, "errors": failure.errors}})
            raise typer.Exit(failure.status) from None
        finally:
            _stop_children()

    return run  # type: ignore[return-value]


def _forget_interrupt() -> None:
    """Keep the exit status ours where the interrupt came while a library ran `exec` on text (named tuples do).

    CPython then notes an unhandled interrupt, although it was handled outside, and `python -m` ends by killing itself
    with SIGINT. The next `exec` takes the note back.
    """
    exec("")  # noqa: S102


def _stop_children() -> None:
    children = sys.modules.get("app.cli.children")
    if children is not None:
        children.stop_all()


def _understood(error: Exception) -> CommandFailed | None:
    """The failure that `error` means to a user, or None for a fault of ours, which keeps its traceback."""
    from app.client import errors as client_errors
    from reco_core.errors import PocketRecError

    match error:
        case CommandFailed():
            return error
        case client_errors.ApiError():
            lines = error.lines()
            if error.status == 401:
                lines.append("set POCKETREC_API_KEY to the service's key")
            if error.status >= 500 and error.trace_id:
                lines.append(f"the service's log has more under trace id {error.trace_id}")
            status = Status.UNREACHABLE if error.status >= 500 else Status.BAD_INPUT
            return CommandFailed(status, error.code, lines, [dict(fault) for fault in error.errors])
        case client_errors.Unreachable():
            return CommandFailed(Status.UNREACHABLE, "unreachable", [str(error)])
        case client_errors.ClientError():
            return CommandFailed(Status.REFUSED, "refused", [str(error)])
        case RegistryError():
            return from_registry(error)
        case PocketRecError():
            return from_problem(error.as_dict(), str(error))
        case OSError():
            return CommandFailed(Status.BAD_INPUT, "file_error", [str(error)])
        case _:
            return None
