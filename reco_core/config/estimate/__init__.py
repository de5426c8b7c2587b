"""What a job costs, known before anything is trained: arithmetic on the config and a few numbers of the log.

    workload(config, report) -> Workload          examples, vocabulary: counted from the dataset's report
    estimate(config, workload) -> Estimate        bytes of the files, peak memory, seconds
    require_resources(config, workload, limits) -> Estimate, or ResourceEstimateExceeded

benchmarks/estimates.py holds each figure beside what then happens; docs/decisions/0006-estimates.md says why so.
"""

from reco_core.config.estimate.budget import require_budget, smallest_bytes
from reco_core.config.estimate.estimate import Estimate, Seconds, estimate
from reco_core.config.estimate.fitting import Budget, fitted, require_fit, smallest, within
from reco_core.config.estimate.limits import Limits, require_resources
from reco_core.config.estimate.machine import machine_factor, machine_memory
from reco_core.config.estimate.parameters import parameters
from reco_core.config.estimate.warnings import Remark, warnings
from reco_core.config.estimate.workload import Workload, workload

__all__ = [
    "Budget",
    "Estimate",
    "Limits",
    "Remark",
    "Seconds",
    "Workload",
    "estimate",
    "fitted",
    "machine_factor",
    "machine_memory",
    "parameters",
    "require_budget",
    "require_fit",
    "require_resources",
    "smallest",
    "smallest_bytes",
    "warnings",
    "within",
    "workload",
]
