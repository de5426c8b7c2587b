"""Numbers for Prometheus: of this process about its requests, and of the database about jobs.

What concerns jobs comes from the database alone, so that it is right with any number of processes and after restarts.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from registry import backlog, counters, queues
from registry.backlog import LiveJobs
from registry.counters import INFINITE, SECONDS, Sum
from registry.database import Database

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HTTP_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)

_COUNTED = {
    "jobs_finished": ("pocketrec_jobs_finished", "Jobs that have ended, by type and how.", ("type", "status")),
    "attempts_started": ("pocketrec_attempts_started", "Attempts that workers have begun.", ("type",)),
    "attempts_ended": ("pocketrec_attempts_ended", "Attempts that have ended, by how.", ("type", "outcome")),
    "attempts_lost": (
        "pocketrec_attempts_lost",
        "Attempts that were lost: lease_expired is a worker that fell silent, other reasons are trainers that died.",
        ("type", "reason"),
    ),
}
_TIMED = {
    "phase_seconds": (
        "pocketrec_phase_duration_seconds",
        "Seconds that attempts spent in a phase, counted when they leave it.",
        ("phase", "type"),
    ),
    "job_seconds": (
        "pocketrec_job_duration_seconds",
        "Seconds from a job's first start to its end, with the pauses between its attempts.",
        ("type", "status"),
    ),
    "job_wait_seconds": ("pocketrec_job_wait_seconds", "Seconds from a job's creation to its first start.", ("queue",)),
}


@dataclass(frozen=True)
class Answered:
    """A request that has been answered. `seconds` until the answer began; None where it was held for news."""

    method: str
    route: str
    status: int
    seconds: float | None
    received: int
    sent: int


class Metrics:
    """Those of one app. `readers` says how many event streams are open now."""

    def __init__(self, version: str, readers: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pocketrec_http_requests",
            "Requests answered; status 0 is a client that left before its answer.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pocketrec_http_request_duration_seconds",
            "Seconds until the answer began. Without requests that were held for news (?wait=).",
            ("method", "route"),
            buckets=_HTTP_SECONDS,
            registry=self._registry,
        )
        self._received = Counter(
            "pocketrec_http_received_bytes", "Bytes of request bodies, uploads.", ("route",), registry=self._registry
        )
        self._sent = Counter(
            "pocketrec_http_sent_bytes", "Bytes of answers' bodies, downloads.", ("route",), registry=self._registry
        )
        streams = Gauge("pocketrec_event_streams", "Event streams that are open now.", registry=self._registry)
        streams.set_function(readers)
        build = Gauge(
            "pocketrec_build_info", "1; its labels say what runs.", ("version", "python"), registry=self._registry
        )
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self._registry)

    def count(self, answered: Answered) -> None:
        """Take note of a request."""
        method = answered.method if answered.method in _METHODS else "other"
        self._requests.labels(method, answered.route, str(answered.status)).inc()
        if answered.seconds is not None:
            self._seconds.labels(method, answered.route).observe(answered.seconds)
        if answered.received:
            self._received.labels(answered.route).inc(answered.received)
        if answered.sent:
            self._sent.labels(answered.route).inc(answered.sent)

    def exposition(self, database: Database, accept: str) -> tuple[bytes, str]:
        """All numbers as text, and its media type: what `accept` asks for of Prometheus's formats.

        Raises:
            DBAPIError: the database is away. Half of the numbers would look like a service without jobs.
        """
        with database.read() as session:
            recorded = _Recorded(counters.read_all(session), backlog.live(session))
        encode, media_type = choose_encoder(accept)
        return encode(_Both(self._registry, recorded)), media_type


class _Both(CollectorRegistry):
    """One scrape: this process's numbers and those that were just read from the database."""

    def __init__(self, process: CollectorRegistry, recorded: Collector) -> None:
        super().__init__()
        self._process, self._recorded = process, recorded

    def collect(self) -> Iterator[Metric]:
        yield from self._process.collect()
        yield from self._recorded.collect()


class _Recorded(Collector):
    def __init__(self, sums: Sequence[Sum], live: Sequence[LiveJobs]) -> None:
        self._sums: dict[str, list[Sum]] = defaultdict(list)
        for one in sums:
            self._sums[one.name].append(one)
        self._live = live

    def collect(self) -> Iterator[Metric]:
        yield self._jobs()
        yield from self._queues()
        for name, (shown, text, labels) in _COUNTED.items():
            counted = CounterMetricFamily(shown, text, labels=labels)
            for one in self._sums[name]:
                counted.add_metric([one.labels.get(label, "") for label in labels], one.value)
            yield counted
        for name, (shown, text, labels) in _TIMED.items():
            yield self._histogram(name, shown, text, labels)

    def _jobs(self) -> Metric:
        found: dict[tuple[str, str], float] = defaultdict(float)
        for jobs in self._live:
            found[jobs.type, jobs.status] += jobs.count
        for one in self._sums["jobs_finished"]:
            found[one.labels["type"], one.labels["status"]] += one.value
        family = GaugeMetricFamily("pocketrec_jobs", "Jobs by type and status.", labels=("type", "status"))
        for key, count in sorted(found.items()):
            family.add_metric(key, count)
        return family

    def _queues(self) -> Iterator[Metric]:
        length = GaugeMetricFamily("pocketrec_queue_jobs", "Jobs that wait for a worker.", labels=("queue",))
        age = GaugeMetricFamily(
            "pocketrec_queue_oldest_seconds", "How long the oldest waiting job waits; 0: none does.", labels=("queue",)
        )
        waiting = [jobs for jobs in self._live if jobs.waiting]
        for queue in sorted({*queues.ALL, *(jobs.queue for jobs in waiting)}):
            mine = [jobs for jobs in waiting if jobs.queue == queue]
            length.add_metric([queue], sum(jobs.count for jobs in mine))
            age.add_metric([queue], max((jobs.oldest_seconds for jobs in mine), default=0.0))
        yield length
        yield age

    def _histogram(self, name: str, shown: str, text: str, labels: Sequence[str]) -> Metric:
        def key(of: Mapping[str, str]) -> tuple[str, ...]:
            return tuple(of.get(label, "") for label in labels)

        buckets: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
        for one in self._sums[f"{name}_bucket"]:
            buckets[key(one.labels)][one.labels["le"]] = one.value
        seconds = {key(one.labels): one.value for one in self._sums[f"{name}_sum"]}
        family = HistogramMetricFamily(shown, text, labels=labels)
        for labelled, counts in sorted(buckets.items()):
            total, cumulative = 0.0, []
            for bound in (*map(str, SECONDS), INFINITE):
                total += counts.get(bound, 0.0)
                cumulative.append((bound, total))
            family.add_metric(labelled, cumulative, seconds.get(labelled, 0.0))
        return family
