"""`pocketrec recommend`: ask a bundle, in a process without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from app.cli.children import Child
from app.cli.errors import CommandFailed, Status, from_problem, guarded
from app.cli.options import AsJson
from app.cli.output import print_json, printable, say

# An import of either would fail in such a process, so whatever it answers came without them.
WITHOUT_TENSORFLOW = (
    "import runpy, sys; sys.modules.update(tensorflow=None, keras=None); "
    "runpy.run_module('reco_core', run_name='__main__', alter_sys=True)"
)
Bundle = Annotated[Path, typer.Option("--bundle", metavar="DIR", help="An unpacked bundle.")]
History = Annotated[str, typer.Option("--history", metavar="ID,ID,...", help="Raw item ids, oldest first.")]
Features = Annotated[
    list[str] | None,
    typer.Option(
        "--feature",
        metavar="NAME=VALUE",
        help="What the model reads of the user (age=25), or of the interactions, one value for each item of the "
        "history (rating=5,3,4). Repeat it for several features.",
    ),
]
Top = Annotated[int, typer.Option("--top", min=1, help="How many recommendations to show.")]


@guarded
def recommend(
    bundle: Bundle, history: History, top: Top = 10, feature: Features = None, as_json: AsJson = False
) -> None:
    """Recommend after a history, with the bundle's model.tflite.

    Example: pocketrec recommend --bundle bundle --history 50,172,133 --top 5
    """
    answer = ask(bundle, history, top, feature or [])
    for warning in answer["warnings"]:
        say(f"warning: {printable(warning)}", style="yellow")
    if as_json:
        print_json(answer)
        return
    from app.cli.results import label, print_recommendations

    print_recommendations("After", map(label, answer["history"]), answer["recommendations"])


def ask(bundle: Path, history: str, top: int, features: Sequence[str] = ()) -> dict[str, Any]:
    """What `python -m reco_core recommend` answers: `{history, recommendations, warnings}`.

    Raises:
        CommandFailed: with the child's typed error.
    """
    if not (bundle / "model.tflite").is_file():
        remedy = "give a folder made by `pocketrec train`, or an unpacked bundle.zip"
        raise CommandFailed(Status.BAD_INPUT, "file_error", [f"--bundle {bundle}: no model.tflite there; {remedy}"])
    options = ["--bundle", str(bundle), "--history", history, "--top", str(top), "--json"]
    options += [part for pair in features for part in ("--feature", pair)]
    command = ["-c", WITHOUT_TENSORFLOW, "recommend", *options]
    with TemporaryDirectory(prefix="pocketrec-") as folder, Child(command, log=Path(folder) / "log") as child:
        answer = child.message()
        status = child.wait(10)
        if answer is None or answer.get("event") == "error" or status != 0:
            raise from_problem(answer, f"python -m reco_core recommend ended with status {status}{child.log_tail()}")
        return answer
