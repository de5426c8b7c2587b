"""HTML and SVG as strings: what isn't `Markup` is escaped, so text from data can't become an element."""

from __future__ import annotations

import html
import math
import re

# Neither HTML nor XML can hold them, escaped or not.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is put into a page as it is."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """`text` as it must stand between tags or in a quoted attribute; `Markup` stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)))


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element with an end tag, which is good HTML and good XML.

    `class_` stands for class and `aria_label` for aria-label; None leaves an attribute out. Floats get two digits.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{''.join(escaped(child) for child in children)}</{name}>")


def join(*parts: str) -> Markup:
    """The parts, one after the other, each on a line."""
    return Markup("\n".join(escaped(part) for part in parts if part))


def svg(width: float, height: float, label: str, *children: str) -> Markup:
    """A plot of `width` x `height` units; `label` says to those who can't see it what it shows."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        width=width,
        height=height,
    )


def figure(plot: Markup, caption: str) -> Markup:
    """A plot under its caption."""
    return tag("figure", tag("figcaption", caption), plot)


def section(title: str, *children: str) -> Markup:
    """A part of the page under its heading."""
    name = re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def items(*lines: str) -> Markup:
    """A list."""
    return tag("ul", *(tag("li", line) for line in lines))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escaped(value)
    if not math.isfinite(value):
        raise ValueError("a plot can't have a coordinate that is no number")
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
