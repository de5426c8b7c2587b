"""Any well-formed table comes back as it was; any other bytes give a typed error, or are read."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reco_core.datasets import DatasetSpec, Interactions, content_hash, load, restore, store
from reco_core.errors import PocketRecError

ids = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters="﻿"), min_size=1, max_size=8
).filter(lambda text: text == text.strip() and not text.endswith(".0") and text != "<pad>")
rows = st.tuples(ids, ids, st.integers(-(2**62), 2**62), st.floats(-1e6, 1e6, width=32))
tables = st.lists(rows, min_size=2, max_size=20).filter(
    lambda table: len({row[0] for row in table}) > 1 and len({row[1] for row in table}) > 1
)


def load_bytes(data: bytes, spec: DatasetSpec | None = None, name: str = "log.csv") -> Interactions:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return load(path, spec)


def as_csv(table, quoting=csv.QUOTE_MINIMAL, ending="\n", separator=",") -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=ending, quoting=quoting, delimiter=separator)
    writer.writerow(["user", "item", "timestamp", "rating"])
    writer.writerows(table)
    return buffer.getvalue().encode()


@given(
    tables,
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";"]),
)
@settings(max_examples=100, deadline=None)
def test_well_formed_tables_come_back(table, quoting, ending, separator):
    found = load_bytes(as_csv(table, quoting, ending, separator), DatasetSpec(separator=separator))
    assert [found.user_ids[code] for code in found.users] == [row[0] for row in table]
    assert [found.item_ids[code] for code in found.items] == [row[1] for row in table]
    assert found.timestamps.tolist() == [row[2] for row in table]
    assert found.ratings.tolist() == pytest.approx([row[3] for row in table])
    assert list(dict.fromkeys(found.users.tolist())) == list(range(len(found.user_ids)))


@given(tables)
@settings(max_examples=40, deadline=None)
def test_canonical_form_is_lossless(table):
    found = load_bytes(as_csv(table))
    with tempfile.TemporaryDirectory() as folder:
        store(found, Path(folder) / "stored")
        back = restore(Path(folder) / "stored")
    assert content_hash(back) == content_hash(found)
    assert (back.user_ids, back.item_ids, back.report) == (found.user_ids, found.item_ids, found.report)
    assert back.users.tolist() == found.users.tolist()
    assert back.ratings.tobytes() == found.ratings.tobytes()


@given(
    tables,
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=6),
    st.sampled_from(["log.csv", "log.tsv", "log.jsonl", "log.txt", "log.parquet", "u.data", "ratings.dat", "a.inter"]),
    st.sampled_from(["reject", "skip"]),
)
@settings(max_examples=150, deadline=None)
def test_mutations_give_typed_errors_or_are_read(table, mutations, name, on_bad_rows):
    data = as_csv(table)
    for position, replacement, cut in mutations:
        at = position % (len(data) + 1)
        data = data[:at] + replacement + data[at + cut :]
    try:
        found = load_bytes(data, DatasetSpec(on_bad_rows=on_bad_rows), name)
    except PocketRecError:
        return
    assert len(found) == found.report.rows_accepted
    assert found.report.rows_in == found.report.rows_accepted + sum(found.report.rejected.values())
