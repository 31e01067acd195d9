"""What a report says besides the scores: fields, calibration, the judge, and all of it in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._decision import Vote
from ensemble_parse._evaluate._marks import pattern
from ensemble_parse._evaluate._report import Bucket, Field, Judged
from ensemble_parse._evaluate._scores import of_fields, whole
from ensemble_parse._evaluate._ways import ASKED, Spent, decided_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ensemble_parse._evaluate._intervals import Bootstrap
    from ensemble_parse._evaluate._labelled import Labels
    from ensemble_parse._evaluate._marks import Marker
    from ensemble_parse._evaluate._report import Interval, Score
    from ensemble_parse._evaluate._ways import Way
    from ensemble_parse._learned import Learned
    from ensemble_parse._models import Decision

_EDGES: Final = (0.0, 0.5, 0.6, 0.8, 1.0)  # what agreements of three, five and seven fall between
_BINS: Final = 10
_FEW: Final = 30  # groups, below which an interval says little


def fields(ensemble: Way, best: Way, oracle: Way) -> tuple[Field, ...]:
    """Count field by field, the most often wrong first."""
    counts: dict[str, list[int]] = {}
    for marks in zip(ensemble.marks, best.marks, oracle.marks, strict=True):
        for path in marks[0].right if marks[0] else ():
            count = counts.setdefault(pattern(path), [0, 0, 0, 0])
            count[0] += 1
            for at, mark in enumerate(marks, 1):
                count[at] += mark is not None and mark.right[path]
    told = [
        Field(
            path=path,
            count=all_,
            wrong=all_ - decided,
            ensemble=decided / all_,
            best=member / all_,
            oracle=any_ / all_,
        )
        for path, (all_, decided, member, any_) in counts.items()
    ]
    return tuple(sorted(told, key=lambda each: (-each.wrong, each.path)))


def calibration(
    labels: Labels, marker: Marker, learned: Sequence[Decision[Any] | None] | None
) -> tuple[tuple[Bucket, ...], dict[str, float]]:
    """Set agreement, and the probability where there is one, beside what is right."""
    agreed: list[tuple[float, bool]] = []
    likely: list[tuple[float, bool]] = []
    for at, case in enumerate(labels.cases):
        if case.answered:
            right = marker.found(case, case.result.output)
            verdicts = case.result.decision.verdicts
            agreed += [(each.agreement, right[path]) for path, each in verdicts.items() if path in right]
        decision = learned[at] if learned else None
        if decision is not None:
            right = marker.found(case, decision.output)
            likely += [
                (each.probability, right[path])
                for path, each in decision.verdicts.items()
                if path in right and each.probability is not None
            ]
    buckets: list[Bucket] = []
    for low, high in zip(_EDGES, (*_EDGES[1:], 1.0), strict=True):
        held = [(x, y) for x, y in agreed if low <= x < high or x == low == 1]
        if held:
            buckets.append(_bucket(low, high, held, probability=False))
    for number in range(_BINS):
        held = [(x, y) for x, y in likely if min(_BINS - 1, int(x * _BINS)) == number]
        if held:
            buckets.append(_bucket(number / _BINS, (number + 1) / _BINS, held, probability=True))
    told = {"agreement": agreed, "probability": likely}
    return tuple(buckets), {name: _error(each) for name, each in told.items() if each}


def _bucket(low: float, high: float, held: Sequence[tuple[float, bool]], *, probability: bool) -> Bucket:
    return Bucket(
        of="probability" if probability else "agreement",
        low=low,
        high=high,
        count=len(held),
        mean=sum(x for x, _ in held) / len(held),
        right=sum(y for _, y in held) / len(held),
    )


def _error(told: Iterable[tuple[float, bool]]) -> float:
    """The expected calibration error, in ten equal bins."""
    away = [0.0] * _BINS
    count = 0
    for sure, right in told:
        away[min(_BINS - 1, int(sure * _BINS))] += sure - right
        count += 1
    return sum(map(abs, away)) / max(1, count)


def judged(labels: Labels, ensemble: Way, marker: Marker, bootstrap: Bootstrap) -> Judged | None:
    """Compare what a judge decided with what the vote makes of the same candidates."""
    import numpy as np

    there = np.array([float(case.result.decision.by is not None) for case in labels.cases])
    if not there.any():
        return None
    vote = decided_again(labels, "Vote()", Vote(rules=marker.rules), marker)
    total = np.array([float(len(marker.none(case).right)) for case in labels.cases])
    own = [
        Spent.on([each for each in case.attempts if each.processor not in labels.processors], 0.0)
        for case in labels.cases
    ]
    costs = [each.cost for each in own]
    right, without = whole(ensemble.marks), whole(vote.marks)
    return Judged(
        items=int(there.sum()),
        whole=float((right * there).sum() / there.sum()),
        gain=bootstrap.gain(right * there, without * there, there),
        field_gain=bootstrap.gain(of_fields(ensemble.marks) * there, of_fields(vote.marks) * there, total * there),
        cost=None if None in costs else sum(cost or 0.0 for cost in costs),
        tokens=sum(each.tokens for each in own),
    )


def notes(labels: Labels, scores: Sequence[Score]) -> tuple[str, ...]:
    """Say what weakens the figures."""
    told: list[str] = []
    if labels.groups < _FEW:
        told.append(f"{labels.groups} independent inputs are few: the intervals are rough.")
    told += [
        f"{score.name} was asked about {score.items} of {len(labels.cases)} inputs, most likely where others "
        'disagreed: its share is no measure of it. Vote(stop="all") asks everybody.'
        for score in scores
        if score.kind == "processor" and score.items < ASKED * len(labels.cases)
    ]
    failed = sum(not case.answered for case in labels.cases)
    if failed:
        told.append(f"{failed} calls gave no answer; each counts as wrong.")
    if labels.unlabelled:
        told.append(f"{labels.unlabelled} results have no truth, and count nowhere.")
    if labels.unanswered:
        told.append(f"{labels.unanswered} truths have no result, and count nowhere.")
    return tuple(told)


def verdict(scores: Sequence[Score], chosen: str, judge: Judged | None, learned: Learned | None) -> str:
    """Say in words whether it pays."""
    by_kind = {score.kind: score for score in scores}
    ensemble, best = by_kind["ensemble"], by_kind["best member"]
    gain, field_gain = ensemble.gain, ensemble.field_gain
    assert gain is not None and field_gain is not None  # noqa: S101, PT018 - only the best member has none
    price = _price(ensemble, best)
    told = [
        (
            f"On {ensemble.items:,} labelled inputs the ensemble is right {ensemble.whole.value:.1%} of the time, and "
            f"its best member, {chosen}, {best.whole.value:.1%}."
        ),
        f"The ensemble gains {points(gain)} points over its best member{price}: {_worth(gain)}.",
    ]
    if ensemble.fields != ensemble.whole:
        told.append(f"By fields it gains {points(field_gain)} points over {best.fields.value:.1%}.")
    if judge:
        price = "" if judge.cost is None else f" for ${judge.cost:.4f}"
        over = f"{points(judge.gain)} points there over the vote{price}"
        told.append(f"The judge decided {judge.items:,} of them and gained {over}.")
    others = [score for score in scores if score.kind == "decision maker" and score.gain]
    top = max(others, key=lambda each: each.whole.value, default=None)
    if top and top.whole.value > max(ensemble.whole.value, best.whole.value):
        told.append(f"Most is right with {top.name}: {top.whole.value:.1%}.")
    if learned:
        told.append(learned.explanation)
    return " ".join(told)


def points(gain: Interval) -> str:
    """Write a difference in points, with its interval."""
    return f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def _price(ensemble: Score, best: Score) -> str:
    for what, one, other in (("cost", ensemble.cost, best.cost), ("tokens", ensemble.tokens, best.tokens)):
        if one and other:
            return f" at {one / other:.1f}x the {what}"
    return ""


def _worth(gain: Interval) -> str:
    if gain.low > 0:
        return "more than chance"
    return "it does harm" if gain.high < 0 else "no more than chance may bring"
