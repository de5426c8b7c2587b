"""Words of the data as lines of text files."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text with one blank between words, as `datasets` reads values; a log made in Python may hold line breaks."""
    return " ".join(text.split())
