"""What `pocketrec tidy` has removed, or would remove, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.output import console, human_bytes
from reco_core.durations import duration
from registry.setting_names import variable

if TYPE_CHECKING:
    from rich.table import Table

    from registry.housekeeping import Round
    from registry.settings import Settings

GRACE = variable("blob_grace_seconds")


def print_round(done: Round, settings: Settings, *, dry_run: bool) -> None:
    """One row a rule, under the name of its setting; then all of it together, and when the space gets free."""
    out = console()
    out.print("would go now" if dry_run else "removed", style="bold")
    # As wide as it is, also where the terminal is narrower: a name that is broken can't be copied.
    table = _table(done, settings)
    table.width = out.measure(table, options=out.options.update(width=1000)).maximum
    out.print(table)
    released = f"{sum(due.files for due in done.rules):,} files of {human_bytes(sum(due.bytes for due in done.rules))}"
    unused = f"{done.swept.blobs:,} unused files of {human_bytes(done.swept.bytes)}"
    if dry_run:
        out.print(f"in all: {released} would be released, {unused} would go")
    else:
        out.print(f"in all: {released} released, {unused} removed")
    out.print(_when_space_gets_free(settings.blob_grace_seconds))


def _when_space_gets_free(grace: float) -> str:
    if grace == 0:
        return f"Space gets free at once, since {GRACE} is 0."
    return (
        f"A released file takes up space until nothing has used it for {duration(grace)}\n"
        f"({GRACE}); the next round after that frees it."
    )


def _table(done: Round, settings: Settings) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("setting", no_wrap=True)
    for name in ("kept", "objects", "rows", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for due in done.rules:
        name = variable(due.setting) if due.setting else "checkpoints of jobs that succeeded"
        table.add_row(name, _kept(due.kind, due.limit), f"{due.objects:,}", f"{due.rows:,}", human_bytes(due.bytes))
    kept = duration(settings.blob_grace_seconds)
    table.add_row(GRACE, kept, f"{done.swept.blobs:,}", "", human_bytes(done.swept.bytes))
    if done.later is not None:
        table.add_row(
            "unused files, not for so long yet", "", f"{done.later.blobs:,}", "", human_bytes(done.later.bytes)
        )
    return table


def _kept(kind: str, limit: float | None) -> str:
    if kind == "old_versions":
        return "all" if limit is None else f"{limit:g}"
    return "for ever" if limit is None else f"{limit:g} d"
