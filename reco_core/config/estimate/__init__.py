"""What a job costs, known before anything is trained: arithmetic on the config and a few numbers of the log."""

from reco_core.config.estimate.budget import require_budget, smallest_bytes

__all__ = ["require_budget", "smallest_bytes"]
