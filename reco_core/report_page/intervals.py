"""Points with their intervals, one row each, along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reco_core.report_page import words
from reco_core.report_page.markup import Markup, svg, tag
from reco_core.report_page.scales import Scale, bounds, nice_ticks

WIDTH = 340  # of every plot: what a small phone shows without making 12-pixel letters smaller
LETTER = 6.8  # about what one takes, in 12 pixels
_ROW = 28
_TOP = 6
_FIGURES = 50  # column of values at the right


@dataclass(frozen=True)
class Row:
    """A figure with its 95% interval, if it has one."""

    name: str
    value: float
    interval: tuple[float, float] | None
    main: bool = False  # drawn with more weight: the model among its baselines


def interval_plot(rows: Sequence[Row], what: str) -> Markup:
    """The rows from top to bottom; the axis begins at 0."""
    left = min(140.0, 12 + LETTER * max((len(row.name) for row in rows), default=0))
    drawn = [end for row in rows for end in (row.value, *(row.interval or ()))]
    ticks = nice_ticks(min(0.0, bounds(drawn)[0]), bounds(drawn)[1] or 1.0, 4)
    x = ticks.scale(left + 13, WIDTH - _FIGURES - 14)
    bottom = _TOP + _ROW * len(rows)
    axis = [
        part
        for value, label in zip(ticks.values, ticks.labels, strict=True)
        for part in (
            tag("line", x1=x(value), x2=x(value), y1=float(_TOP), y2=float(bottom), class_="grid"),
            tag("text", label, x=x(value), y=float(bottom + 16), text_anchor="middle"),
        )
    ]
    marks = [_row(row, x, left, _TOP + _ROW * (i + 0.5)) for i, row in enumerate(rows)]
    said = "; ".join(f"{row.name} {words.figure(row.value)}, interval {words.interval(row.interval)}" for row in rows)
    return svg(WIDTH, bottom + 24, f"{what}. {said}", *axis, *marks)


def _row(row: Row, x: Scale, left: float, y: float) -> Markup:
    weight = "main" if row.main else "other"
    said = f"{row.name}: {words.figure(row.value)}, 95% interval {words.interval(row.interval)}"
    parts = [
        tag("title", said),
        tag("text", row.name, x=left, y=y + 4, text_anchor="end", class_="strong" if row.main else None),
    ]
    if row.interval is not None:
        low, high = (x(end) for end in row.interval)
        parts += [
            tag("line", x1=low, x2=high, y1=y, y2=y, class_=f"bar {weight}"),
            *(tag("line", x1=end, x2=end, y1=y - 5, y2=y + 5, class_=f"bar {weight}") for end in (low, high)),
        ]
    parts += [
        point(x(row.value), y, main=row.main),
        tag("text", words.figure(row.value), x=WIDTH - 2, y=y + 4, text_anchor="end"),
    ]
    return tag("g", *parts)


def point(x: float, y: float, *, main: bool) -> Markup:
    """A full diamond, or an empty circle: told apart without colours."""
    if main:
        return tag("path", d=f"M{x:.2f} {y - 6.5:.2f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z", class_="point main")
    return tag("circle", cx=x, cy=y, r=4.5, class_="point other")
