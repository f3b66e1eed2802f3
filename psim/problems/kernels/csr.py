"""`products.SparseRows`, compiled, for matrices of many entries: the same sums in the same order.

Indices take the fewest bytes that hold them, and where each row's entries are all 1 or all -1, as
in LIBSVM's binary data sets with the labels folded in, the entries take none. That halves the time,
and one copy of the matrix serves both products. The first call on a machine takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.problems.batches import Batch
from psim.problems.products import Csr

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
Naturals = NDArray[np.unsignedinteger]
Signs = NDArray[np.int8]


class CompiledRows(Csr):
    """A as compact CSR."""

    def __init__(self, matrix: csr_array) -> None:
        super().__init__(matrix)
        self._ends = self._matrix.indptr.astype(np.min_scalar_type(self._matrix.nnz))
        self._columns = self._matrix.indices.astype(np.min_scalar_type(self.size))
        self.signs = _row_signs(self._matrix)
        """Of each row the 1 or -1 that all its entries are, where all rows have one."""
        self._entries: Array = self._matrix.data

    @property
    def parts(self) -> tuple[Naturals, Naturals, Array]:
        """Where rows end, the columns of their entries, and these."""
        return self._ends, self._columns, self._entries

    def take(self, which: Batch) -> _TakenRows:
        return _TakenRows(self, which)

    def times_between(self, rows: slice, x: Array) -> Array:
        """`times` of the rows of a slice without a step."""
        first, end = rows.start, rows.stop
        product, ends = np.empty(end - first), self._ends[first : end + 1]
        if self.signs is None:
            _times(ends, self._columns, self._entries, x, product)
        else:
            _sums(ends, self._columns, self.signs[first:end], x, product)
        return product

    def times(self, x: Array) -> Array:
        return self.times_between(slice(0, self.rows), x)

    def transposed_times(self, r: Array) -> Array:
        product = np.zeros(self.size)
        if self.signs is None:
            _scatter(self._ends, self._columns, self._entries, r, product)
        else:
            _scatter_signed(self._ends, self._columns, self.signs, r, product)
        return product


class _TakenRows(NamedTuple):
    """Some rows of a matrix, where they are."""

    whole: CompiledRows
    which: Batch

    def times(self, x: Array) -> Array:
        product = np.empty(len(self.which))
        _times_of(*self.whole.parts, self.which, x, product)
        return product

    def transposed_times(self, r: Array) -> Array:
        product = np.zeros(self.whole.size)
        _scatter_of(*self.whole.parts, self.which, r, product)
        return product


def _row_signs(matrix: csr_array) -> Signs | None:
    """Of each row the 1 or -1 that all its entries are; None where they are something else."""
    entries, counts = matrix.data, np.diff(matrix.indptr)
    signs = np.ones(matrix.shape[0])
    filled = counts > 0
    signs[filled] = entries[matrix.indptr[:-1][filled]]
    alike = bool((np.abs(signs) == 1).all() and (np.repeat(signs, counts) == entries).all())
    return signs.astype(np.int8) if alike else None


@compiled
def _dot(ends: Naturals, columns: Naturals, entries: Array, row: int, x: Array) -> float:
    """A row times x."""
    total = 0.0
    for place in range(ends[row], ends[row + 1]):
        total += entries[place] * x[columns[place]]
    return total


@compiled
def _add(
    ends: Naturals, columns: Naturals, entries: Array, row: int, factor: float, product: Array
) -> None:
    """Adds a row times a factor to the product."""
    for place in range(ends[row], ends[row + 1]):
        product[columns[place]] += entries[place] * factor


@compiled
def _times(ends: Naturals, columns: Naturals, entries: Array, x: Array, product: Array) -> None:
    for row in range(len(product)):
        product[row] = _dot(ends, columns, entries, row, x)


@compiled
def _times_of(
    ends: Naturals, columns: Naturals, entries: Array, which: Batch, x: Array, product: Array
) -> None:
    """`_times` for some of the rows."""
    for number in range(len(which)):
        product[number] = _dot(ends, columns, entries, which[number], x)


@compiled
def _scatter(ends: Naturals, columns: Naturals, entries: Array, r: Array, product: Array) -> None:
    """Adds to each column's sum row after row, as a product with the transposed does."""
    for row in range(len(r)):
        _add(ends, columns, entries, row, r[row], product)


@compiled
def _scatter_of(
    ends: Naturals, columns: Naturals, entries: Array, which: Batch, r: Array, product: Array
) -> None:
    """`_scatter` for some of the rows."""
    for number in range(len(which)):
        _add(ends, columns, entries, which[number], r[number], product)


@compiled
def _sums(ends: Naturals, columns: Naturals, signs: Signs, x: Array, product: Array) -> None:
    """`_times` for rows of one sign: a sum of negated terms is the negated sum, to the bit; but
    where that is 0, it is 0 and not -0.

    Four rows go side by side: a sum waits for its last term, and another one's does not.
    """
    whole = len(product) // 4 * 4
    for row in range(0, whole, 4):
        first, second, third, fourth = ends[row], ends[row + 1], ends[row + 2], ends[row + 3]
        end = ends[row + 4]
        common = min(second - first, third - second, fourth - third, end - fourth)
        a = b = c = d = 0.0
        for place in range(common):
            a += x[columns[first + place]]
            b += x[columns[second + place]]
            c += x[columns[third + place]]
            d += x[columns[fourth + place]]
        product[row] = signs[row] * _added(a, columns, first + common, second, x) + 0.0
        product[row + 1] = signs[row + 1] * _added(b, columns, second + common, third, x) + 0.0
        product[row + 2] = signs[row + 2] * _added(c, columns, third + common, fourth, x) + 0.0
        product[row + 3] = signs[row + 3] * _added(d, columns, fourth + common, end, x) + 0.0
    for row in range(whole, len(product)):
        total = _added(0.0, columns, ends[row], ends[row + 1], x)
        product[row] = signs[row] * total + 0.0


@compiled
def _added(total: float, columns: Naturals, start: int, end: int, x: Array) -> float:
    """The total, and x where a part of a row has its entries."""
    for place in range(start, end):
        total += x[columns[place]]
    return total


@compiled
def _scatter_signed(
    ends: Naturals, columns: Naturals, signs: Signs, r: Array, product: Array
) -> None:
    """`_scatter` for rows of one sign."""
    for row in range(len(r)):
        term = signs[row] * r[row]
        for place in range(ends[row], ends[row + 1]):
            product[columns[place]] += term
