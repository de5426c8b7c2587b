from __future__ import annotations

from datetime import timedelta

import pytest

from registry import events, jobs, models
from registry.errors import InvalidName, NotFound


@pytest.fixture
def publish(world, make_file):
    def run(model="shoes", fill="a", dataset_id=None):
        claim = world.claim(world.job(dataset_id=dataset_id).id)
        entries = [make_file("variants/float16.tflite", "f", 5), make_file("model.tflite", fill, 9)]
        with world.database.write() as session:
            version = models.publish_version(
                session, claim, model=model, files=entries, metrics={"recall@10": 0.1}, manifest={"seed": 1}
            )
            jobs.succeed(session, claim, models.result_of(version))
        return version

    return run


def test_a_version_and_the_result_of_its_job(world, publish):
    dataset = world.dataset()
    version = publish(dataset_id=dataset.id)
    assert (version.model, version.version, version.dataset_id) == ("shoes", 1, dataset.id)
    assert [entry.path for entry in version.files] == ["model.tflite", "variants/float16.tflite"]
    job = world.get(version.job_id)
    assert job.status == "succeeded"
    assert job.result == {
        "model": "shoes",
        "version": 1,
        "metrics": {"recall@10": 0.1},
        "artifacts": [
            {"path": "model.tflite", "bytes": 9, "sha256": "a" * 64},
            {"path": "variants/float16.tflite", "bytes": 5, "sha256": "f" * 64},
        ],
    }
    assert world.read(models.get_version, "shoes", 1) == version
    assert world.read(models.version_of_job, job.id) == version


def test_numbers_count_per_model(world, publish):
    assert [publish(name).version for name in ("shoes", "shoes", "hats", "shoes")] == [1, 2, 1, 3]
    model = world.read(models.get, "shoes")
    assert (model.last_version, model.last_seq) == (3, 3)
    found = world.read(events.list_after, model.id)
    assert [event.type for event in found] == ["model.version_created"] * 3
    assert [event.data["version"] for event in found] == [1, 2, 3]


def test_publishers_at_the_same_moment_get_different_numbers_without_gaps(publish, in_parallel, world):
    """The first version of a name too, which also makes the model."""
    versions = in_parallel(6, lambda _: publish().version)
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]
    assert world.read(models.get, "shoes").last_version == 6


def test_a_job_publishes_once(world, publish):
    version = publish()
    claim = world.claim(world.job().id)
    before = world.dump()
    with pytest.raises(Exception, match=r"(?i)unique"), world.database.write() as session:
        _publish_twice(session, claim)
    assert world.dump() == before
    assert world.read(models.get, "shoes").last_version == version.version


def _publish_twice(session, claim):
    for _ in range(2):
        models.publish_version(session, claim, model="shoes", files=[], metrics={}, manifest={})


def test_a_rolled_back_publish_uses_up_no_number(world, publish):
    publish()
    claim = world.claim(world.job().id)

    def publish_and_fail(session):
        models.publish_version(session, claim, model="shoes", files=[], metrics={}, manifest={})
        raise InterruptedError

    with pytest.raises(InterruptedError):
        world.write(publish_and_fail)
    assert publish().version == 2


def test_names(world):
    claim = world.claim(world.job().id)
    with pytest.raises(InvalidName, match="lower-case"):
        world.write(models.publish_version, claim, model="../Shoes", files=[], metrics={}, manifest={})


def test_files_are_found_by_their_exact_path(publish):
    version = publish()
    assert models.get_file(version, "variants/float16.tflite").sha256 == "f" * 64
    for path in ("float16.tflite", "variants/../model.tflite", "MODEL.tflite", ""):
        with pytest.raises(NotFound):
            models.get_file(version, path)


def test_lists(world, publish):
    for name in ("shoes", "shoes", "shoes", "hats"):
        publish(name)
    page = world.read(models.list_versions, "shoes", limit=2)
    assert [version.version for version in page.items] == [3, 2]
    assert page.items[0].files
    rest = world.read(models.list_versions, "shoes", limit=2, after=int(page.next_after))
    assert [version.version for version in rest.items] == [1]
    assert rest.next_after is None
    assert [model.name for model in world.read(models.list_page).items] == ["hats", "shoes"]


def test_missing_and_foreign_are_alike(world, publish):
    publish()
    for get in (
        lambda session: models.get(session, "hats"),
        lambda session: models.get(session, "shoes", project="other"),
        lambda session: models.get_version(session, "shoes", 2),
        lambda session: models.get_version(session, "shoes", 1, project="other"),
        lambda session: models.list_versions(session, "hats"),
    ):
        with pytest.raises(NotFound):
            world.read(get)
    assert world.read(models.version_of_job, "job_0") is None


def test_a_yanked_version_is_latest_no_more_and_stays(world, publish):
    for _ in range(3):
        publish()
    version = world.write(models.yank, "shoes", 3, reason="broken export")
    assert (version.yanked_at is not None, version.yank_reason) == (True, "broken export")
    assert version == world.read(models.get_version, "shoes", 3)
    assert version.files
    model = world.read(models.get, "shoes")
    assert (model.last_version, model.latest_version) == (3, 2)
    assert [found.latest_version for found in world.read(models.list_page).items] == [2]
    for yanked, numbers in ((True, [3]), (False, [2, 1]), (None, [3, 2, 1])):
        page = world.read(models.list_versions, "shoes", yanked=yanked)
        assert [found.version for found in page.items] == numbers
    assert publish().version == 4  # a number is never used again
    world.write(models.unyank, "shoes", 3)
    assert world.read(models.get_version, "shoes", 3).yanked_at is None
    types = [event.type for event in world.read(events.list_after, model.id, 3)]
    assert types == ["model.version_yanked", "model.version_created", "model.version_unyanked"]


def test_a_model_whose_versions_are_all_yanked_has_no_latest(world, publish):
    publish()
    world.write(models.yank, "shoes", 1)
    assert world.read(models.get, "shoes").latest_version is None


def test_yanking_again_changes_at_most_the_reason(world, publish):
    publish()
    first = world.write(models.yank, "shoes", 1, reason="a")
    for reason in ("a", None):
        assert world.write(models.yank, "shoes", 1, reason=reason) == first
    other = world.write(models.yank, "shoes", 1, reason="b")
    assert (other.yanked_at, other.yank_reason) == (first.yanked_at, "b")
    for _ in range(2):
        world.write(models.unyank, "shoes", 1)
    model = world.read(models.get, "shoes")
    assert [event.data.get("reason") for event in world.read(events.list_after, model.id, 1)] == ["a", "b", None]


def test_yanking_what_is_not_there(world, publish):
    publish()
    for change in (models.yank, models.unyank):
        for name, version, project in (("shoes", 2, "default"), ("hats", 1, "default"), ("shoes", 1, "other")):
            with pytest.raises(NotFound):
                world.write(change, name, version, project=project)


def test_lists_of_what_was_created_after_a_time(world, publish):
    publish()
    moment = world.read(models.get_version, "shoes", 1).created_at
    assert world.read(models.list_page, created_after=moment).items == ()
    assert world.read(models.list_versions, "shoes", created_after=moment).items == ()
    earlier = moment - timedelta(seconds=1)
    assert len(world.read(models.list_page, created_after=earlier).items) == 1
    assert len(world.read(models.list_versions, "shoes", created_after=earlier).items) == 1
