"""Bars with their names and figures, one row each."""

from __future__ import annotations

from collections.abc import Sequence

from reco_core.report_page.intervals import LETTER, WIDTH
from reco_core.report_page.markup import Markup, svg, tag
from reco_core.report_page.scales import Scale

_ROW = 28


def bar_plot(rows: Sequence[tuple[str, float, str]], what: str) -> Markup:
    """Bars from 0 on, as long as `(name, value, text)` says; the text stands behind each, so there is no axis.

    Args:
        rows: values of 0 or more.
    """
    left = 12 + LETTER * max((len(name) for name, _, _ in rows), default=0)
    right = 12 + LETTER * max((len(text) for _, _, text in rows), default=0)
    x = Scale(0.0, max((value for _, value, _ in rows), default=0.0) or 1.0, left + 8, WIDTH - right)
    parts = [tag("line", x1=left + 8, x2=left + 8, y1=2.0, y2=_ROW * len(rows) + 2.0, class_="grid")]
    for number, (name, value, text) in enumerate(rows):
        y = _ROW * (number + 0.5) + 2
        parts += [
            tag("text", name, x=left, y=y + 4, text_anchor="end"),
            tag("rect", x=left + 8, y=y - 8, width=max(1.0, x(value) - left - 8), height=16, class_="fill"),
            tag("text", text, x=max(left + 9, x(value)) + 6, y=y + 4),
        ]
    said = "; ".join(f"{name} {text}" for name, _, text in rows)
    return svg(WIDTH, _ROW * len(rows) + 6, f"{what}. {said}", *parts)
