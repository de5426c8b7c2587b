"""The pipeline as a command, no service needed: `python -m reco_core run`, `examples`, `export`, `evaluate`, ..."""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reco_core.errors import ConfigInvalid, InsufficientStorage, Interrupted, PocketRecError, is_disk_full
from reco_core.progress import JsonLinesReporter

if TYPE_CHECKING:
    from reco_core.config import JobConfig
    from reco_core.datasets import DatasetSpec

EXIT_ERROR = 2
EXIT_INTERRUPTED = 75


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, 2 after a typed error, 75 when interrupted after a checkpoint."""
    options = _parser().parse_args(arguments)
    gc.set_threshold(50_000)  # loading TensorFlow makes a million objects that stay: looking for garbage takes a tenth
    sys.stdout.flush()
    # libraries print to file descriptor 1; the events keep it to themselves
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    reporter = JsonLinesReporter(channel)
    try:
        match options.command:
            case "run":
                _run(options, reporter)
            case "examples":
                _examples(options, reporter)
            case "export":
                _export(options, reporter)
            case "add-items":
                _add_items(options, reporter)
            case "evaluate":
                _evaluate(options, reporter)
            case "recommend":
                _recommend(options, channel)
            case _:
                _compare(options, channel)
    except Interrupted as error:
        print(error.message, file=sys.stderr)
        return EXIT_INTERRUPTED
    except PocketRecError as error:
        reporter.error(error)
        print(error.message, file=sys.stderr)
        return EXIT_ERROR
    except Exception as error:
        if not is_disk_full(error):
            raise
        reporter.error(InsufficientStorage("the disk is full; make room, then run the command again with --resume"))
        return EXIT_ERROR
    return 0


def _run(options: argparse.Namespace, reporter: JsonLinesReporter) -> None:
    from reco_core import bundle, datasets

    bundle.require_free(options.out)  # before seconds are spent on anything else
    settings, spec = _settings(options), _dataset_spec(options)
    stop = _stop_when_asked()
    reporter.phase("validate")
    interactions = datasets.load(options.data, spec, elsewhere=options.table)
    from reco_core import examples, pipeline, training

    work = options.work or options.out.with_name(options.out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    if settings.examples.tfrecord is not None:
        reporter.phase("build_examples")
        shutil.rmtree(work / "examples", ignore_errors=True)  # of an earlier run
        examples.write_examples(settings, interactions, work / "examples", reporter, stop.is_set)
    resume_from = training.latest_checkpoint(work / "checkpoints") if options.resume else None
    pipeline.run(
        settings,
        interactions,
        options.out,
        work=work,
        resume_from=resume_from,
        base=options.base,
        reporter=reporter,
        should_stop=stop.is_set,
    )
    reporter.result(options.out)


def _examples(options: argparse.Namespace, reporter: JsonLinesReporter) -> None:
    from reco_core import datasets, examples

    def stop(*_: object) -> None:
        raise Interrupted("interrupted; nothing was written")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    settings, spec = _config(options), _dataset_spec(options)
    reporter.phase("validate")
    interactions = datasets.load(options.data, spec, elsewhere=options.table)
    reporter.phase("build_examples")
    examples.write_examples(settings, interactions, options.out, reporter)
    reporter.result(options.out)


def _export(options: argparse.Namespace, reporter: JsonLinesReporter) -> None:
    from reco_core import bundle, datasets

    bundle.require_free(options.out)
    spec, changes = _dataset_spec(options), _json_object("--changes", options.changes, '{"export": {"top_k": 20}}')
    stop = _stop_when_asked()
    reporter.phase("validate")
    interactions = datasets.load(options.data, spec, elsewhere=options.table)
    from reco_core import pipeline

    work = options.work or options.out.with_name(options.out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    pipeline.export_again(
        options.weights,
        interactions,
        options.out,
        work=work,
        changes=changes,
        reporter=reporter,
        should_stop=stop.is_set,
    )
    reporter.result(options.out)


def _add_items(options: argparse.Namespace, reporter: JsonLinesReporter) -> None:
    from reco_core import bundle, datasets

    bundle.require_free(options.out)
    spec = _dataset_spec(options)
    stop = _stop_when_asked()
    reporter.phase("validate")
    interactions = None if options.data is None else datasets.load(options.data, spec, elsewhere=options.table)
    from reco_core.adding import add_items

    work = options.work or options.out.with_name(options.out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    add_items(
        options.weights,
        options.bundle,
        options.items,
        options.out,
        work=work,
        source=interactions,
        skip_existing=options.skip_existing,
        reporter=reporter,
        should_stop=stop.is_set,
    )
    reporter.result(options.out)


def _evaluate(options: argparse.Namespace, reporter: JsonLinesReporter) -> None:
    from reco_core import bundle, datasets
    from reco_core.evaluating import evaluate_again

    bundle.require_free(options.out)
    spec, changes = _dataset_spec(options), _json_object("--changes", options.changes, '{"evaluation": {"k": [10]}}')
    stop = _stop_when_asked()
    reporter.phase("validate")
    evaluate_again(
        options.bundle,
        datasets.load(options.data, spec, elsewhere=options.table),
        options.out,
        changes=changes,
        variants=options.variants,
        reporter=reporter,
        should_stop=stop.is_set,
    )
    reporter.result(options.out)


def _stop_when_asked() -> threading.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _settings(options: argparse.Namespace) -> JobConfig:
    """The config of a run. One that begins with an earlier run's weights has that run's, unless another is given."""
    if options.config or options.preset:
        if options.changes:
            raise ConfigInvalid("--changes is for the config of --base; write them into the file of --config")
        return _config(options)
    if options.base is None:
        raise ConfigInvalid("give --preset NAME or --config FILE; only with --base is there a config to begin with")
    from reco_core import training
    from reco_core.config.architecture import continued

    changes = _json_object("--changes", options.changes, '{"training": {"max_epochs": 5}}')
    return continued(training.read_base(options.base).weights.info.config, changes)


def _config(options: argparse.Namespace) -> JobConfig:
    from reco_core import config

    return config.load_file(options.config) if options.config else config.load({"preset": options.preset})


def _dataset_spec(options: argparse.Namespace) -> DatasetSpec:
    from reco_core import datasets

    given = _json_object("--spec", options.spec, '{"mapping": {"user": "uid"}}')
    try:
        return datasets.DatasetSpec.model_validate({**given, **_format(options.format)})
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigInvalid(f"--spec or --format is not valid: {'; '.join(faults)}") from None


def _recommend(options: argparse.Namespace, channel: Any) -> None:
    from reco_core.recommending import recommend

    history = [raw.strip() for raw in options.history.split(",") if raw.strip()]
    answer = recommend(options.bundle, history, options.top, _told(options.feature))
    if options.json:
        channel.write(json.dumps(answer, ensure_ascii=False) + "\n")
    else:
        for place, item in enumerate(answer["recommendations"], start=1):
            channel.write(f"{place:3}  {item['title'] or item['id']}\n")
        for warning in answer["warnings"]:
            print(f"warning: {warning}", file=sys.stderr)
    channel.flush()


def _told(pairs: list[str]) -> dict[str, str]:
    told = dict(pair.partition("=")[::2] for pair in pairs)
    if len(told) < len(pairs) or not all("=" in pair for pair in pairs):
        raise ConfigInvalid("--feature must be NAME=VALUE, such as age=25, and each name may come once")
    return told


def _compare(options: argparse.Namespace, channel: Any) -> None:
    from reco_core.comparing import compare_files, compare_sides

    settings = {"samples": options.samples, "seed": options.seed}
    if options.a or options.b:
        if not (options.a and options.b) or options.base:
            raise ConfigInvalid("give both --a and --b, and no other files with them")
        answer = compare_sides(options.a, options.b, **settings)
    elif options.base is None or not options.other:
        raise ConfigInvalid("give two files of ranks or more, or the seeds of two models as --a and --b")
    else:
        answer = compare_files(options.base, options.other, **settings)
    channel.write(json.dumps(answer) + "\n")
    channel.flush()


def _json_object(option: str, text: str | None, example: str) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ConfigInvalid(f"{option} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigInvalid(f"{option} must be a JSON object such as {example}")
    return document


def _format(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"format": name}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reco_core", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train on a log and write a bundle; progress as JSON lines")
    _add_source(run, required=False)
    run.add_argument("--base", type=Path, help="weights to begin with: a file, or the folder of an earlier run")
    run.add_argument("--changes", help="fields of the base's config that are to differ, as JSON")
    run.add_argument("--out", type=Path, required=True, help="folder for the bundle")
    run.add_argument("--work", type=Path, help="folder for checkpoints and measurements.json (default: OUT.work)")
    run.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the work folder")
    run.add_argument("--json", action="store_true", help="accepted for symmetry: events are always JSON lines")
    make = commands.add_parser("examples", help="write a log's examples, as TFRecords if the config says so")
    _add_source(make)
    make.add_argument("--out", type=Path, required=True, help="folder for the examples and summary.json")
    export = commands.add_parser("export", help="make a bundle from kept weights, without training")
    export.add_argument("--weights", type=Path, required=True, help="a file from a run's folder `weights`")
    _add_data(export)
    export.add_argument("--out", type=Path, required=True, help="folder for the bundle")
    export.add_argument("--work", type=Path, help="folder for measurements.json and ranks.npz (default: OUT.work)")
    export.add_argument("--changes", help="fields of the config that are to differ, as JSON")
    add = commands.add_parser("add-items", help="make a bundle that knows further items, without training")
    add.add_argument("--weights", type=Path, required=True, help="the file that the bundle was made of")
    add.add_argument("--bundle", type=Path, required=True, help="folder of an unpacked bundle")
    add.add_argument("--items", type=Path, required=True, help="table of new items: CSV, Parquet or JSONL")
    _add_data(add, required=False)
    add.add_argument("--out", type=Path, required=True, help="folder for the new bundle")
    add.add_argument("--work", type=Path, help="folder for weights and measurements.json (default: OUT.work)")
    add.add_argument("--skip-existing", action="store_true", help="pass over items that the model knows already")
    measure = commands.add_parser("evaluate", help="rank a log's test labels with a bundle's files")
    measure.add_argument("--bundle", type=Path, required=True, help="folder of an unpacked bundle")
    _add_data(measure)
    measure.add_argument("--out", type=Path, required=True, help="folder for report.json, measurements.json, ranks.npz")
    measure.add_argument("--changes", help="fields of the config that are to differ, as JSON")
    measure.add_argument("--variants", nargs="+", help="which files to rank (default: the bundle's default variant)")
    ask = commands.add_parser("recommend", help="ask a bundle")
    ask.add_argument("--bundle", type=Path, required=True)
    ask.add_argument("--history", required=True, help="raw item ids, oldest first, separated by commas")
    ask.add_argument("--top", type=int, default=10)
    ask.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a feature's value, or values separated by commas: of the user, or one for each item of the history",
    )
    ask.add_argument("--json", action="store_true")
    compare = commands.add_parser(
        "compare", help="compare models by their ranks.npz, example by example; one JSON line"
    )
    compare.add_argument("base", type=Path, nargs="?", help="ranks.npz of the model that the others are compared with")
    compare.add_argument("other", type=Path, nargs="*", help="ranks.npz of another model")
    for side in ("a", "b"):
        compare.add_argument(
            f"--{side}",
            type=Path,
            nargs="+",
            default=[],
            action="extend",
            metavar="PATH",
            help=f"bundle or ranks.npz of each seed of model {side}; a's figures minus b's, seeds averaged first",
        )
    compare.add_argument("--samples", type=int, default=1000, help="bootstrap resamples")
    compare.add_argument("--seed", type=int, default=0)
    return parser


def _add_source(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    _add_data(command)
    source = command.add_mutually_exclusive_group(required=required)
    source.add_argument("--preset", help="name of a preset")
    source.add_argument("--config", type=Path, help="config file, JSON or YAML")


def _add_data(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    command.add_argument("--data", type=Path, required=required, help="file, folder or zip")
    command.add_argument("--format", help="format of the data, if it shouldn't be detected")
    command.add_argument("--spec", help="DatasetSpec as JSON: mapping, items, separator, ...")
    command.add_argument(
        "--table",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file outside the data that the spec names, as its item or user table, by the same path",
    )


if __name__ == "__main__":
    sys.exit(main())
