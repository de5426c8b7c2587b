"""`pocketrec config ...`: presets, the schema, a check of a config file, and conversion of the original toolkit's."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.errors import CommandFailed, Status, guarded
from app.cli.options import AsJson
from app.cli.output import console, print_json, printable, say

app = typer.Typer(
    no_args_is_help=True,
    help="Presets, the schema of job configs, a check of a file, and conversion from TensorFlow's example.",
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A job config, JSON or YAML.")]
Original = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE [--FLAG VALUE]...",
        help="An input_config.pbtxt or a sample_config.json, `-` for standard input, and the flags that went with it.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the config there instead of to stdout.")]
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


@app.command(context_settings={"ignore_unknown_options": True})
@guarded
def convert(original: Original, out: Out = None, as_json: AsJson = False) -> None:
    """Turn a config of TensorFlow's on-device recommendation example into one of ours.

    The config goes to stdout, as YAML or JSON; a table of what is not as it was, and why, goes to stderr. The flags are
    those of its launchers and of its example generator: paste them after the file, or its whole command line.

    \b
    python -m model.recommendation_model_launcher \\
        --input_config_file in.pbtxt --learning_rate 0.01 --num_epochs 50
    pocketrec config convert --out films.yaml \\
        --input_config_file in.pbtxt --learning_rate 0.01 --num_epochs 50

    \b
    python -m model.recommendation_model_launcher_keras \\
        --params_path sample_config.json --encoder_type cnn
    pocketrec config convert sample_config.json --encoder_type cnn

    \b
    Then: pocketrec train --data ml-1m --config films.yaml --out bundle
    """
    from app.cli import originals

    file, flags = originals.split(original)
    conversion = originals.convert(file, flags)
    text = _as_text(conversion.config, file, as_json)
    if out is not None:
        if out.exists():
            raise CommandFailed(Status.BAD_INPUT, "output_exists", [f"{out} exists already; remove it or name another"])
        out.write_text(text, encoding="utf-8")
    originals.say_changes(conversion.changes)
    if out is not None:
        say(f"written to {out}; next: pocketrec train --data LOG --config {out} --out FOLDER")
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _as_text(config: Mapping[str, Any], source: str, as_json: bool) -> str:
    if as_json:
        return json.dumps(config, indent=2) + "\n"
    import yaml

    origin = "standard input" if source == "-" else printable(Path(source).name)
    return f"# Converted from {origin} by `pocketrec config convert`.\n" + yaml.safe_dump(dict(config), sort_keys=False)
