from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pagination import make_cursor, open_cursor
from app.problems import Problem


@given(st.from_regex(r"[A-Za-z0-9._-]{1,200}", fullmatch=True))
def test_a_cursor_opens_to_its_key(key: str) -> None:
    cursor = make_cursor("jobs", key)
    assert open_cursor("jobs", cursor) == key
    with pytest.raises(Problem):
        open_cursor("datasets", cursor)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    try:
        found = open_cursor("jobs", text)
    except Problem as problem:
        found = problem.code
    assert found == "invalid_cursor" or make_cursor("jobs", found) == text.rstrip("=")


def test_walking_a_list_by_its_cursors_and_links(service: Any) -> None:
    made = [service.upload(name=f"log {number}").json()["id"] for number in range(5)]
    by_cursor: list[str] = []
    body = service.client.get("/v1/datasets?limit=2").json()
    while True:
        by_cursor += [item["id"] for item in body["data"]]
        if not body["has_more"]:
            assert body["next_cursor"] is None
            break
        body = service.client.get("/v1/datasets", params={"limit": 2, "after": body["next_cursor"]}).json()
    assert by_cursor == made[::-1]

    by_link: list[str] = []
    url: str | None = "/v1/datasets?limit=2&status=validating"
    while url:
        answer = service.client.get(url)
        by_link += [item["id"] for item in answer.json()["data"]]
        url = answer.links.get("next", {}).get("url")
    assert by_link == made[::-1]


def test_a_new_object_does_not_shift_the_next_page(service: Any) -> None:
    made = [service.upload().json()["id"] for _ in range(3)]
    first = service.client.get("/v1/datasets?limit=1").json()
    service.upload()
    second = service.client.get("/v1/datasets", params={"limit": 1, "after": first["next_cursor"]}).json()
    assert [first["data"][0]["id"], second["data"][0]["id"]] == [made[2], made[1]]


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/jobs", "/v1/models"])
def test_bad_paging_is_refused(service: Any, path: str) -> None:
    answer = service.client.get(path, params={"after": "!"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    assert answer.json()["errors"][0]["parameter"] == "after"
    for limit in ("0", "101", "x", ""):
        answer = service.client.get(path, params={"limit": limit})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert answer.json()["errors"][0]["parameter"] == "limit"
