"""Bounds that keep the API process small."""

from __future__ import annotations

import anyio.to_thread
import pytest

from app import process_memory


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_requests_run_in_few_threads() -> None:
    process_memory.limit_threads()
    assert anyio.to_thread.current_default_thread_limiter().total_tokens == process_memory.THREADS


def test_sharing_heaps_is_harmless_wherever_it_runs() -> None:
    process_memory.share_heaps()
