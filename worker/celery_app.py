"""The Celery app: a queue of nudges. It stores no results and knows nothing of jobs but their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from kombu import Exchange, Queue

from registry import broker_transports as broker_transports  # makes its names known to kombu
from registry.broker_address import MESSAGE_FORM, connection_to, message_queue
from worker.slots import capacities

if TYPE_CHECKING:
    from registry.settings import Settings


def make_app(settings: Settings) -> Celery:
    """An app for publishing and consuming nudges over `settings.broker_url`, which must be set.

    An embedded broker's URL gets there by `settings.model_copy(update={"broker_url": running.url})`.

    Raises:
        ValueError: no broker URL is set.
    """
    if not settings.broker_url:
        raise ValueError("broker_url is not set; start a broker with worker.broker.start(settings) and pass its url")
    connection = connection_to(settings.broker_url)
    if connection.is_redis:
        timing: dict[str, Any] = {"socket_connect_timeout": 5, "health_check_interval": 10}
    else:
        timing = {"polling_interval": 0.2} if connection.transport else {}
    app = Celery("pocketrec", set_as_current=False, backend="disabled")
    app.conf.update(
        MESSAGE_FORM,
        broker_url=connection.url,
        broker_transport=connection.transport,
        broker_transport_options=connection.options | timing,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_connection_timeout=5,
        # A message is only a hint: losing one costs nothing, and holding one back for a late ack would gain nothing.
        task_acks_late=False,
        # Named one by one: with nothing but names, Celery would take messages from the default queue only.
        task_queues=[_queue(message_queue(queue)) for queue in settings.queues],
        worker_pool="threads",
        # One for each slot. A message of a queue whose slots are all at work is dropped at once, so that it never holds
        # a thread that a job of another queue could have (worker/slot.py).
        worker_concurrency=sum(capacities(settings).values()),
        worker_prefetch_multiplier=1,
        # Without it a busy worker holds the next message back from idle ones. Celery knows it for Redis only.
        worker_disable_prefetch=connection.is_redis,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _queue(name: str) -> Queue:
    """As Celery makes one for a sender that knows nothing but its name."""
    return Queue(name, Exchange(name), routing_key=name)


def _for_command_line() -> Celery:
    from registry.settings import Settings
    from worker import tasks
    from worker.housekeeping import Housekeeper
    from worker.reaper import Reaper
    from worker.runtime import Runtime

    settings = Settings()
    app = make_app(settings)
    runtime = Runtime.open(settings, app)
    tasks.register(app, runtime)

    def start(**_kwargs: object) -> None:
        if runtime.make_ready():  # otherwise it was told to stop before it could begin
            Reaper(runtime).start()
            Housekeeper(runtime).start()

    def stop(**_kwargs: object) -> None:
        runtime.stopping.set()

    signals.worker_init.connect(start, weak=False)
    signals.worker_shutting_down.connect(stop, weak=False)
    return app


def __getattr__(name: str) -> Any:
    """`app`, made at first use from the environment: for `celery -A worker.celery_app worker`."""
    if name == "app":
        return globals().setdefault("app", _for_command_line())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
