"""Curves over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reco_core.report_page import words
from reco_core.report_page.intervals import LETTER, WIDTH
from reco_core.report_page.markup import Markup, svg, tag
from reco_core.report_page.scales import Scale, bounds, nice_ticks, whole_ticks

_TOP, _BOTTOM, _LEFT, _RIGHT = 44.0, 200.0, 52.0, WIDTH - 12.0
_MOST_POINTS = 400  # more than there are pixels


@dataclass(frozen=True)
class Curve:
    """Values by epoch, epoch 1 first; a value that is no number leaves a gap."""

    name: str
    values: Sequence[float]


def curve_plot(curves: Sequence[Curve], best_epoch: int | None, what: str) -> Markup:
    """At most two curves over the same epochs, the best epoch marked."""
    epochs = max((len(curve.values) for curve in curves), default=0)
    drawn = [value for curve in curves for value in curve.values if words.is_number(value)]
    ticks = nice_ticks(*bounds(drawn))
    y, x = ticks.scale(_BOTTOM, _TOP), Scale(1, max(1, epochs), _LEFT + 8, _RIGHT - 8)
    below = whole_ticks(1, max(1, epochs))
    parts = [
        part
        for value, label in zip(ticks.values, ticks.labels, strict=True)
        for part in (
            tag("line", x1=_LEFT, x2=_RIGHT, y1=y(value), y2=y(value), class_="grid"),
            tag("text", label, x=_LEFT - 6, y=y(value) + 4, text_anchor="end"),
        )
    ]
    parts += [
        tag("text", label, x=x(value), y=_BOTTOM + 18, text_anchor="middle")
        for value, label in zip(below.values, below.labels, strict=True)
    ]
    parts.append(tag("text", "epoch", x=_RIGHT, y=_BOTTOM + 36, text_anchor="end", class_="quiet"))
    if best_epoch is not None and 1 <= best_epoch <= epochs:
        parts += _best(best_epoch, x)
    place = _LEFT
    for number, curve in enumerate(curves):
        parts += _legend(curve.name, number, place)
        parts += _curve(curve, number, best_epoch, x, y)
        place += 54 + 8 * len(curve.name)
    said = "; ".join(_said(curve, best_epoch) for curve in curves)
    return svg(WIDTH, _BOTTOM + 42, f"{what} over {epochs} epochs. {said}", *parts)


def thinned(epochs: int, best_epoch: int | None, most: int) -> list[int]:
    """At most some `most` epochs out of 1..epochs, evenly, with the first, the last and the best one."""
    # 10, best 7, most 4 -> 1 4 7 10
    step = max(1, -(-epochs // most))
    kept = {*range(1, epochs + 1, step), epochs, best_epoch or 1}
    return sorted(epoch for epoch in kept if 1 <= epoch <= epochs)


def _curve(curve: Curve, number: int, best_epoch: int | None, x: Scale, y: Scale) -> list[Markup]:
    shown = [
        (epoch, curve.values[epoch - 1])
        for epoch in thinned(len(curve.values), best_epoch, _MOST_POINTS)
        if words.is_number(curve.values[epoch - 1])
    ]
    path = "".join(f"{'L' if i else 'M'}{x(epoch):.1f} {y(value):.1f}" for i, (epoch, value) in enumerate(shown))
    parts = [tag("path", d=path, class_=f"curve c{number}")] if len(shown) > 1 else []
    marked = shown if len(shown) <= 30 else [pair for pair in shown if pair[0] == best_epoch]
    return parts + [_mark(x(epoch), y(value), number) for epoch, value in marked]


def _mark(x: float, y: float, number: int) -> Markup:
    if number == 0:
        return tag("circle", cx=x, cy=y, r=2.5, class_="mark c0")
    return tag("rect", x=x - 2.5, y=y - 2.5, width=5, height=5, class_=f"mark c{number}")


def _legend(name: str, number: int, x: float) -> list[Markup]:
    return [
        tag("path", d=f"M{x:.1f} 12h26", class_=f"curve c{number}"),
        _mark(x + 13, 12.0, number),
        tag("text", name, x=x + 32, y=16.0),
    ]


def _best(epoch: int, x: Scale) -> list[Markup]:
    label = f"best: {epoch:,}"
    room = LETTER * len(label) / 2
    place = min(max(x(epoch), _LEFT + room), _RIGHT - room)
    return [
        tag("line", x1=x(epoch), x2=x(epoch), y1=_TOP - 6, y2=_BOTTOM, class_="best"),
        tag("text", label, x=place, y=_TOP - 10, text_anchor="middle", class_="strong"),
    ]


def _said(curve: Curve, best_epoch: int | None) -> str:
    if not curve.values:
        return f"{curve.name}: nothing"
    said = f"{curve.name} from {words.figure(curve.values[0])} to {words.figure(curve.values[-1])}"
    if best_epoch is not None and 1 <= best_epoch <= len(curve.values):
        said += f", {words.figure(curve.values[best_epoch - 1])} in the best epoch, {best_epoch}"
    return said
