"""Stage 5 of 7: trained model -> .tflite files."""

from reco_core.export.convert import ExportedFiles, ExportedVariant, export
from reco_core.export.golden import GOLDEN_TOLERANCE, golden_cases, reproduces
from reco_core.export.operators import operators
from reco_core.export.parity import Parity, check_parity, check_recommend

__all__ = [
    "GOLDEN_TOLERANCE",
    "ExportedFiles",
    "ExportedVariant",
    "Parity",
    "check_parity",
    "check_recommend",
    "export",
    "golden_cases",
    "operators",
    "reproduces",
]
