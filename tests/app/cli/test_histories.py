"""Sample histories say something about taste, for any item table."""

from __future__ import annotations

from typing import Any

from app.cli.histories import sample_histories


def item(number: int, count: int, *genres: str) -> dict[str, Any]:
    return {"index": number, "id": f"i{number}", "title": f"Item {number}", "count": count, "genres": list(genres)}


GENRES = [f"genre {letter}" for letter in "abcdefghijklmnop"]


def test_each_history_holds_the_most_popular_items_of_one_category() -> None:
    items = [item(n, 1000 - n, GENRES[n % 16]) for n in range(160)]
    histories = sample_histories(items, count=3, length=3)
    assert [history.name for history in histories] == ["genre a", "genre b", "genre c"]
    assert [entry["id"] for entry in histories[0].items] == ["i0", "i16", "i32"]


def test_a_category_that_many_items_have_says_nothing() -> None:
    items = [item(n, 100 - n, "Drama", *(["Noir"] if n in (10, 20, 30) else [])) for n in range(40)]
    assert sample_histories(items, count=1)[0].name == "Noir"


def test_a_history_holds_no_item_of_a_category_shown_before() -> None:
    items = [item(n, 1000 - n, GENRES[n % 16], *(["Space"] if n in (0, 1, 2, 16, 17) else [])) for n in range(160)]
    histories = sample_histories(items, count=3, length=3)
    chosen = [entry for history in histories for entry in history.items]
    assert len({entry["id"] for entry in chosen}) == 9
    for later, history in enumerate(histories):
        for earlier in histories[:later]:
            assert not any(earlier.name in entry["genres"] for entry in history.items)


def test_without_categories_items_come_by_popularity() -> None:
    items = [{"index": n, "id": str(n), "title": None, "count": 50 - n} for n in range(1, 20)]
    histories = sample_histories(items, count=2, length=3)
    assert [[entry["id"] for entry in history.items] for history in histories] == [["1", "2", "3"], ["4", "5", "6"]]


def test_items_nobody_took_are_not_shown_and_few_items_give_few_histories() -> None:
    items = [item(1, 5), item(2, 0)]
    assert [[entry["id"] for entry in history.items] for history in sample_histories(items)] == [["i1"]]
    assert sample_histories([]) == []
