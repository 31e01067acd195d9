"""How alike two values of one type are, from 0 to 1; for many pairs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._node import Collected, Leaf, Node, Record, Table, Union
from ensemble_parse._rules import Tolerance

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

UNRELATED: Final = 50
"""``fuzz.ratio`` of two texts that have nothing to do with each other is up to this; it counts as no likeness."""


def matrix(node: Node, left: Sequence[Any], right: Sequence[Any], weights: Sequence[float] | None = None) -> Matrix:
    """Compare every value on the left with every one on the right.

    Equal values are 1, texts as alike as rapidfuzz finds them, numbers and the like 0 unless equal; records are the
    mean over their parts, lists the share of the longer one that is paired.

    Args:
        node: the type of the values.
        left: the rows.
        right: the columns.
        weights: of a record's parts, in their order; equal by default.
    """
    import numpy as np

    if isinstance(node, Record) and not node.whole:
        return _records(node, left, right, weights)
    if isinstance(node, Leaf):
        texts = node.kind in ("text", "any") and all(isinstance(each, str) for each in (*left, *right))
        if texts:
            return _texts(node, left, right)
        told = node.rules.get("compare")
        return _near(told, left, right) if isinstance(told, Tolerance) else _equal(node, left, right)
    if isinstance(node, Union):
        out = np.zeros((len(left), len(right)))
        kinds = [node.pick(each) for each in left], [node.pick(each) for each in right]
        for kind in {id(each): each for each in kinds[0]}.values():
            rows = [i for i, each in enumerate(kinds[0]) if each is kind]
            columns = [i for i, each in enumerate(kinds[1]) if each is kind]
            if columns:
                out[np.ix_(rows, columns)] = matrix(kind, [left[i] for i in rows], [right[i] for i in columns])
        return out
    out = _equal(node, left, right)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            if not out[i, j]:
                out[i, j] = _collections(node, a, b)
    return out


def _records(node: Record, left: Sequence[Any], right: Sequence[Any], weights: Sequence[float] | None) -> Matrix:
    import numpy as np

    rows, columns = ([*zip(*map(node.read, left), strict=True)], [*zip(*map(node.read, right), strict=True)])
    out, whole = np.zeros((len(left), len(right))), 0.0
    for part, weight, a, b in zip(node.parts.values(), weights or [1.0] * len(rows), rows, columns, strict=True):
        if part.node.rules.get("dissent") is None or weight:
            out += weight * matrix(part.node, a, b)
            whole += weight
    return out / (whole or 1.0)


def _equal(node: Node, left: Sequence[Any], right: Sequence[Any]) -> Matrix:
    import numpy as np

    codes: dict[Hashable, int] = {}
    a, b = ([codes.setdefault(node.key(each), len(codes)) for each in side] for side in (left, right))
    return np.asarray(np.array(a)[:, None] == np.array(b)[None, :], dtype=np.float64)


def _near(told: Tolerance, left: Sequence[Any], right: Sequence[Any]) -> Matrix:
    import numpy as np

    a, b = (np.array([float(each) if values.is_number(each) else np.nan for each in side]) for side in (left, right))
    rel, absolute = float(told.rel) + values.NOISE, float(told.abs)
    return np.asarray(np.isclose(a[:, None], b[None, :], rtol=rel, atol=absolute), dtype=np.float64)


def distances(left: Sequence[int], right: Sequence[int]) -> Matrix:
    """Say how many places every one on the left is from every one on the right."""
    import numpy as np

    return np.abs(np.array(left, dtype=np.float64)[:, None] - np.array(right, dtype=np.float64)[None, :])


def _texts(node: Leaf, left: Sequence[str], right: Sequence[str]) -> Matrix:
    import numpy as np
    from rapidfuzz import fuzz, process

    a, b = ([str(key) if isinstance(key := node.key(each), str) else each for each in side] for side in (left, right))
    ratios = process.cdist(a, b, scorer=fuzz.ratio, score_cutoff=UNRELATED, dtype=np.float64)
    return np.clip((ratios - UNRELATED) / (100 - UNRELATED), 0.0, 1.0)


def _collections(node: Node, left: Any, right: Any) -> float:
    if isinstance(node, Table):
        sides = [{node.name.key(key): each for key, each in side.items()} for side in (left, right)]
        both = sides[0].keys() & sides[1].keys()
        alike = sum(float(matrix(node.item, [sides[0][key]], [sides[1][key]])[0, 0]) for key in both)
        return alike / max(len(sides[0].keys() | sides[1].keys()), 1)
    if not isinstance(node, Collected):
        return 0.0
    if not left or not right:
        return float(len(left) == len(right))
    pairs = matrix(node.item, [*left], [*right])
    return float(sum(pairs[i, j] for i, j in paired(pairs))) / max(len(left), len(right))


def paired(alike: Matrix) -> list[tuple[int, int]]:
    """Pair rows with columns one to one so that the sum of their likeness is greatest."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(alike, maximize=True)
    return [*zip(rows.tolist(), columns.tolist(), strict=True)]


def alike(left: str, right: str) -> float:
    """Compare two texts."""
    from rapidfuzz import fuzz

    return fuzz.ratio(values.text(left), values.text(right)) / 100
