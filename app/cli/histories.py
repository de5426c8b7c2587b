"""A few telling histories for any bundle: what is popular in each of a few different categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

Item = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """What somebody with one taste might have taken; items oldest first."""

    name: str
    items: tuple[Item, ...]


def sample_histories(items: Sequence[Item], count: int = 3, length: int = 3) -> list[History]:
    """`count` histories of `length` different items each.

    Where items have categories, each history holds the most popular items of one, taken from the categories that hold
    enough items but not so many that they say nothing about taste, and none that is in a category shown before.
    Otherwise histories are slices of the items by popularity.

    Args:
        items: entries of a bundle's items.json, with `id`, `count` and perhaps a list of categories.
        count: how many histories at most.
        length: items in each.
    """
    popular = sorted((item for item in items if item.get("count", 0) > 0), key=lambda item: -item["count"])
    taken: set[str] = set()
    histories: list[History] = []
    shown: set[str] = set()
    for category in _telling_categories(popular, length):
        alike = (item for item in popular if category in _categories(item) and not shown & set(_categories(item)))
        chosen = list(islice(alike, length))
        if len(chosen) == length and len(histories) < count:
            taken.update(item["id"] for item in chosen)
            shown.add(category)
            histories.append(History(category, tuple(chosen)))
    rest = [item for item in popular if item["id"] not in taken]
    while len(histories) < count and rest:
        chosen, rest = rest[:length], rest[length:]
        histories.append(History("popular items", tuple(chosen)))
    return histories


def _telling_categories(items: Sequence[Item], length: int) -> list[str]:
    sizes: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for item in items:
        for category in _categories(item):
            sizes[category] += 1
            weights[category] += item["count"]
    most = max(len(items) // 12, length)
    telling = [category for category, size in sizes.items() if length <= size <= most]
    return sorted(telling, key=lambda category: (-weights[category], category))


def _categories(item: Item) -> list[str]:
    return [str(entry) for value in item.values() if isinstance(value, list) for entry in value]
