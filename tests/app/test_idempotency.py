"""`Idempotency-Key`: whatever happens to the answer, a request with a key does its work once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from app import idempotency
from registry import tables
from registry.database import now

KEY = {"Idempotency-Key": "b3a1c2d4-0001"}


def count(service: Any, table: Any = tables.idempotency_keys) -> int:
    with service.database.read() as session:
        return int(session.execute(select(func.count()).select_from(table)).scalar_one())


def order(service: Any, **more: Any) -> dict[str, Any]:
    return {"dataset_id": service.validated().id, "model": "films", **more}


class TestJobs:
    """The mechanism, by way of `POST /v1/jobs`."""

    def test_the_same_request_gets_the_same_answer_and_makes_one_job(self, service: Any) -> None:
        body = order(service)
        first = service.client.post("/v1/jobs", json=body, headers=KEY)
        nudged = list(service.nudged)
        again = service.client.post("/v1/jobs", json=body, headers=KEY)
        assert (first.status_code, again.status_code) == (202, 202)
        assert again.content == first.content
        for name in ("Location", "Retry-After", "Content-Type"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert len(service.client.get("/v1/jobs?type=train").json()["data"]) == 1
        assert service.nudged == nudged

    def test_spaces_and_the_order_of_members_do_not_count(self, service: Any) -> None:
        body = order(service)
        first = service.client.post("/v1/jobs", json=body, headers=KEY)
        members = ", ".join(f'"{key}" :"{body[key]}"' for key in sorted(body, reverse=True))
        json = {"Content-Type": "application/json"}
        again = service.client.post("/v1/jobs", content=f"{{ {members} }}", headers={**KEY, **json})
        assert again.json()["id"] == first.json()["id"]

    def test_another_body_is_refused(self, service: Any) -> None:
        body = order(service)
        service.client.post("/v1/jobs", json=body, headers=KEY)
        other = service.client.post("/v1/jobs", json={**body, "model": "books"}, headers=KEY)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert len(service.client.get("/v1/jobs?type=train").json()["data"]) == 1

    def test_the_answer_stays_when_the_world_has_changed(self, service: Any) -> None:
        body = order(service)
        first = service.client.post("/v1/jobs", json=body, headers=KEY)
        service.client.post(f"/v1/jobs/{first.json()['id']}:cancel")
        with service.database.write() as session:
            session.execute(update(tables.datasets).values(status="invalid"))
        assert service.client.post("/v1/jobs", json=body, headers=KEY).content == first.content

    def test_a_refused_request_leaves_the_key_free(self, service: Any) -> None:
        body = order(service)
        assert service.client.post("/v1/jobs", json={**body, "preset": "nope"}, headers=KEY).status_code == 422
        assert service.client.post("/v1/jobs", json={**body, "dataset_id": "ds_0"}, headers=KEY).status_code == 422
        assert count(service) == 0
        assert service.client.post("/v1/jobs", json=body, headers=KEY).status_code == 202

    def test_a_request_that_breaks_half_way_leaves_nothing(self, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        body = order(service)
        before = count(service, tables.jobs)
        with monkeypatch.context() as broken:
            broken.setattr("registry.idempotency.keep", lambda *_: 1 / 0)
            assert service.client.post("/v1/jobs", json=body, headers=KEY).status_code == 500
        assert (count(service), count(service, tables.jobs)) == (0, before)
        assert service.client.post("/v1/jobs", json=body, headers=KEY).status_code == 202

    def test_without_a_key_each_request_counts(self, service: Any) -> None:
        body = order(service)
        ids = {service.client.post("/v1/jobs", json=body).json()["id"] for _ in range(2)}
        assert len(ids) == 2
        assert count(service) == 0

    def test_keys_of_different_addresses_are_different_keys(self, service: Any) -> None:
        ids = [service.job().json()["id"] for _ in range(2)]
        answers = [service.client.post(f"/v1/jobs/{job_id}:cancel", headers=KEY).json() for job_id in ids]
        assert [answer["id"] for answer in answers] == ids

    def test_after_a_day_the_key_is_free_and_swept_with_others(self, service: Any) -> None:
        body = order(service)
        service.client.post("/v1/jobs", json=body, headers=KEY)
        service.client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "other"})
        with service.database.write() as session:
            gone = now(session) - timedelta(seconds=1)
            session.execute(update(tables.idempotency_keys).values(expires_at=gone))
        again = service.client.post("/v1/jobs", json={**body, "model": "books"}, headers=KEY)
        assert (again.status_code, again.json()["model"]) == (202, "books")
        assert count(service) == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\tkey", b"caf\xc3\xa9", b"\xff"])
    def test_a_key_that_is_none(self, service: Any, key: Any) -> None:
        headers = {"Idempotency-Key": key}
        answer = service.client.post("/v1/jobs", json={"dataset_id": "ds_0"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
        assert "Idempotency-Key" in [error.get("parameter") for error in answer.json()["errors"]]

    def test_two_keys_at_once(self, service: Any) -> None:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        assert service.client.post("/v1/jobs", json={"dataset_id": "ds_0"}, headers=headers).status_code == 422

    def test_a_key_is_one_callers_own(self, make_service: Any) -> None:
        """What another key holder sent under the same name neither shows nor blocks."""
        service = make_service(api_key="k" * 32)
        service.client.headers["Authorization"] = f"Bearer {'k' * 32}"
        stored(service, "POST /v1/jobs", "0" * 64, owner="key:somebody else")
        assert service.client.post("/v1/jobs", json=order(service), headers=KEY).status_code == 202

    @pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
    def test_twenty_at_once_make_one_job(self, make_service: Any, new_schema: Any, database: str) -> None:
        service = make_service(**({"database_url": new_schema()} if database == "postgresql" else {}))
        body = order(service)
        barrier = Barrier(20)

        def post(_: int) -> Any:
            barrier.wait(timeout=20)
            return service.client.post("/v1/jobs", json=body, headers=KEY)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(post, range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
        assert len(service.client.get("/v1/jobs?type=train").json()["data"]) == 1


class TestEveryPost:
    """Each POST of the app, those added later included."""

    def test_it_documents_the_header_and_what_comes_of_it(self, service: Any) -> None:
        found = list(posts(service))
        assert len(found) >= 4
        for path, operation in found:
            names = {parameter["name"]: parameter for parameter in operation["parameters"]}
            assert names["Idempotency-Key"]["in"] == "header", path
            assert not names["Idempotency-Key"].get("required")
            responses = operation["responses"]
            examples = [
                set(responses[status]["content"]["application/problem+json"]["examples"]) for status in ("409", "422")
            ]
            assert "idempotency_in_flight" in examples[0]
            assert "idempotency_key_reused" in examples[1]
            good = [response for status, response in responses.items() if status.startswith("2")]
            assert all("Idempotent-Replayed" in response["headers"] for response in good), path

    def test_it_answers_from_what_is_kept_and_refuses_another_body(self, service: Any) -> None:
        for path, operation in posts(service):
            address = path.replace("{job_id}", "job_1").replace("{name}", "films").replace("{version}", "1")
            assert "{" not in address.replace("{dataset_id}", ""), f"give {path} a value here"
            address = address.replace("{dataset_id}", "ds_1")
            sent = requests(operation)
            for print_, request in sent:
                stored(service, f"POST {address}", print_)
                answer = service.client.post(address, headers=KEY, **request)
                assert (answer.status_code, answer.text) == (299, '{"kept":1}'), (address, answer.text)
                assert answer.headers["Idempotent-Replayed"] == "true"
                stored(service, f"POST {address}", "0" * 64)
                answer = service.client.post(address, headers=KEY, **request)
                assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused"), address


class TestUploads:
    """Forms: their parts count, not their bytes."""

    def upload(
        self, service: Any, content: bytes = b"user,item,ts\n1,2,3\n", name: str = "a.csv", **fields: str
    ) -> Any:
        return service.client.post("/v1/datasets", files={"file": (name, content)}, data=fields, headers=KEY)

    def test_the_same_form_with_another_boundary_makes_one_dataset(self, service: Any) -> None:
        first, again = self.upload(service), self.upload(service)
        assert (first.status_code, again.content) == (202, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["Location"] == first.headers["Location"]
        assert len(service.client.get("/v1/datasets").json()["data"]) == 1

    @pytest.mark.parametrize("other", [{"content": b"user,item,ts\n1,2,4\n"}, {"name": "b.csv"}, {"format": "csv"}])
    def test_another_file_name_or_field_is_another_form(self, service: Any, other: dict[str, Any]) -> None:
        self.upload(service)
        answer = self.upload(service, **other)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_while_the_first_is_being_received_a_second_is_told_to_wait(self, service: Any) -> None:
        under_way = service.app.state.keys_under_way
        name = ("project:default", "POST /v1/datasets", KEY["Idempotency-Key"])
        under_way.add(name)
        answer = self.upload(service)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_flight")
        assert answer.headers["Retry-After"] == "1"
        under_way.remove(name)
        assert self.upload(service).status_code == 202
        assert not under_way

    def test_a_refused_form_leaves_the_key_free(self, service: Any) -> None:
        assert self.upload(service, content=b"").status_code == 422
        assert self.upload(service).status_code == 202


def posts(service: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in service.client.get("/openapi.json").json()["paths"].items():
        if "post" in methods:
            yield path, methods["post"]


def requests(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """For each kind of body that the operation takes: a fingerprint, and how to send what has it."""
    kinds = operation.get("requestBody", {}).get("content", {"": None})
    found: list[tuple[str, dict[str, Any]]] = []
    for kind in kinds:
        if kind == "multipart/form-data":
            sha256 = "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"  # of `bob`
            found.append(
                (idempotency.form_fingerprint({}, {"file": ("a", sha256)}), {"files": {"file": ("a", b"bob")}})
            )
        else:
            found.append((idempotency.fingerprint(b"{}" if kind else b""), {"json": {}} if kind else {}))
    return found


def stored(service: Any, route: str, fingerprint: str, owner: str = "project:default") -> None:
    """Keep an answer as an earlier request would have."""
    keys = tables.idempotency_keys
    with service.database.write() as session:
        moment = now(session)
        session.execute(keys.delete().where(keys.c.route == route, keys.c.owner == owner))
        values = {"owner": owner, "route": route, "key": KEY["Idempotency-Key"], "fingerprint": fingerprint}
        answer = {"status": 299, "headers": {}, "body": '{"kept":1}'}
        times = {"created_at": moment, "expires_at": moment + timedelta(hours=1)}
        session.execute(insert(keys).values(**values, **answer, **times))
