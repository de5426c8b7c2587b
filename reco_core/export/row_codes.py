"""The item table as whole numbers of eight bits, each row with a scale of its own.

Rounding each number by itself costs twice as many places in the top ten as it must: of the directions in which rows
can be off, contexts use some far more than others. So the error of each column is made up for in the columns after it,
weighed by how contexts vary together: the method that GPTQ (Frantar et al. 2022) has for layers of language models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 127  # codes lie between -127 and 127, as converters have it
_DAMPING = 0.1  # of the mean second moment, added to each; rows are also what the encoder reads, in every direction
_CHUNK = 4096  # rows coded at a time
_CONSTANTS = tuple(2.0**power for power in range(-2, 9))


@dataclass(frozen=True)
class RowCodes:
    """`decoded` is about the table: row r = codes[r, :-2] * codes[r, -1] * unit, bias r likewise of column -2."""

    codes: NDArray[np.int8]  # [V + 1, dim + 2] dimensions, bias / constant, scale; padding's are 0 but for the scale
    largest: float  # the largest number of the table is 127 * 127 * unit
    constant: float  # what stands in a context for the bias's column

    @property
    def unit(self) -> float:
        """Numbers are products of two codes with this."""
        return self.largest / MOST**2

    def decoded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """float32 rows [V + 1, dim] and biases [V + 1] that the codes stand for."""
        numbers = self.codes[:, :-1] * (self.codes[:, -1:] * np.float32(self.unit))
        return numbers[:, :-1], numbers[:, -1] * np.float32(self.constant)


def code_rows(
    rows: NDArray[np.float32], biases: NDArray[np.float32], moments: NDArray[np.float64] | None = None
) -> RowCodes:
    """Code a table.

    Args:
        rows: float32 [V + 1, dim], row 0 of zeros for padding.
        biases: float32 [V + 1].
        moments: [dim + 1, dim + 1] means of the products of a context's numbers, and of a last number that is always
            1; None takes contexts to be as large in all directions.
    """
    dim = rows.shape[1]
    if moments is None:
        moments = np.eye(dim + 1)
    largest = np.abs(rows).max(axis=1)  # [V + 1]
    constant = _constant(largest, np.abs(biases), float(np.trace(moments[:dim, :dim])))
    moments = moments * np.append(np.ones(dim), constant) * np.append(np.ones(dim), constant)[:, None]
    table = np.concatenate([rows, biases[:, None] / np.float32(constant)], axis=1)
    largest = np.maximum(largest, np.abs(table[:, -1]))
    most = max(float(largest.max()), 1e-30)
    # upwards, so that the largest number of a row has a code: .3 of a most of 1 -> 39 / 127
    scales = np.clip(np.ceil(largest / most * MOST - 1e-4), 1, MOST).astype(np.float32)
    codes = np.empty((len(rows), dim + 2), np.int8)
    codes[:, -1] = scales
    order, feedback = _feedback(moments)
    for begin in range(0, len(rows), _CHUNK):
        some = slice(begin, begin + _CHUNK)
        steps = table[some] / (scales[some, None] * np.float32(most / MOST**2))
        codes[some, order] = _rounded(np.ascontiguousarray(steps[:, order].T), feedback).T
    return RowCodes(codes, most, constant)


def _constant(largest: NDArray[np.float32], biases: NDArray[np.float32], power: float) -> float:
    """The constant in a context that makes the scores' error least.

    A large one lets biases stay below their rows' largest numbers, which decide on the steps; but the bias's own error
    counts as often.
    """
    errors = [
        float(np.square(np.maximum(largest, biases / one), dtype=np.float64).sum()) * (power + one**2)
        for one in _CONSTANTS
    ]
    return _CONSTANTS[int(np.argmin(errors))]


def _feedback(moments: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Columns in the order in which to round them, and what a column's error is worth in each later one."""
    size = len(moments)
    damped = moments + np.eye(size) * max(_DAMPING * float(np.trace(moments)) / size, 1e-30)
    order = np.argsort(-np.diag(damped), kind="stable")
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    return order, (upper / np.diag(upper)[:, None]).astype(np.float32)


def _rounded(steps: NDArray[np.float32], feedback: NDArray[np.float32]) -> NDArray[np.int8]:
    """float32 [columns, n] in steps -> int8 codes; `steps` is used up."""
    codes = np.empty(steps.shape, np.int8)
    for column, given in enumerate(steps):
        found = np.clip(np.rint(given), -MOST, MOST)
        codes[column] = found
        steps[column + 1 :] -= feedback[column, column + 1 :, None] * (given - found)
    return codes
