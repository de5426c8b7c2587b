"""The command line of TensorFlow's on-device recommendation example, read as its users write it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.errors import CommandFailed, Status
from app.cli.output import error_console, printable

if TYPE_CHECKING:
    from reco_core.config.original import Change, Conversion

# Their launchers' own flags for the file; a command line of theirs can be pasted as it is.
_FILE_FLAGS = ("input_config_file", "params_path")
_BORDERS = 10  # columns of the table's lines and the blanks beside them
_SWITCHES = ("true", "false", "t", "f", "0", "1")


def split(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The file and the flags of a command line: `--flag value`, `--flag=value`, `--switch`, `--noswitch`.

    Raises:
        CommandFailed: no file or two, or a flag without a value.
    """
    from reco_core.config.original import is_switch

    files: list[str] = []
    flags: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "-" or not word.startswith("-"):
            files.append(word)
            continue
        name, separator, value = word.lstrip("-").partition("=")
        if separator:
            flags[name] = value
        elif is_switch(name):
            flags[name] = left.pop(0) if left and left[0].lower() in _SWITCHES else "true"
        elif name.startswith("no") and is_switch(name[2:]):
            flags[name[2:]] = "false"
        elif left:
            flags[name] = left.pop(0)
        else:
            raise _usage(f"{word} needs a value")
    named = [flags.pop(name) for name in _FILE_FLAGS if name in flags]
    files += [] if files else named
    if len(files) != 1:
        found = f"found {' and '.join(files)}" if files else "none is given"
        raise _usage(f"give one file, an input config or a sample_config.json (`-`: standard input); {found}")
    return files[0], flags


def convert(file: str, flags: dict[str, str]) -> Conversion:
    """The conversion of the config in `file`, whichever kind it is; `-` is standard input.

    Raises:
        CommandFailed: it can't be read.
        ConfigInvalid: it can't be converted.
    """
    from reco_core.config.original import convert_input_config, convert_sample_config

    text = _read(file)
    if not text.lstrip().startswith("{"):  # a text proto begins with the name of a field
        return convert_input_config(text, flags)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _usage(f"{file}: not valid JSON: {str(error)[:200]}") from None
    return convert_sample_config(document, flags)


def say_changes(changes: Sequence[Change]) -> None:
    """The changes on stderr: as a table, or one below the other where a table would break words."""
    from rich.padding import Padding
    from rich.table import Table

    rows = [
        tuple(printable(text) for text in (f"{one.field}: {one.original}", one.ours or "no part of it", one.why))
        for one in changes
    ]
    console = error_console()
    widths = [max((len(word) for row in rows for word in row[column].split()), default=1) for column in range(3)]
    if sum(widths) + _BORDERS > console.width:
        console.print("What is not as it was", style="italic")
        for was, ours, why in rows:
            console.print(was, style="bold", soft_wrap=False)
            for text in (f"here: {ours}", f"why: {why}"):
                console.print(Padding(text, (0, 0, 0, 2)), soft_wrap=False)
        return
    table = Table(title="What is not as it was", title_justify="left", show_lines=True)
    for heading, share, width in zip(("original", "here", "why"), (3, 3, 4), widths, strict=True):
        table.add_column(heading, ratio=share, min_width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, soft_wrap=False)


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read()
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _usage(f"{file}: not a UTF-8 text file") from None


def _usage(message: str) -> CommandFailed:
    return CommandFailed(Status.BAD_INPUT, "usage", [message])
