"""What every context encoder promises. A new one gets a subclass of three lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reco_core.config import Bow, Cnn, EncoderConfig, Gru, Rnn, Transformer

BATCH, LENGTH, DIM = 5, 6, 4
LENGTHS = [6, 3, 1, 5, 0]


class Contract:
    config: EncoderConfig
    width: int
    ordered = True

    @pytest.fixture
    def layer(self, tensorflow_runtime) -> Any:
        import keras

        from reco_core.model import context_encoders

        keras.utils.set_random_seed(1)
        layer = context_encoders.build(self.config, DIM)
        layer.build((None, LENGTH, DIM))
        return layer

    @pytest.fixture
    def embedded(self) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(BATCH, LENGTH, DIM)).astype(np.float32)

    @pytest.fixture
    def mask(self) -> np.ndarray:
        return (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype(np.float32)

    def test_one_vector_per_history(self, layer, embedded, mask):
        found = np.asarray(layer(embedded, mask))
        assert found.shape == (BATCH, self.width)
        assert found.dtype == np.float32
        assert layer.compute_output_shape((None, LENGTH, DIM)) == (None, self.width)
        assert np.isfinite(found).all()

    def test_what_stands_under_the_mask_changes_nothing(self, layer, embedded, mask):
        garbage = np.where(mask[:, :, None] > 0, embedded, np.float32(77))
        assert np.array_equal(layer(garbage, mask), layer(embedded, mask))

    def test_every_real_item_plays_a_part(self, layer, embedded, mask):
        before = np.asarray(layer(embedded, mask))
        for place in range(LENGTH):
            changed = embedded.copy()
            changed[:, place] += 3
            moved = (np.asarray(layer(changed, mask)) != before).any(axis=1)
            assert moved.tolist() == [place < length for length in LENGTHS]

    def test_order_counts_where_the_encoder_reads_it(self, layer, embedded, mask):
        before, backwards = (np.asarray(layer(rows, mask))[0] for rows in (embedded, embedded[:, ::-1].copy()))
        assert np.allclose(before, backwards, atol=1e-6) is not self.ordered

    def test_histories_do_not_touch_each_other(self, layer, embedded, mask):
        together = np.asarray(layer(embedded, mask))
        alone = np.concatenate([layer(embedded[i : i + 1], mask[i : i + 1]) for i in range(BATCH)])
        assert np.allclose(together, alone, atol=1e-6)

    def test_an_empty_history_gives_one_and_the_same_vector(self, layer, embedded, mask):
        empty = np.zeros((1, LENGTH), np.float32)
        assert np.array_equal(layer(embedded[:1], empty), layer(embedded[1:2], empty))

    def test_whole_sequences_give_what_each_history_gives(self, layer):
        if not hasattr(layer, "every_position"):
            pytest.skip("it reads one history at a time")
        # row 0 holds histories of 3 and 2 items and a pad, row 1 one of 6
        first = np.array([[0, 0, 0, 3, 3, 5], [0] * 6])
        column = np.arange(LENGTH)
        seen = (column[None, None, :] >= first[:, :, None]) & (column[None, None, :] <= column[None, :, None])
        embedded = np.random.default_rng(3).normal(size=(2, LENGTH, DIM)).astype(np.float32)
        found = np.asarray(layer.every_position(embedded, seen))
        for row in range(2):
            for end in range(LENGTH):
                history = embedded[row, first[row, end] : end + 1]
                window = np.zeros((1, LENGTH, DIM), np.float32)
                window[0, : len(history)] = history
                mask = (column < len(history)).astype(np.float32)[None]
                assert np.allclose(found[row, end], np.asarray(layer(window, mask))[0], atol=1e-5), (row, end)

    def test_it_survives_its_config(self, layer, embedded, mask):
        import keras

        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert type(again) is type(layer)
        assert again.built
        again.set_weights(layer.get_weights())
        assert np.array_equal(again(embedded, mask), layer(embedded, mask))

    def test_it_converts_to_built_in_operations_with_the_same_result(self, layer, embedded, mask, convert):
        run, operations = convert(layer, LENGTH, DIM)
        assert operations
        assert not [name for name in operations if "Flex" in name or "CUSTOM" in name.upper()]
        expected = np.asarray(layer(embedded, mask))
        for row in range(BATCH):
            found = run(embedded[row : row + 1], mask[row : row + 1])
            assert np.allclose(found[0], expected[row], atol=1e-5)


class TestBow(Contract):
    config = Bow()
    width = DIM
    ordered = False

    def test_it_is_the_mean_of_the_real_items(self, layer, embedded, mask):
        found = np.asarray(layer(embedded, mask))
        for row, length in enumerate(LENGTHS):
            expected = embedded[row, :length].mean(axis=0) if length else np.zeros(DIM)
            assert np.allclose(found[row], expected, atol=1e-6)


class TestCnn(Contract):
    config = Cnn(num_filter_ratios=(2, 3), kernel_size=3)
    width = 3 * DIM


class TestGru(Contract):
    config = Gru(num_units=7)
    width = 7


class TestTransformer(Contract):
    config = Transformer(blocks=2, heads=2)
    width = DIM

    def test_what_goes_by_age_is_a_mean_of_the_history(self, layer, embedded):
        block = layer.block_0
        random = np.random.default_rng(4)
        block.smoothing_bias.assign(random.normal(size=block.smoothing_bias.shape))
        columns = np.arange(LENGTH)
        seen = np.tile(columns[None, :] <= columns[:, None], (BATCH, 1, 1))
        numbers = block.by_age(columns, LENGTH)[block.heads :]
        found = np.asarray(block._averaged(embedded.astype(np.float32), seen, numbers))
        by_age, part = np.asarray(block.smoothing_bias), DIM // block.heads
        for column in range(LENGTH):
            for head in range(block.heads):
                weights = np.exp(by_age[head, column::-1] if column else by_age[head, :1])
                mine = embedded[:, : column + 1, head * part : (head + 1) * part]
                expected = np.einsum("l,bld->bd", weights / weights.sum(), mine)
                assert np.allclose(found[:, column, head * part : (head + 1) * part], expected, atol=1e-5)


class TestTransformerWithoutSmoothing(Contract):
    config = Transformer(blocks=2, heads=2, smoothing=0)
    width = DIM


class TestTransformerOfOneBlock(Contract):
    config = Transformer(blocks=1, heads=3, feed_forward_ratio=2)
    width = 6  # the least multiple of the heads that holds the embeddings


class TestRnn(Contract):
    config = Rnn(num_units=7)
    width = 7

    def test_it_reads_what_keras_reads_with_a_mask(self, layer, embedded, mask):
        import keras

        masked = keras.layers.LSTM(self.width)
        masked.build((None, LENGTH, DIM))
        masked.set_weights(layer.get_weights())
        expected = np.asarray(masked(embedded[:4], mask=mask[:4] > 0))
        assert np.allclose(np.asarray(layer(embedded, mask))[:4], expected, atol=1e-6)


def test_long_histories_are_read_in_a_loop(convert):
    from reco_core.model.context_encoders import RnnEncoder
    from reco_core.model.context_encoders.recurrent import MOST_UNROLLED_STEPS

    layer = RnnEncoder(3)
    layer.build((None, MOST_UNROLLED_STEPS + 1, 2))
    assert not layer.layer.unroll
    run, operations = convert(layer, MOST_UNROLLED_STEPS + 1, 2)
    assert not [name for name in operations if "Flex" in name]
    embedded = np.random.default_rng(3).normal(size=(1, MOST_UNROLLED_STEPS + 1, 2)).astype(np.float32)
    mask = (np.arange(MOST_UNROLLED_STEPS + 1) < 9)[None].astype(np.float32)
    assert np.allclose(run(embedded, mask), layer(embedded, mask), atol=1e-5)
