"""All figures, in the order in which they are measured and shown."""

from __future__ import annotations

from chaos import soak
from chaos.figures import disk, fire, messages, training, workers
from chaos.figures.run import Figure

FIGURES: tuple[Figure, ...] = (
    Figure("killed_training", "1", "same sha256", 1, 100, ("sqlite", "postgresql"), training.killed_training),
    Figure(
        "broker_wiped",
        "2",
        "all finish, none twice",
        12,
        1000,
        ("sqlite", "postgresql", "rabbitmq"),
        messages.broker_wiped,
    ),
    Figure("database_restarted", "3", "all finish", 12, 5000, ("postgresql",), workers.database_restarted),
    Figure("killed_after_brpop", "4", "all recovered", 2, 50, ("postgresql",), messages.killed_after_brpop),
    Figure("recovery", "5", "within 10 s (lease 4 s)", 4, 40, ("sqlite", "postgresql"), workers.recovery),
    Figure("recovery_defaults", "5", "p50 75 s, p99 90 s", 4, 40, ("postgresql",), workers.recovery_with_defaults),
    Figure("forty_copies", "6", "one result each", 5, 100, ("sqlite", "postgresql", "rabbitmq"), messages.forty_copies),
    Figure("frozen", "7", "no stale write", 2, 50, ("sqlite", "postgresql"), workers.frozen_past_the_lease),
    Figure("killed_before_publish", "8", "none lost", 2, 200, ("sqlite", "postgresql"), messages.killed_before_publish),
    Figure("sigterm", "9", "exit 20 s, 1 batch, same bytes", 1, 20, ("sqlite", "postgresql"), training.sigterm),
    Figure("disk_full", "10", "typed error, resumes", 2, 40, ("sqlite", "postgresql"), disk.disk_full),
    Figure("latency", "12", "p50 20 ms, p99 150 ms", 300, 2000, ("sqlite", "postgresql"), training.latency),
    Figure("cancel", "17", "running 15 s, queued 1 s", 1, 10, ("sqlite", "postgresql"), workers.cancel),
    Figure("out_of_memory", "18", "3 attempts, then failed", 1, 10, ("sqlite", "postgresql"), workers.out_of_memory),
    Figure("fire", "all", "each ends once, same bytes", 12, 500, ("sqlite", "postgresql", "rabbitmq"), fire.fire),
    Figure("soak", "long", "memory, files, threads flat", 60, 1000, ("sqlite", "postgresql"), soak.soaked),
)
