"""The calls of `Client` about datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from app.client.calls import Calls
from app.client.models import Dataset
from app.client.uploads import CountingFile, SentReport, upload_file


class DatasetCalls(Calls):
    """Upload, look at and wait for datasets."""

    def upload_dataset(
        self,
        path: Path,
        *,
        name: str | None = None,
        spec: Mapping[str, Any] | None = None,
        items: Path | None = None,
        users: Path | None = None,
        report: SentReport | None = None,
    ) -> Dataset:
        """Upload the log at `path`, streamed from disk; a folder goes as a zip.

        Args:
            path: file or folder.
            name: how to call it; by default the file's name.
            spec: format, mapping and so on, where detection should be overridden.
            items: the item table, where it is a file of its own.
            users: the user table, likewise.
            report: called with (bytes sent, bytes in all).

        Raises:
            FileNotFoundError: there is nothing at `path`.
        """
        fields = {"name": name or path.resolve().name}
        for key, value in (spec or {}).items():
            fields[key] = value if isinstance(value, str) else json.dumps(value)
        with ExitStack() as stack:
            source = stack.enter_context(upload_file(path))
            counting = CountingFile(stack.enter_context(source.open("rb")), source.stat().st_size, report)
            files: dict[str, Any] = {"file": (source.name, counting, "application/octet-stream")}
            for part, table in (("items", items), ("users", users)):
                if table is not None:
                    files[part] = (table.name, stack.enter_context(table.open("rb")), "application/octet-stream")
            timeout = httpx.Timeout(600.0, connect=5.0)
            answer = self.transport.request("POST", "/v1/datasets", data=fields, files=files, timeout=timeout)
        return Dataset.model_validate(answer.json())

    def create_dataset(
        self,
        *,
        builtin: str | None = None,
        url: str | None = None,
        name: str | None = None,
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Have the service fetch a log: one of its built-in ones, or one from a URL where it allows that."""
        given = {"builtin": builtin, "url": url, "name": name, "labels": labels}
        body = {**(spec or {}), **{key: value for key, value in given.items() if value is not None}}
        return Dataset.model_validate(self.transport.request("POST", "/v1/datasets", json=body).json())

    def builtin_datasets(self) -> list[dict[str, Any]]:
        """What the service can fetch by name: `{name, title, bytes, users, items, interactions, licence, url}`."""
        found: list[dict[str, Any]] = self.transport.request("GET", "/v1/builtin_datasets").json()["data"]
        return found

    def dataset_preview(self, dataset_id: str, rows: int = 20) -> dict[str, Any]:
        """The first rows as they were understood, and of an invalid dataset its first lines."""
        path, parameters = f"/v1/datasets/{dataset_id}/preview", {"limit": rows}
        preview: dict[str, Any] = self.transport.request("GET", path, params=parameters).json()
        return preview

    def update_dataset(
        self, dataset_id: str, *, name: str | None = None, labels: Mapping[str, str | None] | None = None
    ) -> Dataset:
        """Give a dataset another name, or set labels (None removes one); the others stay."""
        body = {key: value for key, value in {"name": name, "labels": labels}.items() if value is not None}
        return Dataset.model_validate(self.transport.request("PATCH", f"/v1/datasets/{dataset_id}", json=body).json())

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset that no waiting or running job needs."""
        self.transport.request("DELETE", f"/v1/datasets/{dataset_id}")

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset."""
        return self._one(f"/v1/datasets/{dataset_id}", Dataset)

    def datasets(self, limit: int = 20) -> list[Dataset]:
        """The newest datasets first, at most `limit`."""
        return self._many("/v1/datasets", Dataset, limit)

    def dataset_report(self, dataset_id: str) -> dict[str, Any]:
        """What was read: format, mapping, rows in, accepted and rejected by reason, examples with line numbers."""
        report: dict[str, Any] = self.transport.request("GET", f"/v1/datasets/{dataset_id}/report").json()
        return report

    def wait_for_dataset(self, dataset_id: str) -> Dataset:
        """The dataset once it is `ready` or `invalid`."""
        for answer in self._poll(f"/v1/datasets/{dataset_id}"):
            dataset = Dataset.model_validate(answer)
            if dataset.status != "validating":
                return dataset
        raise AssertionError("polling ends only by an error")
