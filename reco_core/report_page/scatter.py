"""The exported files: bytes against quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reco_core.report_page import words
from reco_core.report_page.intervals import LETTER, WIDTH, point
from reco_core.report_page.markup import Markup, svg, tag
from reco_core.report_page.scales import bounds, nice_ticks

_TOP, _BOTTOM, _LEFT, _RIGHT = 12.0, 180.0, 58.0, WIDTH - 14.0


@dataclass(frozen=True)
class Spot:
    """A file; `main` is the one that ships as model.tflite."""

    name: str
    bytes: int
    value: float
    main: bool


def size_plot(spots: Sequence[Spot], quality: str) -> Markup:
    """Bytes from 0 along the bottom, quality upwards.

    The upright axis spans at least a fifth of the best figure, so that differences far below any interval look as
    small as they are.
    """
    low, high = bounds([spot.value for spot in spots])
    room = max(0.0, high * 0.2 - (high - low)) / 2 + (high - low) * 0.1
    up = nice_ticks(max(0.0, low - room), high + room, 4)
    largest = bounds([float(spot.bytes) for spot in spots])[1]
    unit, factor = ("MB", 1e6) if largest >= 1e6 else ("kB", 1e3)
    across = nice_ticks(0.0, largest / factor, 5)
    x, y = across.scale(_LEFT, _RIGHT), up.scale(_BOTTOM, _TOP)
    parts = []
    for value, label in zip(up.values, up.labels, strict=True):
        parts.append(tag("line", x1=_LEFT, x2=_RIGHT, y1=y(value), y2=y(value), class_="grid"))
        parts.append(tag("text", label, x=_LEFT - 6, y=y(value) + 4, text_anchor="end"))
    for value, label in zip(across.values, across.labels, strict=True):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=_BOTTOM, y2=_BOTTOM + 4, class_="grid"))
        parts.append(tag("text", label, x=x(value), y=_BOTTOM + 18, text_anchor="middle"))
    parts.append(tag("text", f"size of the file, {unit}", x=_RIGHT, y=_BOTTOM + 36, text_anchor="end", class_="quiet"))
    for number, spot in enumerate(sorted(spots, key=lambda spot: (spot.bytes, spot.name))):
        across_at, up_at = x(spot.bytes / factor), y(spot.value)
        width = LETTER * len(spot.name) / 2
        parts += [
            point(across_at, up_at, main=spot.main),
            tag(
                "text",
                spot.name,
                x=min(max(across_at, _LEFT + width), _RIGHT - width),
                # neighbours of much the same quality: one label above, the next below
                y=up_at + (22 if number % 2 else -12),
                text_anchor="middle",
                class_="strong" if spot.main else None,
            ),
        ]
    said = "; ".join(f"{spot.name} {words.size(spot.bytes)}, {words.figure(spot.value)}" for spot in spots)
    return svg(WIDTH, _BOTTOM + 42, f"{quality} by size of the file. {said}", *parts)
