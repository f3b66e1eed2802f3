"""Products Aᵀr of many shards of one sparse matrix: the sums of `csr`, shard after shard.

``rows`` are the matrix's rows that the shards have, one shard after another; those of shard i are
the ones from bounds[i] to bounds[i + 1]. Its product is line i of the result. Where they are a
slice, the rows lie in the matrix as they are wanted. r is made on the way: of each row the
``numerator`` divided by 1 plus the ``exponential``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psim.compiled import compiled
from psim.problems.kernels.csr import CompiledRows

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Naturals = NDArray[np.unsignedinteger]


def transposed_times(
    matrix: CompiledRows,
    rows: slice | Integers,
    bounds: Integers,
    numerators: Array,
    exponentials: Array,
) -> Array:
    """The products, freshly allocated; shape (shards, size). In the ``numerators`` are the rows'
    signs, where the matrix has such.
    """
    products = np.zeros((len(bounds) - 1, matrix.size))
    ends, columns, entries = matrix.parts
    if isinstance(rows, slice):
        ends = ends[rows.start : rows.stop + 1]
        if matrix.signs is None:
            _scatter_in_turn(ends, columns, entries, bounds, numerators, exponentials, products)
        else:
            _scatter_ones_in_turn(ends, columns, bounds, numerators, exponentials, products)
    elif matrix.signs is None:
        _scatter(ends, columns, entries, rows, bounds, numerators, exponentials, products)
    else:
        _scatter_ones(ends, columns, rows, bounds, numerators, exponentials, products)
    return products


@compiled
def _scatter(
    ends: Naturals,
    columns: Naturals,
    entries: Array,
    rows: Integers,
    bounds: Integers,
    numerators: Array,
    exponentials: Array,
    products: Array,
) -> None:
    for shard in range(len(products)):
        product = products[shard]
        for number in range(bounds[shard], bounds[shard + 1]):
            factor = numerators[number] / (1.0 + exponentials[number])
            for place in range(ends[rows[number]], ends[rows[number] + 1]):
                product[columns[place]] += entries[place] * factor


@compiled
def _scatter_ones(
    ends: Naturals,
    columns: Naturals,
    rows: Integers,
    bounds: Integers,
    numerators: Array,
    exponentials: Array,
    products: Array,
) -> None:
    """`_scatter` of a matrix whose entries are all 1."""
    for shard in range(len(products)):
        product = products[shard]
        for number in range(bounds[shard], bounds[shard + 1]):
            factor = numerators[number] / (1.0 + exponentials[number])
            for place in range(ends[rows[number]], ends[rows[number] + 1]):
                product[columns[place]] += factor


@compiled
def _scatter_in_turn(
    ends: Naturals,
    columns: Naturals,
    entries: Array,
    bounds: Integers,
    numerators: Array,
    exponentials: Array,
    products: Array,
) -> None:
    """`_scatter` of rows that lie one after another."""
    for shard in range(len(products)):
        product = products[shard]
        for number in range(bounds[shard], bounds[shard + 1]):
            factor = numerators[number] / (1.0 + exponentials[number])
            for place in range(ends[number], ends[number + 1]):
                product[columns[place]] += entries[place] * factor


@compiled
def _scatter_ones_in_turn(
    ends: Naturals,
    columns: Naturals,
    bounds: Integers,
    numerators: Array,
    exponentials: Array,
    products: Array,
) -> None:
    """`_scatter_in_turn` of a matrix whose entries are all 1."""
    for shard in range(len(products)):
        product = products[shard]
        for number in range(bounds[shard], bounds[shard + 1]):
            factor = numerators[number] / (1.0 + exponentials[number])
            for place in range(ends[number], ends[number + 1]):
                product[columns[place]] += factor
