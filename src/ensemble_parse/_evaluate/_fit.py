"""Weights and probabilities from labelled answers: a conditional logit over what is said, and whether it does harm."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ensemble_parse._consensus import Survey, against
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._learned import Basis, Learned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ensemble_parse._evaluate._labelled import Labelled, Labels
    from ensemble_parse._evaluate._marks import Marker
    from ensemble_parse._models import Decision
    from ensemble_parse._rules import FieldRule

    Array = NDArray[np.float64]

FEWEST: Final = 100
"""So many labelled answers it takes: with fewer, equal weights were as good on recorded answers."""

_ENOUGH: Final = 100  # questions of one kind, until it has an intercept of its own
_TOWARDS: Final = 0.6  # of the log-odds: what the scores are drawn to, since processors do not err independently
_SUREST: Final = 0.95  # accuracy; what a short file shows beyond that is chance
_LEAST: Final = 0.01  # score; support is never held against an answer
_BASES: Final[tuple[Basis, ...]] = ("equal weights", "learned", "order of accuracy")


class Asked(NamedTuple):
    """A question that was decided, without what it was about.

    Attributes:
        kind: of question.
        said: for each answer who gives it.
        right: which answer is right; -1: none.
    """

    kind: str
    said: tuple[tuple[str, ...], ...]
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """What was fitted, and how it does where it was not fitted.

    Attributes:
        learned: fitted on everything.
        decisions: for each labelled input what weights decide that were learned on the other folds, whether or not they
            do harm; ``None`` where there are no candidates.
    """

    learned: Learned
    decisions: Sequence[Decision[Any] | None]


def crossed(labels: Labels, marker: Marker) -> Crossed:
    """Fit on all folds but one, decide on that one, and fit on everything what did best.

    Raises:
        ConfigurationError: there are fewer labelled answers than it takes.
    """
    cases = [case for case in labels.cases if case.candidates]
    if len(cases) < FEWEST:
        message = (
            f"{len(cases)} labelled answers: weights are learned from {FEWEST} or more; with fewer, equal weights are "
            "as good"
        )
        raise ConfigurationError(message)
    asked = [_asked(case, marker.rules) for case in cases]
    folds = sorted({case.fold for case in cases})
    if len(folds) == 1:
        message = "all labelled answers are in one group: give groups that are several, or none"
        raise ConfigurationError(message)
    scores = dict.fromkeys(_BASES, 0.0)
    decisions: dict[int, Decision[Any]] = {}
    for fold in folds:
        rest = [at for at, case in enumerate(cases) if case.fold != fold]
        fitted = _fitted([cases[at] for at in rest], [asked[at] for at in rest], labels.processors, marker)
        for case in cases:
            if case.fold != fold:
                continue
            for basis, learned in fitted.items():
                decision = Survey(case.candidates, case.result.format.type, marker.rules, learned=learned).decide()
                scores[basis] += marker.mark(case, decision.output).score / len(cases)
                if basis == "learned":
                    decisions[id(case)] = decision
    shares: dict[str, float] = {basis: round(score, 9) for basis, score in scores.items()}
    # Where nothing is better than to treat all alike, as among members that are rarely wrong, that stays.
    basis = max(_BASES, key=lambda each: shares[each])
    learned = _fitted(cases, asked, labels.processors, marker)[basis]
    return Crossed(
        learned=replace(learned, accuracy=shares), decisions=[decisions.get(id(case)) for case in labels.cases]
    )


def _asked(case: Labelled, rules: Mapping[str, FieldRule] | None) -> Counter[Asked]:
    """Gather the questions of one input; who is right is all that counts, and not what about."""
    names = [each.processor for each in case.candidates]
    found: Counter[Asked] = Counter()
    for split in against(case.truth, case.candidates, case.result.format.type, rules):
        said = [tuple(sorted(names[voter] for voter in group)) for group in split.groups]
        if any(said):
            right = said[split.stands]
            kept = sorted(each for each in said if each)
            found[Asked(split.kind, tuple(kept), kept.index(right) if right else -1)] += 1
    return found


def _fitted(
    cases: Sequence[Labelled], asked: Iterable[Counter[Asked]], processors: Sequence[str], marker: Marker
) -> dict[Basis, Learned]:
    total: Counter[Asked] = Counter()
    for each in asked:
        total.update(each)
    scores, none = logit(total, processors)
    mean = sum(scores.values()) / len(scores)
    learned = Learned(
        weights={name: score / mean for name, score in scores.items()}, scores=scores, none=none, items=len(cases)
    )
    return {
        "learned": learned,
        "equal weights": replace(learned, weights=dict.fromkeys(processors, 1.0), basis="equal weights"),
        "order of accuracy": replace(learned, weights=_in_order(cases, processors, marker), basis="order of accuracy"),
    }


def _in_order(cases: Sequence[Labelled], processors: Sequence[str], marker: Marker) -> dict[str, float]:
    """Give each processor more weight than all those have together that were right less often."""
    accuracy: dict[str, float] = {}
    samples: dict[str, int] = {}
    for name in processors:
        said = [[each for each in case.candidates if each.processor == name] for case in cases]
        known = [
            marker.mark(case, each[0].output).score if each else 0.0
            for case, each in zip(cases, said, strict=True)
            if each or name in case.failed
        ]
        accuracy[name] = sum(known) / max(1, len(known))
        samples[name] = max(map(len, said))
    weights: dict[str, float] = {}
    below = 0.0
    for name in sorted(processors, key=lambda each: (accuracy[each], -processors.index(each))):
        weights[name] = below + 1.0
        below += weights[name] * max(1, samples[name])
    mean = sum(weights.values()) / len(weights)
    return {name: weights[name] / mean for name in processors}


def logit(asked: Mapping[Asked, int], processors: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Fit the scores by penalised maximum likelihood.

    The penalty is half the squared distance of each score from 0.6 times the log-odds of the processor's accuracy, and
    of each kind's own intercept from the common one. Scores are positive: support is never held against an answer.

    Returns:
        The score of each processor, and of "none of them" for each kind; ``""`` for all other kinds.
    """
    import numpy as np
    from scipy.optimize import minimize

    place = {name: at for at, name in enumerate(processors)}
    often = Counter[str]()
    for each, count in asked.items():
        often[each.kind] += count
    kinds = [kind for kind, count in sorted(often.items()) if count >= _ENOUGH] if len(often) > 1 else []
    most = max((len(each.said) for each in asked), default=1)
    support = np.zeros((len(asked), most + 1, len(processors)))  # the first answer is "none of them"
    there = np.zeros((len(asked), most + 1), dtype=bool)
    own = np.zeros((len(asked), 1 + len(kinds)))
    for row, each in enumerate(asked):
        there[row, : len(each.said) + 1] = True
        for column, names in enumerate(each.said, 1):
            for name in names:
                support[row, column, place[name]] += 1
        own[row, 0] = 1.0
        if each.kind in kinds:
            own[row, 1 + kinds.index(each.kind)] = 1.0
    right = np.array([each.right + 1 for each in asked])
    counts = np.array([*asked.values()], dtype=np.float64)
    centre = np.concatenate([_centre(asked, processors), np.zeros(1 + len(kinds))])
    held = np.ones_like(centre)
    held[len(processors)] = 0.01  # the common intercept is free, but where no answer was ever wrong
    rows = np.arange(len(asked))

    def loss(x: Array) -> tuple[float, Array]:
        scores = support @ x[: len(processors)]
        scores[:, 0] = own @ x[len(processors) :]
        scores[~there] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        totals = shares.sum(axis=1, keepdims=True)
        value = float(counts @ (np.log(totals[:, 0]) - scores[rows, right]))
        shares /= totals
        shares[rows, right] -= 1.0
        shares *= counts[:, None]
        slope = np.concatenate([np.einsum("rc,rcp->p", shares, support), shares[:, 0] @ own])
        away = x - centre
        return value + 0.5 * float(held @ (away * away)), slope + held * away

    bounds = [(_LEAST, None)] * len(processors) + [(None, None)] * (1 + len(kinds))
    found: Array = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x
    common = float(found[len(processors)])
    none = {"": common} | {kind: common + float(found[len(processors) + 1 + at]) for at, kind in enumerate(kinds)}
    return {name: float(found[at]) for name, at in place.items()}, none


def _centre(asked: Mapping[Asked, int], processors: Sequence[str]) -> Array:
    import numpy as np

    right, total = Counter[str](), Counter[str]()
    for each, count in asked.items():
        for at, names in enumerate(each.said):
            for name in names:
                total[name] += count
                right[name] += count * (at == each.right)
    centre: list[float] = []
    for name in processors:
        share = min(_SUREST, (right[name] + 1) / (total[name] + 2))
        centre.append(max(_LEAST, _TOWARDS * math.log(share / (1 - share))))
    return np.array(centre)
