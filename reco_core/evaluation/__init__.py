"""Stage 6 of 7: scorer of an exported file + examples -> report."""

from reco_core.evaluation.baselines import BASELINES
from reco_core.evaluation.baselines.cooccurrence import follower_table
from reco_core.evaluation.cold import cold_report
from reco_core.evaluation.compare import Comparison, compare, compare_ranks, compare_seeds
from reco_core.evaluation.evaluate import Evaluation, Metric, Stratum, evaluate, sample, validation_ndcg
from reco_core.evaluation.histories import HistoryBatch, Scorer
from reco_core.evaluation.lists import overlap
from reco_core.evaluation.original import original_metrics
from reco_core.evaluation.ranking import Ranks, mask_scores, rank_labels, top_items
from reco_core.evaluation.ranks_file import RanksFile, read_ranks, write_ranks
from reco_core.evaluation.report import report, rounded

__all__ = [
    "BASELINES",
    "Comparison",
    "Evaluation",
    "HistoryBatch",
    "Metric",
    "Ranks",
    "RanksFile",
    "Scorer",
    "Stratum",
    "cold_report",
    "compare",
    "compare_ranks",
    "compare_seeds",
    "evaluate",
    "follower_table",
    "mask_scores",
    "original_metrics",
    "overlap",
    "rank_labels",
    "read_ranks",
    "report",
    "rounded",
    "sample",
    "top_items",
    "validation_ndcg",
    "write_ranks",
]
