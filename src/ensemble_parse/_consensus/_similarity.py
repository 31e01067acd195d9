"""How alike two values of one type are, from 0 to 1; for many pairs at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union, by_key
from ensemble_parse._rules import Ignore, Tolerance

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

UNRELATED: Final = 50
"""``fuzz.ratio`` of two texts that have nothing to do with each other is up to this; it counts as no likeness."""

LONGEST: Final = 10_000
"""How much of a text is looked at: comparing two takes the product of their lengths."""

WORK: Final = 3e10
"""The sum of such products for which there is time; where there are many pairs, less of each text is looked at."""

DEPTH: Final = 8
"""How deep parts within parts are compared; what is below is equal or not. Items are told apart by what is near."""

BLOCK: Final = 1_000_000
"""How many pairs of inner items are compared at a time."""


def matrix(  # noqa: PLR0911 - a case for each node
    node: Node, left: Sequence[Any], right: Sequence[Any], weights: Sequence[float] | None = None, depth: int = DEPTH
) -> Matrix:
    """Compare every value on the left with every one on the right.

    Equal values are 1, texts as alike as rapidfuzz finds them, numbers 1 if they are near and else 0, and the like 0
    unless equal; records are the mean over their parts, dicts over their keys, lists the share of the longer one that
    is paired.

    Args:
        node: the type of the values.
        left: the rows.
        right: the columns.
        weights: of a record's parts, in their order; equal by default.
        depth: how many levels of parts are gone into.
    """
    import numpy as np

    if isinstance(node, Leaf):
        if node.kind in ("text", "any") and all(isinstance(each, str) for each in (*left, *right)):
            return _texts(node, left, right)
        return _equal(node, left, right) if node.near is None else _near(node, left, right)
    if isinstance(node, Union):
        out = np.zeros((len(left), len(right)))
        kinds = [node.pick(each) for each in left], [node.pick(each) for each in right]
        for kind in {id(each): each for each in kinds[0]}.values():
            rows = [i for i, each in enumerate(kinds[0]) if each is kind]
            columns = [i for i, each in enumerate(kinds[1]) if each is kind]
            if columns:
                part = matrix(kind, [left[i] for i in rows], [right[i] for i in columns], None, depth)
                out[np.ix_(rows, columns)] = part
        return out
    if isinstance(node, Record) and depth and not node.whole:
        return _records(node, left, right, weights, depth - 1)
    equal = _equal(node, left, right)
    if not depth or equal.all():
        return equal
    if isinstance(node, Table):
        return np.maximum(equal, _tables(node, left, right, depth - 1))
    if isinstance(node, Collected):
        return np.maximum(equal, _lists(node, left, right, depth - 1))
    return equal


def _records(
    node: Record, left: Sequence[Any], right: Sequence[Any], weights: Sequence[float] | None, depth: int
) -> Matrix:
    import numpy as np

    rows, columns = ([*zip(*map(node.read, left), strict=True)], [*zip(*map(node.read, right), strict=True)])
    out, whole = np.zeros((len(left), len(right))), 0.0
    for part, weight, a, b in zip(node.parts.values(), weights or [1.0] * len(rows), rows, columns, strict=True):
        if weight and not isinstance(part.node.rules.get("dissent"), Ignore):
            out += weight * matrix(part.node, a, b, None, depth)
            whole += weight
    return out / (whole or 1.0)


def _tables(node: Table, left: Sequence[Any], right: Sequence[Any], depth: int) -> Matrix:
    """Compare dicts key by key, each key once for all of them."""
    import numpy as np

    keyed = by_key(node, [*left, *right])
    sides = keyed[: len(left)], keyed[len(left) :]
    has: tuple[dict[Hashable, list[int]], dict[Hashable, list[int]]] = ({}, {})
    for side, places in zip(sides, has, strict=True):
        for at, names in enumerate(side):
            for key in names:
                places.setdefault(key, []).append(at)
    out, both = np.zeros((len(left), len(right))), np.zeros((len(left), len(right)))
    for key in has[0].keys() & has[1].keys():
        rows, columns = has[0][key], has[1][key]
        square = np.ix_(rows, columns)
        ours, theirs = [left[i][sides[0][i][key]] for i in rows], [right[j][sides[1][j][key]] for j in columns]
        out[square] += matrix(node.item, ours, theirs, None, depth)
        both[square] += 1
    lengths = np.array([len(each) for each in left])[:, None] + np.array([len(each) for each in right])[None, :]
    return np.asarray(out / np.maximum(lengths - both, 1), dtype=np.float64)


def _lists(node: Collected, left: Sequence[Any], right: Sequence[Any], depth: int) -> Matrix:
    """Compare lists by the share of items that are paired; their items all at once."""
    import numpy as np

    rows, columns = ([(at, [*each]) for at, each in enumerate(side) if len(each)] for side in (left, right))
    out = np.zeros((len(left), len(right)))
    if not rows or not columns:
        return out
    theirs = [item for _, each in columns for item in each]
    lengths = np.array([len(each) for _, each in columns])
    starts = np.cumsum(lengths) - lengths
    for block in _blocks(rows, max(BLOCK // len(theirs), 1)):
        heights = np.array([len(each) for _, each in block])
        tops = np.cumsum(heights) - heights
        pairs = matrix(node.item, [item for _, each in block for item in each], theirs, None, depth)
        # No more than the best for each of one side; how the pairs really fall matters only where that is much.
        most = np.minimum(
            np.add.reduceat(np.maximum.reduceat(pairs, starts, axis=1), tops, axis=0),
            np.add.reduceat(np.maximum.reduceat(pairs, tops, axis=0), starts, axis=1),
        )
        longer = np.maximum(heights[:, None], lengths[None, :])
        for i, j in np.argwhere((2 * most >= longer) & (np.minimum(heights[:, None], lengths[None, :]) > 1)).tolist():
            inner = pairs[tops[i] : tops[i] + heights[i], starts[j] : starts[j] + lengths[j]]
            most[i, j] = sum(inner[a, b] for a, b in paired(inner))
        out[np.ix_([at for at, _ in block], [at for at, _ in columns])] = most / longer
    return out


def _blocks(lists: Sequence[tuple[int, list[Any]]], items: int) -> Iterator[list[tuple[int, list[Any]]]]:
    """Take as many lists at a time as have so many items together."""
    block, size = list[tuple[int, list[Any]]](), 0
    for at, each in lists:
        if block and size + len(each) > items:
            yield block
            block, size = [], 0
        block.append((at, each))
        size += len(each)
    yield block


def _equal(node: Node, left: Sequence[Any], right: Sequence[Any]) -> Matrix:
    import numpy as np

    codes: dict[Hashable, int] = {}
    a, b = ([codes.setdefault(node.key(each), len(codes)) for each in side] for side in (left, right))
    return np.asarray(np.array(a)[:, None] == np.array(b)[None, :], dtype=np.float64)


def _near(node: Leaf, left: Sequence[Any], right: Sequence[Any]) -> Matrix:
    import numpy as np

    told = node.rules.get("compare")
    rel, absolute = (float(told.rel), float(told.abs)) if isinstance(told, Tolerance) else (0.0, 0.0)
    a, b = (np.array([_float(each) for each in side]) for side in (left, right))
    apart, size = np.abs(a[:, None] - b[None, :]), np.maximum(np.abs(a)[:, None], np.abs(b)[None, :])
    bound = max(rel, values.REL) * size
    if absolute:
        bound = np.maximum(bound, absolute + values.NOISE * size)
    close = np.asarray(apart <= bound, dtype=np.float64)
    # What is no number is equal or not.
    return np.maximum(close, _equal(node, left, right)) if np.isnan(a).any() and np.isnan(b).any() else close


def _float(value: Any) -> float:
    """Read a number as one that can be computed with: not what is beyond all floats, nor what is no number."""
    if not values.is_number(value):
        return math.nan
    try:
        read = float(value)
    except (OverflowError, ValueError):
        return math.nan
    return read if math.isfinite(read) else math.nan


def distances(left: Sequence[int], right: Sequence[int]) -> Matrix:
    """Say how many places every one on the left is from every one on the right."""
    import numpy as np

    return np.abs(np.array(left, dtype=np.float64)[:, None] - np.array(right, dtype=np.float64)[None, :])


def overlaps(left: Sequence[Mapping[int, int]], right: Sequence[Mapping[int, int]]) -> NDArray[np.bool_]:
    """Say which on the left have a voter in common with which on the right."""
    import numpy as np

    voters = range(1 + max(voter for each in (*left, *right) for voter in each))
    a, b = (np.array([[voter in each for voter in voters] for each in side], dtype=np.int64) for side in (left, right))
    return np.asarray(a @ b.T > 0)


def _texts(node: Leaf, left: Sequence[str], right: Sequence[str]) -> Matrix:
    import numpy as np
    from rapidfuzz import fuzz, process

    rows, columns = ([*dict.fromkeys(side)] for side in (left, right))  # a table says the same again and again
    most = min(LONGEST, int(math.sqrt(WORK / (len(rows) * len(columns) or 1))))
    a, b = (
        [(key if isinstance(key := node.key(each[: 2 * most]), str) else each)[:most] for each in side]
        for side in (rows, columns)
    )
    ratios = process.cdist(a, b, scorer=fuzz.ratio, score_cutoff=UNRELATED, dtype=np.float64)
    likeness = np.clip((ratios - UNRELATED) / (100 - UNRELATED), 0.0, 1.0)
    if len(rows) == len(left) and len(columns) == len(right):
        return likeness
    at, to = ({each: place for place, each in enumerate(side)} for side in (rows, columns))
    return likeness[np.ix_([at[each] for each in left], [to[each] for each in right])]


def paired(alike: Matrix) -> list[tuple[int, int]]:
    """Pair rows with columns one to one so that the sum of their likeness is greatest."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(alike, maximize=True)
    return [*zip(rows.tolist(), columns.tolist(), strict=True)]


def alike(left: str, right: str) -> float:
    """Compare two texts, of long ones the beginning."""
    from rapidfuzz import fuzz

    left, right = values.text(left[: 2 * LONGEST]), values.text(right[: 2 * LONGEST])
    return fuzz.ratio(left[:LONGEST], right[:LONGEST]) / 100
