"""Metadata in exported files: what it says, and that the model stays what it was."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

ITEMS, LENGTH = 120, 6
IDS = ("<pad>", *(f"item-{number}" for number in range(1, ITEMS + 1)))
VARIANTS = ("float32", "float16", "dynamic_int8")


@pytest.fixture(scope="module")
def plain(tensorflow_runtime, make_config, tmp_path_factory):
    """Files without metadata of a model that reads `exclude_ids`, their shape and vocabulary."""
    from reco_core import export, model
    from reco_core.examples import Vocabulary

    config = make_config(
        model={"embedding_dim": 32},
        export={"metadata": False, "exclude_ids": 3},
        examples={"max_history_length": LENGTH},
    )
    vocabulary = Vocabulary(IDS, np.ones(ITEMS + 1, np.int64), (None,) * (ITEMS + 1), None)
    files = export.export(config, model.build(config, vocabulary), vocabulary, tmp_path_factory.mktemp("plain"))
    return {name: variant.path.read_bytes() for name, variant in files.variants.items()}, files.shape, vocabulary


@pytest.fixture(scope="module")
def text(plain):
    from reco_core.export.metadata import describe

    return describe(plain[1], plain[2], {})


@pytest.fixture(scope="module")
def described(plain, text):
    """The same files with metadata."""
    from reco_core.export.metadata import add_metadata

    return {name: add_metadata(content, text) for name, content in plain[0].items()}


class Table:
    """A table of the metadata, read by field numbers of the public schema, independently of the code that writes."""

    def __init__(self, content: bytes, position: int) -> None:
        self._table = flatbuffers.table.Table(content, position)

    def _at(self, number: int) -> int:
        offset = self._table.Offset(4 + 2 * number)
        return offset + self._table.Pos if offset else 0

    def text(self, number: int) -> str:
        return self._table.String(self._at(number)).decode() if self._at(number) else ""

    def byte(self, number: int) -> int:
        return self._table.Get(flatbuffers.number_types.Int8Flags, self._at(number)) if self._at(number) else 0

    def table(self, number: int) -> Table:
        return Table(self._table.Bytes, self._table.Indirect(self._at(number)))

    def _elements(self, number: int) -> list[int]:
        if not self._at(number):
            return []
        offset = self._at(number) - self._table.Pos
        return [self._table.Vector(offset) + 4 * index for index in range(self._table.VectorLen(offset))]

    def tables(self, number: int) -> list[Table]:
        return [Table(self._table.Bytes, self._table.Indirect(position)) for position in self._elements(number)]

    def texts(self, number: int) -> list[str]:
        return [self._table.String(position).decode() for position in self._elements(number)]

    def floats(self, number: int) -> list[float]:
        flags = flatbuffers.number_types.Float32Flags
        return [self._table.Get(flags, position) for position in self._elements(number)]


def metadata(content: bytes) -> Table:
    """The table ModelMetadata in a model file."""
    model = schema.Model.GetRootAs(content)
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    (buffer,) = [entry.Buffer() for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    found = model.Buffers(buffer).DataAsNumpy().tobytes()
    assert found[4:8] == b"M001"
    return Table(found, int.from_bytes(found[:4], "little"))


def buffers(content: bytes) -> list[bytes]:
    model = schema.Model.GetRootAs(content)
    found = (model.Buffers(number) for number in range(model.BuffersLength()))
    return [buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b"" for buffer in found]


def inputs_of(runner: Any, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        name: random.integers(0, ITEMS + 1, detail["shape"]).astype(np.int32)
        for name, detail in runner.get_input_details().items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_with_metadata_computes_what_it_did(plain, described, variant, tmp_path):
    before = Interpreter(model_content=plain[0][variant])
    path = tmp_path / "model.tflite"
    path.write_bytes(described[variant])
    after = Interpreter(model_path=str(path))  # by memory map, as apps do
    assert after.get_signature_list() == before.get_signature_list()
    for name in before.get_signature_list():
        runners = [interpreter.get_signature_runner(name) for interpreter in (before, after)]
        for seed in range(5):
            first, second = (runner(**inputs_of(runner, seed)) for runner in runners)
            assert first.keys() == second.keys()
            for output, values in first.items():
                np.testing.assert_array_equal(values, second[output])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_old_file_stands_unchanged_inside_the_new_one(plain, described, text, variant):
    from reco_core.export.metadata import metadata_bytes

    old, new = plain[0][variant], described[variant]
    start = new.find(old)
    assert start > 0
    assert start % 16 == 0  # so each weight is aligned as it was
    assert buffers(new)[:-1] == buffers(old)  # shared ones stay shared: no tensor has another buffer
    added = metadata_bytes(schema.Model.GetRootAs(old), text)
    assert buffers(new)[-1] == added
    position = new.find(added)
    assert position % 16 == 0
    files = sum(len(file.content()) for file in text.files)
    # beside these there are a root, a reference to each buffer and the zip's directory
    assert len(new) - len(old) - len(added) - files < 4 * len(buffers(new)) + 500


@pytest.mark.parametrize("variant", VARIANTS)
def test_zipfile_opens_the_model_file_and_finds_the_vocabulary(described, variant):
    with zipfile.ZipFile(io.BytesIO(described[variant])) as archive:
        assert archive.testzip() is None
        (info,) = archive.infolist()
        assert info.filename == "items.txt"
        assert info.compress_type == zipfile.ZIP_STORED
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
        assert archive.read("items.txt").decode().splitlines() == list(IDS)


def test_the_metadata_says_what_the_tensors_mean(described):
    root = metadata(described["float16"])
    assert root.text(0) == "PocketRec recommender"
    assert f"{ITEMS} items" in root.text(1)
    assert root.text(4) == "PocketRec"
    assert root.text(7) == "1.0.1"  # the first that knows files of type VOCABULARY
    graphs = {graph.text(0): graph for graph in root.tables(3)}
    recommend = graphs["recommend"]
    inputs = {tensor.text(0): tensor for tensor in recommend.tables(2)}
    outputs = {tensor.text(0): tensor for tensor in recommend.tables(3)}
    assert inputs.keys() == {"history", "exclude_ids"}
    assert outputs.keys() == {"ids", "scores"}
    assert "oldest first, left-aligned, 0 after the last" in inputs["history"].text(1)
    assert inputs["history"].texts(2) == ["batch", "position"]
    assert (inputs["history"].table(5).floats(0), inputs["history"].table(5).floats(1)) == ([ITEMS], [0])
    for tensor, kind in ((inputs["history"], 5), (inputs["exclude_ids"], 5), (outputs["ids"], 3)):
        (file,) = tensor.tables(6)
        assert (file.text(0), file.byte(2)) == ("items.txt", kind)
        assert "raw id" in file.text(1)
    assert outputs["scores"].tables(6) == []
    for tensor in (*inputs.values(), *outputs.values()):
        assert tensor.table(3).byte(0) == 1  # plain numbers, neither image nor boxes


@pytest.mark.parametrize("variant", VARIANTS)
def test_subgraphs_and_tensors_stand_in_the_order_of_the_file(described, variant):
    model = schema.Model.GetRootAs(described[variant])
    signatures = {model.SignatureDefs(number).SubgraphIndex(): model.SignatureDefs(number) for number in range(3)}
    graphs = metadata(described[variant]).tables(3)
    assert len(graphs) == model.SubgraphsLength() == 3
    for number, graph in enumerate(graphs):
        signature = signatures[number]
        assert graph.text(0) == signature.SignatureKey().decode()
        inputs = {
            signature.Inputs(i).TensorIndex(): signature.Inputs(i).Name() for i in range(signature.InputsLength())
        }
        outputs = {
            signature.Outputs(i).TensorIndex(): signature.Outputs(i).Name() for i in range(signature.OutputsLength())
        }
        subgraph = model.Subgraphs(number)
        for tables, indices, names in (
            (graph.tables(2), subgraph.InputsAsNumpy(), inputs),
            (graph.tables(3), subgraph.OutputsAsNumpy(), outputs),
        ):
            assert [table.text(0) for table in tables] == [names[index].decode() for index in indices]
            for table, index in zip(tables, indices, strict=True):
                assert table.text(1)
                assert len(table.texts(2)) == subgraph.Tensors(index).ShapeLength()


def test_the_same_arguments_give_the_same_bytes(plain, described, text):
    from reco_core.export.metadata import add_metadata

    assert {name: add_metadata(content, text) for name, content in plain[0].items()} == described


def test_only_files_that_no_tensor_refers_to_are_the_models_own(plain, text):
    from reco_core.export.metadata import AssociatedFile, add_metadata

    more = AssociatedFile("readme.txt", "What this is.", ("A recommender.",))
    content = add_metadata(plain[0]["float32"], replace(text, files=(*text.files, more)))
    assert [file.text(0) for file in metadata(content).tables(6)] == ["readme.txt"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["items.txt", "readme.txt"]
        assert archive.read("readme.txt") == b"A recommender.\n"


def test_metadata_never_breaks_a_size_budget(plain, described, text):
    from reco_core.export.metadata import add_metadata

    old, new = plain[0]["float16"], described["float16"]
    for budget, expected in (
        (len(new), new),
        (len(new) - 1, old),  # the file fits, but not with metadata
        (len(old), old),
        (len(old) - 1, new),  # it's too large anyway
    ):
        assert add_metadata(old, text, budget) == expected


def test_without_files_there_is_no_zip(plain, text):
    from reco_core.export.metadata import SignatureText, TensorText, add_metadata

    only = {"score_all": SignatureText("", {"history": TensorText("Items.", ("batch", "position"))})}
    content = add_metadata(plain[0]["float32"], replace(text, files=(), signatures=only))
    assert not zipfile.is_zipfile(io.BytesIO(content))
    root = metadata(content)
    assert root.text(7) == "1.0.0"
    # signatures and tensors without a text are named all the same: readers count them
    assert [len(graph.tables(2)) for graph in root.tables(3)] == [1, 2, 1]


def test_what_does_not_fit_the_model_is_refused(plain, described, text):
    from reco_core.export.metadata import SignatureText, TensorText, add_metadata

    content = plain[0]["float32"]

    def with_input(name: str, tensor: TensorText) -> Any:
        return replace(text, signatures={"recommend": SignatureText("", {name: tensor})})

    for wrong, expected in (
        (replace(text, signatures={"rank": SignatureText("")}), "no signature 'rank'"),
        (with_input("genres", TensorText("", ("batch", "value"))), "no tensor 'genres'"),
        (with_input("history", TensorText("", ("position",))), "has 2 dimensions, not 1"),
        (with_input("history", TensorText("", ("batch", "position"), "words.txt")), "'words.txt'"),
    ):
        with pytest.raises(ValueError, match=expected):
            add_metadata(content, wrong)
    with pytest.raises(ValueError, match="already"):
        add_metadata(described["float32"], text)
    with pytest.raises(ValueError, match="not a TensorFlow Lite"):
        add_metadata(b"PK\3\4" + bytes(60), text)


def feature(name: str, **facts: Any) -> Any:
    from reco_core.examples import FeatureTable

    return FeatureTable(name=name, values=np.zeros(1, np.int32), offsets=None, **{"length": 1, **facts})


def test_features_are_described_with_their_vocabularies(plain):
    from reco_core.export.metadata import describe
    from reco_core.export.serving import InputSpec

    tables = {
        table.name: table
        for table in (
            feature("genre", scope="item", length=2, vocabulary=("<pad>", "<oov>", "Film\nnoir"), table_rows=3),
            feature("rating", scope="interaction", mean=3.5),
            feature("words", scope="item", layout="flat", length=8, vocabulary=("<pad>", "<oov>"), table_rows=2),
            feature("age", scope="user", table_rows=100),
        )
    }
    specs = tuple(
        InputSpec(name, "float32" if table.is_float else "int32", (1, *table.window_shape(LENGTH)))
        for name, table in tables.items()
    )
    text = describe(replace(plain[1], features=specs), plain[2], {**tables, "unused": feature("unused", scope="user")})
    for signature in text.signatures.values():
        assert [name for name in signature.inputs if name != "exclude_ids"] == ["history", *tables]
        for spec in specs:
            assert len(signature.inputs[spec.name].dimensions) == len(spec.shape)
    inputs = text.signatures["recommend"].inputs
    assert [inputs[name].file for name in tables] == ["genre.txt", None, "words.txt", None]
    assert [inputs[name].bounds for name in tables] == [(0, 2), None, (0, 1), (0, 99)]
    assert [inputs[name].dimensions[1:] for name in tables] == [
        ("position", "value"),
        ("position",),
        ("value",),
        ("value",),
    ]
    assert "3.5 where there is none" in inputs["rating"].description
    contents = {file.name: file.content() for file in text.files}
    assert list(contents) == ["items.txt", "genre.txt", "words.txt"]
    assert contents["genre.txt"] == b"<pad>\n<oov>\nFilm noir\n"  # a line for each index


def test_tensors_with_raw_ids_have_no_vocabulary(plain):
    from reco_core.export.metadata import describe

    text = describe(plain[1], plain[2], {}, raw_ids=True)
    recommend = text.signatures["recommend"]
    for tensor in (recommend.inputs["history"], recommend.inputs["exclude_ids"], recommend.outputs["ids"]):
        assert tensor.description.startswith("Raw item ids")
        assert (tensor.file, tensor.bounds) == (None, None)
    assert [file.name for file in text.files] == ["items.txt"]  # by which the order of `score_all` is known


def test_the_version_is_that_of_the_bundle(described):
    from reco_core import bundle

    assert metadata(described["float32"]).text(2) == str(bundle.FORMAT_VERSION)


@pytest.mark.parametrize(
    "layout", [{"layout": "default"}, {"layout": "default", "ids": "raw"}, {"layout": "reference"}]
)
def test_exported_files_have_metadata_in_every_layout(export_untrained, layout):
    _, _, files = export_untrained(30, only_float32=True, export={"top_k": 5, **layout})
    content = files.variants["float32"].path.read_bytes()
    assert files.variants["float32"].bytes == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("items.txt").decode().splitlines() == ["<pad>", *map(str, range(1, 31))]
    described = {graph.text(0): graph for graph in metadata(content).tables(3)}
    for name, signature in files.shape.signatures().items():
        for tables, tensors in ((described[name].tables(2), "inputs"), (described[name].tables(3), "outputs")):
            assert {table.text(0) for table in tables} == set(signature[tensors])
            for table in tables:
                assert table.text(1)
                assert len(table.texts(2)) == len(signature[tensors][table.text(0)]["shape"])


def test_genres_of_the_layout_reference_are_lines_of_the_apps_list(plain):
    from reco_core.export.assets import AppItems, GenreInput
    from reco_core.export.metadata import describe_reference
    from reco_core.export.reference import ReferenceShape
    from reco_core.item_numbers import ItemNumbers

    lines = ("UNK", "War", "Drama")
    genres = GenreInput("genres", 32, lines, np.array([0, 3, 2], np.int32))
    items = AppItems(ItemNumbers(np.arange(ITEMS + 1, dtype=np.int32)), ((),) * (ITEMS + 1), genres)
    text = describe_reference(ReferenceShape.around(replace(plain[1], exclude_ids=0), 32), plain[2], items)
    for signature in text.signatures.values():
        assert list(signature.inputs) == ["context_movie_id", "context_movie_genre"]
        genre = signature.inputs["context_movie_genre"]
        assert (genre.file, genre.bounds) == ("movie_genre_vocab.txt", (0, 2))
        assert signature.inputs["context_movie_id"].file is None  # raw ids
    assert [(file.name, file.lines) for file in text.files] == [("items.txt", IDS), ("movie_genre_vocab.txt", lines)]


def test_an_exported_file_that_fits_only_without_metadata_goes_without(export_untrained):
    def exported(**options: Any) -> bytes:
        _, _, files = export_untrained(30, only_float32=True, export={"top_k": 5, **options})
        return files.variants["float32"].path.read_bytes()

    whole, bare = exported(), exported(metadata=False)
    assert len(bare) < len(whole)
    assert exported(max_bytes=len(whole)) == whole
    assert exported(max_bytes=len(whole) - 1) == bare


def test_bodies_of_loops_come_after_what_is_described(export_untrained):
    from reco_core.examples import Vocabulary
    from reco_core.export.metadata import add_metadata, describe

    vocabulary = Vocabulary(IDS, np.ones(ITEMS + 1, np.int64), (None,) * (ITEMS + 1), None)
    options = {"examples": {"max_history_length": 51}, "export": {"metadata": False}}
    _, _, files = export_untrained(ITEMS, "rnn", only_float32=True, **options)
    old = files.variants["float32"].path.read_bytes()
    new = add_metadata(old, describe(files.shape, vocabulary, {}))
    assert schema.Model.GetRootAs(new).SubgraphsLength() > 3
    assert [graph.text(0) for graph in metadata(new).tables(3)] == ["encode_context", "recommend", "score_all"]
    runners = [Interpreter(model_content=content).get_signature_runner("score_all") for content in (old, new)]
    first, second = (runner(**inputs_of(runner, 3))["scores"] for runner in runners)
    np.testing.assert_array_equal(first, second)
