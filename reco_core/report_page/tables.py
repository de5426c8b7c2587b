"""Tables that a phone can scroll and a screen reader can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reco_core.report_page.markup import Markup, tag


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> Markup:
    """A table whose first column names its rows.

    Args:
        text_columns: so many columns, from the left, hold text; the others hold numbers and are set to the right.
    """
    sides = ["text" if i < text_columns else None for i in range(len(head))]
    kind = "figures" if text_columns < len(head) else None
    top = [tag("th", name, scope="col", class_=side) for name, side in zip(head, sides, strict=True)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_="text"),
            *(tag("td", cell, class_=side) for cell, side in zip(row[1:], sides[1:], strict=True)),
        )
        for row in rows
    ]
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", *top)), tag("tbody", *body), class_=kind)
    # a region that scrolls must be reachable with the keyboard
    return tag("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def facts(caption: str, rows: Iterable[tuple[str, str]]) -> Markup:
    """A table of names and what belongs to each, as text."""
    return table(caption, ("", "Value"), rows, text_columns=2)


def folded(title: str, *children: str) -> Markup:
    """What is shown only to those who ask for it, and in print."""
    return tag("details", tag("summary", title), *children)
