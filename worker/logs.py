"""Log lines of the worker."""

from __future__ import annotations

import logging
import time

import structlog

from registry import logs

SECONDS_BETWEEN = 30.0
CONSUMER = "celery.worker.consumer.consumer"
_AWAY = ("Cannot connect to", "Connection to broker lost", "Will retry using next failover")


def configure(level: str = "info", form: logs.Form = "auto") -> None:
    """Those of all processes, from `level` on; what the libraries set up for theirs is taken down."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    consumer = logging.getLogger(CONSUMER)
    for known in consumer.filters[:]:
        consumer.removeFilter(known)
    consumer.addFilter(BrokerAway())
    logs.configure(level, form)


class BrokerAway(logging.Filter):
    """Makes of what Celery says at each of its tries, with a traceback at times, one line now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be shown as it is."""
        message = record.getMessage()
        if not any(words in message for words in _AWAY):
            return True
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN
            fault = record.exc_info[1] if record.exc_info else None
            reason = message.splitlines()[0] if fault is None else repr(fault)
            structlog.get_logger().warning(
                "broker_away", error=reason[:300], meanwhile="jobs are found in the database, some seconds later"
            )
        return False
