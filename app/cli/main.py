"""The entry point of `pocketrec`."""

from __future__ import annotations

import typer

from app.cli import configs, datasets, estimates, jobs, models
from app.cli.demo import demo
from app.cli.evaluate import evaluate
from app.cli.examples import examples
from app.cli.export import export
from app.cli.keeping import backup, restore, tidy
from app.cli.recommend import recommend
from app.cli.serve import serve, worker
from app.cli.status import status
from app.cli.train import train

HELP = """Turn an interaction log into a recommender that runs on the phone.

On this machine, without a service:

  pocketrec train --data log.csv --preset bow --out bundle

  pocketrec recommend --bundle bundle --history 50,172,133

  pocketrec evaluate --bundle bundle --data next-month.csv

  pocketrec export --weights bundle.work/weights/best.npz --data log.csv --top-k 20 --out small

Through the service:

  pocketrec serve

  pocketrec dataset upload log.csv

  pocketrec job submit --dataset ds_... --preset bow --model shop --watch

  pocketrec model download shop --out bundle

Everything at once, on MovieLens-100K: pocketrec demo

Exit status: 0 done, 1 the job failed, 2 wrong usage, bad input or settings, 3 the service or its stores can't be
reached, are busy or at fault, 4 a file is missing or isn't the one that was published, stored or backed up,
130 interrupted.

Environment: POCKETREC_URL and POCKETREC_API_KEY say where the service is and how to get in.
"""

app = typer.Typer(
    name="pocketrec", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.command()(demo)
app.command()(serve)
app.command()(worker)
app.command()(status)
app.command()(tidy)
app.command()(backup)
app.command()(restore)
app.command()(train)
app.command()(examples)
app.command()(recommend)
app.command()(export)
app.command()(evaluate)
app.add_typer(datasets.app, name="dataset")
jobs.app.command()(estimates.validate)
app.add_typer(jobs.app, name="job")
app.add_typer(models.app, name="model")
app.add_typer(configs.app, name="config")


def main() -> None:
    """Run the command line."""
    app()
