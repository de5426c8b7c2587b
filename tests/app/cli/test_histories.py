"""Sample histories say something about taste, for any item table."""

from __future__ import annotations

from typing import Any

from app.cli.histories import sample_histories


def item(number: int, count: int, *genres: str) -> dict[str, Any]:
    return {"index": number, "id": f"i{number}", "title": f"Item {number}", "count": count, "genres": list(genres)}


def test_each_history_holds_the_most_popular_items_of_one_category() -> None:
    items = [item(n, 1000 - n, ("Horror", "Comedy", "Crime", "War", "Noir", "Drama")[n % 6]) for n in range(60)]
    histories = sample_histories(items, count=3, length=3)
    assert [history.name for history in histories] == ["Horror", "Comedy", "Crime"]
    assert [entry["id"] for entry in histories[0].items] == ["i0", "i6", "i12"]


def test_a_category_that_nearly_all_items_have_says_nothing() -> None:
    items = [item(n, 100 - n, "Film", "Noir" if n in (10, 20, 30) else "Film") for n in range(40)]
    assert sample_histories(items, count=1)[0].name == "Noir"


def test_no_item_is_in_two_histories() -> None:
    items = [item(n, 100 - n, "A", "B") for n in range(6)] + [item(n, 10) for n in range(6, 40)]
    chosen = [entry["id"] for history in sample_histories(items, count=3) for entry in history.items]
    assert len(chosen) == len(set(chosen)) == 9


def test_without_categories_items_come_by_popularity() -> None:
    items = [{"index": n, "id": str(n), "title": None, "count": 50 - n} for n in range(1, 20)]
    histories = sample_histories(items, count=2, length=3)
    assert [[entry["id"] for entry in history.items] for history in histories] == [["1", "2", "3"], ["4", "5", "6"]]


def test_items_nobody_took_are_not_shown_and_few_items_give_few_histories() -> None:
    items = [item(1, 5), item(2, 0)]
    assert [[entry["id"] for entry in history.items] for history in sample_histories(items)] == [["i1"]]
    assert sample_histories([]) == []
