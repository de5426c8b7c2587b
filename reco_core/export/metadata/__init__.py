"""What an exported file says of itself: TensorFlow Lite metadata, and vocabularies in a zip behind the model."""

from reco_core.export.metadata.embed import METADATA_NAME, add_metadata
from reco_core.export.metadata.reference_wording import describe_reference
from reco_core.export.metadata.tables import FILE_IDENTIFIER, metadata_bytes
from reco_core.export.metadata.texts import AssociatedFile, FileKind, ModelText, SignatureText, TensorText
from reco_core.export.metadata.wording import describe

__all__ = [
    "FILE_IDENTIFIER",
    "METADATA_NAME",
    "AssociatedFile",
    "FileKind",
    "ModelText",
    "SignatureText",
    "TensorText",
    "add_metadata",
    "describe",
    "describe_reference",
    "metadata_bytes",
]
