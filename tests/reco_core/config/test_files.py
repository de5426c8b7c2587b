"""Config files, and those of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from reco_core import config
from reco_core.errors import ConfigInvalid

CONFIGS = Path(__file__).parents[3] / "configs"


def test_json_and_yaml_say_the_same(tmp_path):
    (tmp_path / "a.json").write_text('{"preset": "cnn", "training": {"batch_size": 9}}')
    (tmp_path / "a.yaml").write_text("preset: cnn\ntraining:\n  batch_size: 9\n")
    found = config.load_file(tmp_path / "a.json")
    assert found == config.load_file(tmp_path / "a.yaml")
    assert (found.encoder.type, found.training.batch_size) == ("cnn", 9)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"{", "not valid JSON"),
        ("a.yaml", b"a: [", "not valid YAML"),
        ("a.yaml", b"", "expected an object"),
        ("a.json", b"[1]", "expected an object"),
        ("a.yaml", b"just text", "found str"),
        ("a.yaml", b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_files_that_are_no_config_are_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigInvalid) as caught:
        config.load_file(tmp_path / name)
    assert said in caught.value.message
    assert name in caught.value.message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigInvalid, match=r"absent\.yaml"):
        config.load_file(tmp_path / "absent.yaml")


def test_yaml_can_not_construct_objects(tmp_path):
    (tmp_path / "a.yaml").write_text("!!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigInvalid, match="not valid YAML"):
        config.load_file(tmp_path / "a.yaml")


def test_keys_that_are_no_text_are_a_fault(tmp_path):
    (tmp_path / "a.yaml").write_text("1: 2\n")
    with pytest.raises(ConfigInvalid):
        config.load_file(tmp_path / "a.yaml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_config_of_the_repository_loads(path):
    config.load_file(path)
