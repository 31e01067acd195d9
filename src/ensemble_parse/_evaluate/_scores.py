"""Every way's score: its shares, what it gains over the best member, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ensemble_parse._evaluate._report import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ensemble_parse._evaluate._intervals import Bootstrap
    from ensemble_parse._evaluate._labelled import Labels
    from ensemble_parse._evaluate._marks import Mark, Marker
    from ensemble_parse._evaluate._ways import Way

    Array = NDArray[np.float64]


def scores(
    ways: Sequence[Way], best: Way, by_field: Way, labels: Labels, marker: Marker, bootstrap: Bootstrap
) -> tuple[Score, ...]:
    """Score every way; the oracle's fields are another way's than its whole answers."""
    sizes = [marker.none(case) for case in labels.cases]
    return tuple(_score(way, by_field if way.kind == "oracle" else way, best, sizes, bootstrap) for way in ways)


def _score(way: Way, fields: Way, best: Way, sizes: Sequence[Mark], bootstrap: Bootstrap) -> Score:
    import numpy as np

    there = np.array([mark is not None for mark in way.marks])
    both = there & np.array([mark is not None for mark in best.marks])
    one, all_ = np.ones(len(sizes)), np.array([float(len(each.right)) for each in sizes])
    right, known = whole(way.marks), whole(best.marks)
    parts, known_parts = of_fields(fields.marks), of_fields(best.marks)
    asked = int(there.sum())
    spent = [each for each, is_there in zip(way.spent, there, strict=False) if is_there]
    costs = [each.cost for each in spent]
    mine = way is best
    return Score(
        name="best member" if mine else way.name,
        kind=way.kind,
        items=asked,
        whole=bootstrap.share(right * there, one * there),
        fields=bootstrap.share(parts * there, all_ * there),
        gain=None if mine else bootstrap.gain(right * both, known * both, one * both),
        field_gain=None if mine else bootstrap.gain(parts * both, known_parts * both, all_ * both),
        cost=None if not spent or None in costs else sum(cost or 0.0 for cost in costs) / max(1, asked),
        tokens=sum(each.tokens for each in spent) / max(1, asked),
        seconds=sum(each.seconds for each in spent) / max(1, asked),
    )


def whole(marks: Sequence[Mark | None]) -> Array:
    """1 where the whole answer is right."""
    import numpy as np

    return np.array([float(each is not None and each.whole) for each in marks])


def of_fields(marks: Sequence[Mark | None]) -> Array:
    """How many fields are right."""
    import numpy as np

    return np.array([float(each.fields) if each is not None else 0.0 for each in marks])
