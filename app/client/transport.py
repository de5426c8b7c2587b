"""One request at a time over httpx: addresses, the API key, problem documents to exceptions."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any, Self

import httpx

from app.client.errors import ApiError, Unreachable

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
KEY = "Idempotency-Key"
# Seconds before a POST whose answer got lost is sent again. A service that restarts is back within the sum of them.
PAUSES = (0.2, 1.0, 3.0)
IN_FLIGHT = "idempotency_in_flight"


class Transport:
    """Sends requests to the service at `url` and raises on every answer that isn't a success.

    Args:
        url: such as `http://127.0.0.1:8765`; a path prefix before `/v1` is kept.
        api_key: sent as a bearer token to this address only.
        transport: replaces the network (tests).
    """

    def __init__(self, url: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": "pocketrec"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        # trust_env off for loopback: a proxy that the environment names must not see requests to this very machine.
        local = (httpx.URL(self.url).host or "") in {"127.0.0.1", "localhost", "::1"}
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT, transport=transport, trust_env=not local)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def absolute(self, path: str) -> str:
        """The address of `path`, which may be absolute already; one on another host is refused (the key goes with it).

        Raises:
            Unreachable: the address is another host's.
        """
        if not path.startswith(("http://", "https://")):
            return f"{self.url}{path}"
        ours, theirs = httpx.URL(self.url), httpx.URL(path)
        if (ours.scheme, ours.host, ours.port) != (theirs.scheme, theirs.host, theirs.port):
            raise Unreachable(f"{path} lies on another host than {self.url}; the API key isn't sent there")
        return path

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The whole answer, read. A POST gets an Idempotency-Key of its own, unless `headers` has one.

        So it can be sent again where the connection broke before the answer came: the service does its work once.

        Raises:
            ApiError: a status of 400 or above.
            Unreachable: no answer.
        """
        if method == "POST":
            return self._post(path, options)
        try:
            response = self._http.request(method, self.absolute(path), **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        self.check(response)
        return response

    def _post(self, path: str, options: dict[str, Any]) -> httpx.Response:
        headers = httpx.Headers(options.pop("headers", None))
        headers.setdefault(KEY, str(uuid.uuid4()))
        sent = False  # whether the service may have got it
        for pause in (*PAUSES, None):
            try:
                response = self._http.request("POST", self.absolute(path), headers=headers, **options)
            except httpx.HTTPError as error:
                # Nobody listened, the first time: that is no service that restarts, and waiting helps nobody.
                sent = sent or not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if pause is None or not sent or not isinstance(error, httpx.TransportError):
                    raise self._unreachable(error) from error
            else:
                # 409: the service still works on the one whose answer got lost.
                if pause is None or not (sent and _is_in_flight(response)):
                    self.check(response)
                    return response
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def stream(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """The answer to a GET, its body still to be read and closed by the caller.

        Raises:
            ApiError: a status of 400 or above.
            Unreachable: no answer.
        """
        request = self._http.build_request("GET", self.absolute(path), headers=headers)
        try:
            response = self._http.send(request, stream=True)
            if response.status_code >= 400:
                response.read()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        self.check(response)
        return response

    def check(self, response: httpx.Response) -> None:
        """Raise `ApiError` for a status of 400 or above."""
        if response.status_code < 400:
            return
        try:
            body = response.json()
        except ValueError:
            body = None
        raise ApiError.from_body(response.status_code, body)

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"no answer from {self.url} ({reason}); start the service with `pocketrec serve`, or name its address with "
            "--url or POCKETREC_URL"
        )


def _is_in_flight(response: httpx.Response) -> bool:
    return response.status_code == 409 and IN_FLIGHT in response.text
