"""Stage 5 of 7: trained model -> .tflite files."""

from reco_core.export.assets import write_assets
from reco_core.export.calibration import training_histories
from reco_core.export.convert import ExportedFiles, ExportedVariant, export, require_exportable
from reco_core.export.golden import GOLDEN_TOLERANCE, golden_cases, reproduces
from reco_core.export.operators import operators
from reco_core.export.parity import Parity, check_parity, check_recommend
from reco_core.export.saved_model import FILE_NAME as SAVED_MODEL

__all__ = [
    "GOLDEN_TOLERANCE",
    "SAVED_MODEL",
    "ExportedFiles",
    "ExportedVariant",
    "Parity",
    "check_parity",
    "check_recommend",
    "export",
    "golden_cases",
    "operators",
    "reproduces",
    "require_exportable",
    "training_histories",
    "write_assets",
]
