"""What was trained on, how it was tested, what the figures leave unsaid, and the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.markup import Markup, items, section, tag
from reco_core.report_page.tables import facts, folded

_DATA = {
    "users": "Users",
    "dropped_users": "Users left out as too short",
    "items": "Items",
    "interactions": "Interactions",
    "training_interactions": "Interactions in training",
    "training_examples": "Training examples",
    "validation_examples": "Validation examples",
    "test_examples": "Test examples",
}
_PROTOCOLS = {
    "leave_one_out": (
        "Each user's last interaction is the test, the one before last is validation, and the model learns from the "
        "rest. To find the test's item, the file is given what the user did before it."
    ),
    "temporal": (
        "The log is cut at one moment for everybody: what came after it is the test, as much before it is validation, "
        "and the model learns from what came earlier. Each held-out interaction is to be found from what its user did "
        "before it, the time since the cut included, as a phone knows it. A user's first interaction has nothing "
        "before it and is not asked for."
    ),
    "user_disjoint": (
        "Users drawn by lot are held out wholly: the model learns nothing from them. Each one's last interaction is to "
        "be found from what the user did before it. As many other users are validation."
    ),
    "reference": (
        "Pairs of a history and the next item are split at random into those to learn from and those to test; a tenth "
        "of the former is taken out for validation. A user's own later pairs may be in training, so figures read too "
        "high; compare them with the original toolkit's only."
    ),
}
_UNSAID = (
    "Whether people will like what they are shown. The log holds what they chose without these recommendations; an "
    "item that they would have liked and never met counts as a miss.",
    "What another training would give. An interval says how figures would move with other users, not with another "
    "seed, another log or another month.",
    "Each interval stands for itself: of twenty comparisons, one may look clear by chance.",
    "How it works for items that the log lacks, or has few of.",
    "How fast it is on a phone.",
)
_AHEAD = (
    "How it does on the days ahead: the split goes by user and not by date, so the model has seen what others did "
    "after the moment that it is tested at."
)
_NEW_USERS = "How it works for people that the log lacks, or has little of."
_UNSAID_BY: Mapping[str, tuple[str, ...]] = {
    "leave_one_out": (_NEW_USERS, _AHEAD),
    "user_disjoint": (_AHEAD,),
    "reference": (_NEW_USERS,),
}


def evaluated(report: Mapping[str, Any]) -> Markup:
    """How far the log and the bundle fit, where a bundle was evaluated again."""
    found: Mapping[str, Any] | None = report.get("evaluated")
    if found is None:
        return Markup("")
    same = found["same_dataset"]
    rows = [
        ("Log", "the one that the model was trained on" if same else "another than the model was trained on"),
        ("Items ranked, those that only the model knows included", words.count(found["candidates"])),
        ("Items that the model doesn't know", words.count(found["unknown_items"])),
        ("Their interactions, which no history shows the model", words.count(found["unknown_interactions"])),
        ("Test items that the model doesn't know: misses", words.count(found["unknown_labels"])),
        ("Content hash of the model's own dataset", found["bundle"]["data_hash"]),
    ]
    note = "Items are matched by their ids. Baselines were fitted anew, on this log's own training part."
    return section("A bundle on a log", tag("p", note), facts("How far the log and the model fit", rows))


def data(report: Mapping[str, Any]) -> Markup:
    """Sizes of the dataset and of its splits."""
    found: Mapping[str, Any] = report["data"]
    details: Mapping[str, Any] = report["test_details"]
    rows = [(name, words.count(found[key])) for key, name in _DATA.items() if key in found]
    if found.get("users") and found.get("items"):
        density = found["interactions"] / (found["users"] * found["items"])
        rows.append(("Density: interactions per user and item", words.percent(density)))
    rows += [
        ("Test items without training data", words.count(details.get("cold_labels"))),
        ("Test items that the user had seen before", words.count(details.get("seen_labels"))),
        ("Test items whose score another item shares", words.percent(details.get("tied_labels_share"))),
    ]
    rows += [(f"First interaction of {part}", words.moment(time)) for part, time in report.get("cut", {}).items()]
    return section("The data", facts("Dataset and splits", rows))


def base(report: Mapping[str, Any]) -> Markup:
    """What training began with, where that was an earlier version's weights."""
    found: Mapping[str, Any] | None = report.get("training", {}).get("base")
    if found is None:
        return Markup("")
    matched = found["items"]
    rows = [
        ("Items whose weights were carried over", words.count(matched["carried"])),
        ("New items, which the earlier version didn't know", words.count(matched["new"])),
        ("Items dropped, since the log has them no more", words.count(matched["dropped"])),
        ("May have learned from what is test data here", "yes" if found["may_know_test_data"] else "no"),
        ("SHA-256 of its weights", found["weights_sha256"]),
        ("Content hash of the dataset that it was trained on", found["data_hash"]),
    ]
    if found["version"] is not None:
        rows.insert(0, ("Version", found["version"]))
    note = "Training began with the weights of an earlier version, not with random ones."
    return section("What training began with", tag("p", note), facts("The earlier version", rows))


