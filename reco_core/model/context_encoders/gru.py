"""A GRU over the history."""

from __future__ import annotations

from typing import Any

import keras

from reco_core.model.context_encoders.recurrent import RecurrentEncoder


@keras.saving.register_keras_serializable("pocketrec")
class GruEncoder(RecurrentEncoder):
    """GRU, read out after the last real item; see `RecurrentEncoder`."""

    def cell(self, unroll: bool) -> Any:
        """The Keras layer that runs over the history."""
        return keras.layers.GRU(self.num_units, return_sequences=True, unroll=unroll, name="gru")
