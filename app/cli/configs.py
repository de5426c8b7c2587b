"""`pocketrec config ...`: presets, the schema, and a check of a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import guarded
from app.cli.options import AsJson
from app.cli.output import console, print_json

app = typer.Typer(no_args_is_help=True, help="Presets, the schema of job configs, and a check of a config file.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A job config, JSON or YAML.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="As the tables of docs/job-config.md.")]


@app.command()
@guarded
def presets(as_json: AsJson = False) -> None:
    """List the presets and what each is for."""
    from reco_core.config import PRESETS

    if as_json:
        print_json(
            {name: {"summary": preset.summary, "overrides": preset.overrides} for name, preset in PRESETS.items()}
        )
        return
    for name, preset in PRESETS.items():
        console().print(f"{name:<10} {preset.summary}")


@app.command()
@guarded
def schema(markdown: Markdown = False) -> None:
    """Print the JSON Schema of job configs; editors complete and check YAML files with it."""
    from reco_core.config import json_schema

    if markdown:
        from app.cli.config_tables import markdown_tables

        console().print(markdown_tables(json_schema()), end="")
    else:
        print_json(json_schema())


@app.command()
@guarded
def check(file: File, as_json: AsJson = False) -> None:
    """Check a config file and print the whole config that it means, defaults and preset included."""
    from reco_core.config import load_file

    config = load_file(file).model_dump(mode="json")
    if as_json:
        print_json(config)
        return
    import yaml

    console().print(yaml.safe_dump(config, sort_keys=False), end="")