def protocol(report: Mapping[str, Any]) -> Markup:
    """How the figures came about, and what they don't say."""
    name, candidates, bootstrap = report["protocol"], report["candidates"], report["bootstrap"]
    how = [
        _PROTOCOLS.get(name, name),
        f"All {words.count(candidates['items'])} items are ranked; nothing is sampled. Items that the user has seen: "
        f"{candidates['seen_items']}. Items without training data count as misses where they are to be found.",
        "It is the exported file that is ranked, not the model in the trainer's memory.",
        "HR@10, which report.json calls recall@10, is the share of test interactions whose item is among the first "
        "ten. NDCG@10 gives 1 for the first place, less for each further one, 0 from the eleventh on.",
        f"Intervals hold 95% of {words.count(bootstrap['samples'])} resamples of the users.",
    ]
    unsaid = (*_UNSAID, *_UNSAID_BY.get(name, ()))
    return section(
        "How it was tested",
        tag("p", f"Protocol: {name}."),
        items(*how),
        tag("h3", "What the figures don't say"),
        items(*unsaid),
    )


def config_summary(config: Mapping[str, Any], data_hash: str, neighbours: Mapping[str, Any] | None = None) -> Markup:
    """The choices that matter most, then all of them; `neighbours` as the report has it."""
    fields = dict(_flat(config))
    features = [value for at, value in fields.items() if at.startswith("features.") and at.endswith(".name")]
    chosen = [
        ("Encoder", _about(config.get("encoder", {}))),
        ("Embedding", f"{fields.get('model.embedding_dim', words.NOTHING)} dimensions"),
        ("Reads", f"the last {fields.get('examples.max_history_length', words.NOTHING)} interactions"),
        ("Features", ", ".join(features) or "none"),
        ("Trained with", f"{fields.get('training.optimizer', '')}, {fields.get('training.loss', '')}"),
        ("Learning rate", fields.get("training.learning_rate", words.NOTHING)),
        ("Seed", fields.get("seed", words.NOTHING)),
        ("Layout of the file", f"{fields.get('export.layout', '')}, the first {fields.get('export.top_k', '')} items"),
        ("Content hash of the dataset", data_hash),
    ]
    if neighbours is not None:
        chosen.append(("Neighbour head", _neighbours(neighbours)))
    everything = folded("Show the whole config", facts("As it was run", fields.items()))
    return section("The config", facts("The choices that matter most", chosen), everything)


def _about(section: Mapping[str, Any]) -> str:
    """`rnn, num_units 64`."""
    others = [f"{name} {_written(value)}" for name, value in section.items() if name != "type"]
    return ", ".join([str(section.get("type", "")), *others])


def _neighbours(found: Mapping[str, Any]) -> str:
    """`8 followers an item, decay 0.7, weight 2.1: NDCG@10 on validation .119 with it, .102 without, .107 alone`."""
    dense, table, blended = (
        words.figure(found["validation"][f"{part}_ndcg@10"]) for part in ("dense", "table", "blended")
    )
    if not found["weight"]:
        return f"left out, since no weight helps: NDCG@10 on validation {dense} without it, {table} by it alone"
    return (
        f"{found['followers']} followers an item, decay {found['decay']}, weight {found['weight']:.3g}: "
        f"NDCG@10 on validation {blended} with it, {dense} without, {table} by it alone"
    )


def _flat(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """`{a: {b: 1}, c: [{d: 2}]}` -> a.b 1, c.0.d 2."""
    if isinstance(value, Mapping) and value:
        parts = value.items()
    elif isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value):
        parts = dict(enumerate(value)).items()
    else:
        yield pointer, _written(value)
        return
    for name, part in parts:
        yield from _flat(part, f"{pointer}.{name}" if pointer else str(name))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_written(part) for part in value) or "none"
    return "not set" if value is None or value == {} else str(value)
