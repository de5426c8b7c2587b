"""Events as they happen: replay without a gap, ends that clients understand, and what a lost database does to them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from app import event_streams, watching
from app.watching import Watcher
from registry import events, jobs

STREAM = {"Accept": "text/event-stream"}


def parse(body: str) -> list[dict[str, str]]:
    """The events of a stream, as an EventSource reads them."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append(fields)
    return found


def stream(service: Any, path: str, **headers: str) -> Any:
    return service.client.get(path, headers=STREAM | {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.fixture
def finished(service: Any) -> Any:
    """A service, and a job of it that has run and failed: seven events."""
    service.job_id = service.job(preset="bow").json()["id"]
    claim = service.claim(service.job_id)
    with service.database.write() as session:
        jobs.set_phase(session, claim, "validate")
        jobs.set_phase(session, claim, "train")
        jobs.record_epoch(session, claim, 1, {"loss": 0.5})
        jobs.fail(session, claim, {"code": "diverged", "message": "a\r\nb", "errors": []})
    service.path = f"/v1/jobs/{service.job_id}/events"
    return service


def test_a_stream_replays_what_pages_have_and_ends(finished: Any) -> None:
    answer = stream(finished, finished.path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Vary"] == "Accept"
    assert "retry: 2000\n" in answer.text
    sent = parse(answer.text)
    assert [json.loads(event["data"]) for event in sent] == finished.client.get(finished.path).json()["data"]
    assert [int(event["id"]) for event in sent] == list(range(1, len(sent) + 1))
    assert [event["event"] for event in sent][-1] == "job.failed"


@pytest.mark.parametrize(("query", "headers"), [("?after=3", {}), ("?after=1", {"Last_Event_ID": "3"})])
def test_it_goes_on_where_it_broke_off(finished: Any, query: str, headers: dict[str, str]) -> None:
    sent = parse(stream(finished, finished.path + query, **headers).text)
    assert [int(event["id"]) for event in sent] == [4, 5, 6]


def test_opened_again_after_the_end_it_says_so(finished: Any) -> None:
    answer = stream(finished, finished.path, Last_Event_ID="6")
    assert (answer.status_code, answer.content) == (204, b"")
    assert stream(finished, finished.path + "?after=99").status_code == 204
    assert finished.client.get(finished.path + "?after=99").json()["data"] == []


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", "+0.0", str(2**31), "99999999999999999999"])
def test_a_malformed_last_event_id_is_refused(finished: Any, bad: str) -> None:
    answer = stream(finished, finished.path, Last_Event_ID=bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["parameter"] == "last-event-id"


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("text/event-stream", True),
        ("text/event-stream, */*;q=0.1", True),
        ("application/json;q=0.5, Text/Event-Stream", True),
        ("*/*", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=0.5, application/json", False),
        ("text/*", False),
        ("", False),
    ],
)
def test_who_gets_a_stream(finished: Any, accept: str, streams: bool) -> None:
    answer = finished.client.get(finished.path, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/event-stream" if streams else "application/json")


def test_head_has_the_headers_only(finished: Any) -> None:
    answer = finished.client.head(finished.path, headers=STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert finished.client.head(finished.path).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/v1/jobs/job_0/events", "/v1/datasets/x/events", "/v1/models/none/events"])
def test_nobody_watches_what_is_not_there(service: Any, path: str) -> None:
    assert (stream(service, path).status_code, stream(service, path).json()["code"]) == (404, "not_found")


def test_a_dataset_stream_ends_with_its_verdict(service: Any) -> None:
    dataset = service.validated()
    sent = parse(stream(service, f"/v1/datasets/{dataset.id}/events").text)
    assert [event["event"] for event in sent] == ["dataset.created", "dataset.ready"]


def test_events_of_a_model(service: Any) -> None:
    service.published({"model.tflite": b"m"})
    [event] = service.client.get("/v1/models/films/events").json()["data"]
    assert (event["type"], event["data"]["version"]) == ("model.version_created", 1)


@contextmanager
def later(work: Any) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_events_come_as_they_happen(service: Any) -> None:
    """Each is written once the reader has had time to see the one before; the last one ends the stream."""
    job_id = service.job(preset="bow").json()["id"]
    watcher = service.app.state.services.watcher

    def work() -> None:
        wait_for(lambda: watcher.readers)
        with service.database.write() as session:
            events.append(session, job_id, "job.note", {"text": "one\u2028two"})
            events.append(session, job_id, "job.note", {"text": "three\nfour"})
        wait_for(lambda: any(watched.last_seq == 3 for watched in list(watcher._subjects.values())))
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)

    with later(work):
        sent = parse(stream(service, f"/v1/jobs/{job_id}/events").text)
    assert [int(event["id"]) for event in sent] == [1, 2, 3, 4]
    assert [event["event"] for event in sent][-1] == "job.cancelled"
    assert json.loads(sent[2]["data"])["data"] == {"text": "three\nfour"}
    assert watcher.readers == 0


def test_a_number_that_was_never_given_out_is_not_waited_for(service: Any) -> None:
    """A client may know one from before a restore of the database; its stream still ends with the job."""
    job_id = service.job(preset="bow").json()["id"]
    watcher = service.app.state.services.watcher

    def work() -> None:
        wait_for(lambda: watcher.readers)
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)

    with later(work):
        sent = parse(stream(service, f"/v1/jobs/{job_id}/events?after=2000000000").text)
    assert [event["event"] for event in sent] == ["job.cancelled"]


def wait_for(condition: Any, seconds: float = 10) -> None:
    for _ in range(int(seconds * 100)):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen in time")


def test_streams_and_held_answers_end_when_the_service_stops(service: Any) -> None:
    job_id = service.job(preset="bow").json()["id"]
    watcher = service.app.state.services.watcher
    answers: list[Any] = []

    def ask(path: str, headers: dict[str, str]) -> None:
        answers.append(service.client.get(path, headers=headers))

    asked = [
        threading.Thread(target=ask, args=(f"/v1/jobs/{job_id}/events", STREAM)),
        threading.Thread(target=ask, args=(f"/v1/jobs/{job_id}?wait=30", {})),
    ]
    for thread in asked:
        thread.start()
    wait_for(lambda: sum(watched.users for watched in list(watcher._subjects.values())) >= 2)
    service.client.portal.call(watcher.close)
    for thread in asked:
        thread.join(5)
        assert not thread.is_alive()
    assert sorted(answer.status_code for answer in answers) == [200, 200]


class Away:
    """A database that is away as often as it is told."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.failures = 0

    @contextmanager
    def read(self) -> Iterator[Any]:
        if self.failures:
            self.failures -= 1
            raise OperationalError("SELECT 1", {}, Exception("connection refused"))
        with self.database.read() as session:
            yield session


async def collect(chunks: AsyncIterator[bytes]) -> list[str]:
    return [event["id"] for event in parse(b"".join([chunk async for chunk in chunks]).decode())]


def test_a_database_that_goes_away_costs_a_pause(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0.01)
    job_id = service.job(preset="bow").json()["id"]
    database = Away(service.database)
    watcher = Watcher(database, event_streams.encode)  # type: ignore[arg-type]

    async def scenario() -> list[str]:
        first = event_streams._page(watcher, service.database, job_id, 0)
        reading = asyncio.create_task(
            collect(event_streams._chunks(watcher, database, job_id, 0, first, False))  # type: ignore[arg-type]
        )
        database.failures = 3
        await asyncio.to_thread(wait_for, lambda: database.failures == 0)
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)
        return await asyncio.wait_for(reading, 10)

    assert asyncio.run(scenario()) == ["1", "2"]


def test_a_reader_far_behind_reads_from_the_database(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "TAIL", 3)
    monkeypatch.setattr(event_streams, "PAGE", 4)
    job_id = service.job(preset="bow").json()["id"]
    watcher = Watcher(service.database, event_streams.encode)

    async def scenario() -> list[list[str]]:
        first = event_streams._page(watcher, service.database, job_id, 0)
        readers = [event_streams._chunks(watcher, service.database, job_id, 0, first, False) for _ in range(2)]
        slow = readers[1]
        begun = [await anext(slow), await anext(slow)]
        fast = asyncio.create_task(collect(readers[0]))
        for _ in range(5):
            with service.database.write() as session:
                for _ in range(4):
                    events.append(session, job_id, "job.note")
            await asyncio.sleep(0.03)
        with service.database.write() as session:
            jobs.request_cancel(session, job_id)
        rest = await collect(slow)
        return [await fast, [event["id"] for event in parse(b"".join(begun).decode())] + rest]

    expected = [str(seq) for seq in range(1, 23)]
    assert asyncio.run(scenario()) == [expected, expected]


def test_keep_alives_are_comments(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "KEEP_ALIVE_SECONDS", 0.01)
    job_id = service.job(preset="bow").json()["id"]
    watcher = Watcher(service.database, event_streams.encode)

    async def scenario() -> list[bytes]:
        chunks = event_streams._chunks(watcher, service.database, job_id, 1, [], False)
        found = [await anext(chunks), await anext(chunks)]
        watcher.close()
        return found + [chunk async for chunk in chunks]

    assert asyncio.run(scenario()) == [b"retry: 2000\n\n", b": nothing new\n\n"]
