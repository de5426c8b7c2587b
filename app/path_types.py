"""Parts of an address: `{job_id:word}` is one segment without a colon, since a colon begins a verb (`/jobs/x:cancel`).

Without it `GET /jobs/x:cancel` would be read as a job of a strange name, and not answered with 405.
"""

from __future__ import annotations

from starlette.convertors import StringConvertor, register_url_convertor


class Word(StringConvertor):
    """A segment without a colon."""

    regex = "[^/:]+"


register_url_convertor("word", Word())
