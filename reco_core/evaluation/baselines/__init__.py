"""Baselines that every report shows beside the model, fitted on the same training interactions."""

from reco_core.evaluation.baselines.popular import popular

__all__ = ["popular"]
