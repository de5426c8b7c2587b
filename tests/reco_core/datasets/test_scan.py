"""The structure scan against Python's own CSV parser, and the same result whatever the chunk size."""

from __future__ import annotations

import csv
import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.datasets.scan import scan

fields = st.text(alphabet='ab,"\n é', max_size=4)
tables = st.lists(st.lists(fields, min_size=1, max_size=4), min_size=1, max_size=12)


def run(data: bytes, chunk: int, *, quoting: bool = True):
    runs = list(scan(np.frombuffer(data, dtype=np.uint8), 0, 1, b",", quoting=quoting, longest=1000, chunk=chunk))
    return {
        "starts": np.concatenate([run.starts for run in runs]).tolist(),
        "ends": np.concatenate([run.ends for run in runs]).tolist(),
        "lines": np.concatenate([run.lines for run in runs]).tolist(),
        "fields": np.concatenate([run.fields for run in runs]).tolist(),
        "blank": np.concatenate([run.blank for run in runs]).tolist(),
    }, set().union(*(run.reasons for run in runs))


@given(tables, st.sampled_from(["\n", "\r\n"]), st.integers(8, 64))
@settings(max_examples=150, deadline=None)
def test_fields_and_lines_as_the_csv_module_has_them(table, ending, chunk):
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=ending, quoting=csv.QUOTE_MINIMAL).writerows(table)
    text = buffer.getvalue()
    found, reasons = run(text.encode(), 1 << 20)
    assert not reasons
    assert found["fields"] == [len(row) for row in table]
    begins = [1 + text.encode()[:start].count(b"\n") for start in found["starts"]]
    assert found["lines"] == begins
    in_chunks, chunk_reasons = run(text.encode(), chunk)
    assert not chunk_reasons
    assert in_chunks == found


@given(st.binary(max_size=200), st.booleans(), st.integers(4, 300))
@settings(max_examples=200, deadline=None)
def test_records_partition_any_bytes(data, quoting, chunk):
    if not data:
        return
    found, _ = run(data, chunk, quoting=quoting)
    assert found["starts"][0] == 0
    assert found["starts"][1:] == [end + 1 for end in found["ends"][:-1]]
    assert found["ends"][-1] in (len(data), len(data) - 1)


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest():
    data = b'a,"b\n' + b"c,d\n" * 500
    for chunk in (64, 1 << 20):
        found, reasons = run(data, chunk)
        assert len(found["starts"]) == 501
        assert reasons == {"quote_invalid"}
