"""Options that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.client import Client

# the names of reco_core.config.PRESETS, which takes too long to import for a help text
PRESET_NAMES = "bow, cnn, rnn, tiny, sequential, timed, large, movielens or reference"
DEFAULT_URL = "http://127.0.0.1:8000"


class BadRows(StrEnum):
    """What a row that can't be read does."""

    REJECT = "reject"
    SKIP = "skip"


Url = Annotated[str, typer.Option("--url", envvar="POCKETREC_URL", metavar="URL", help="Address of the service.")]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Folder for everything the service keeps. [env: POCKETREC_STATE_DIR] [default: .pocketrec]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list, newest first.")]
Data = Annotated[Path, typer.Option("--data", metavar="PATH", help="The log: a file, a folder or a zip.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="movielens, recbole, csv, parquet, jsonl or sequences. Detected when not given.",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="ROLE=COLUMN",
        help="Which column plays a role: user, item, timestamp, rating. Repeat it. Detected when not given. "
        "feature=COLUMN: a further column to read.",
    ),
]
OnBadRows = Annotated[
    BadRows | None,
    typer.Option(
        "--on-bad-rows",
        help="What a bad row does: reject makes the whole log invalid, skip leaves the row out and counts it. "
        "reject when not given.",
    ),
]
Items = Annotated[
    Path | None,
    typer.Option("--items", metavar="PATH", help="Item table with titles, where it is a file of its own."),
]
Users = Annotated[
    Path | None,
    typer.Option("--users", metavar="PATH", help="User table, such as age and gender, where it is a file of its own."),
]
# without the service nothing is copied: the tables are read where they lie
ItemsBeside = Annotated[
    Path | None,
    typer.Option(
        "--items",
        metavar="PATH",
        help="Item table with titles: a file, or a name in the log's folder or zip. Detected when not given.",
    ),
]
UsersBeside = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="PATH",
        help="User table, such as age and gender: a file, or a name in the log's folder or zip. Detected when not "
        "given.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help=f"Named starting point: {PRESET_NAMES}. `pocketrec config presets` says what each is for.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Job config, JSON or YAML. See configs/ and docs/job-config.md."),
]


def connect(url: str) -> Client:
    """A client of the service at `url`, with the key in POCKETREC_API_KEY if there is one."""
    from app.client import Client

    return Client(url, os.environ.get("POCKETREC_API_KEY") or None)
