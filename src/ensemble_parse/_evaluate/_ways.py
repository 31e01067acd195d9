"""The ways to get an answer: each processor alone, the best of them, the ensemble, other decisions, the oracle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._again import decide_again
from ensemble_parse._decision import First
from ensemble_parse._errors import DecisionError
from ensemble_parse._evaluate._marks import Mark
from ensemble_parse._models import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._decision import DecisionMaker
    from ensemble_parse._evaluate._labelled import Labelled, Labels
    from ensemble_parse._evaluate._marks import Marker
    from ensemble_parse._evaluate._report import Kind
    from ensemble_parse._models import Attempt, Decision

ASKED: Final = 0.95
"""Whoever was asked for a smaller share of the inputs is not compared: most often it was asked where it is hard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What an answer took."""

    cost: float | None = 0.0
    tokens: int = 0
    seconds: float = 0.0

    @classmethod
    def on(cls, attempts: Iterable[Attempt], seconds: float) -> Spent:
        """Add up."""
        made = [*attempts]
        return cls(cost=Cost.of(made).total, tokens=sum(each.usage.total_tokens for each in made), seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to get answers.

    Attributes:
        name: its name.
        kind: as in ``Score``.
        marks: for each input how right its answer is; ``None`` where nobody knows, since it was not asked.
        spent: for each input what it took.
    """

    name: str
    kind: Kind
    marks: Sequence[Mark | None]
    spent: Sequence[Spent] = field(default_factory=list[Spent])


def alone(labels: Labels, name: str, marker: Marker) -> Way:
    """One processor; of several samples the first."""
    marks: list[Mark | None] = []
    for case in labels.cases:
        said = case.first(name)
        if said is not None:
            marks.append(marker.mark(case, said.output))
        else:
            marks.append(marker.none(case) if name in case.failed or not case.candidates else None)
    return Way(name=name, kind="processor", marks=marks, spent=[_of(case, {name}) for case in labels.cases])


def best_member(labels: Labels, members: Sequence[Way]) -> Way:
    """For each fold the processor that did best on the others; ties fall to the order of trust. Named as most often."""
    known = [way for way in members if sum(each is not None for each in way.marks) >= ASKED * len(labels.cases)]
    known = known or [max(members, key=lambda way: sum(each is not None for each in way.marks))]
    chosen: dict[int, Way] = {}
    for fold in {case.fold for case in labels.cases}:
        rest = [at for at, case in enumerate(labels.cases) if case.fold != fold] or [*range(len(labels.cases))]
        chosen[fold] = max(known, key=lambda way: round(_mean([way.marks[at] for at in rest]), 9))
    marks = [chosen[case.fold].marks[at] for at, case in enumerate(labels.cases)]
    spent = [chosen[case.fold].spent[at] for at, case in enumerate(labels.cases)]
    name = Counter(chosen[case.fold].name for case in labels.cases).most_common(1)[0][0]
    return Way(name=name, kind="best member", marks=marks, spent=spent)


def as_decided(labels: Labels, marker: Marker) -> Way:
    """What the ensemble answered."""
    marks = [marker.mark(c, c.result.output) if c.answered else marker.none(c) for c in labels.cases]
    spent = [Spent.on(case.attempts, case.result.seconds) for case in labels.cases]
    return Way(name="ensemble", kind="ensemble", marks=marks, spent=spent)


def decided_again(labels: Labels, name: str, maker: DecisionMaker, marker: Marker) -> Way:
    """What another decision maker makes of the same candidates.

    Raises:
        ConfigurationError: it would ask a model.
    """
    marks: list[Mark] = []
    for case in labels.cases:
        try:
            decision = decide_again(case.result, maker).decision if case.candidates else None
        except DecisionError:
            decision = None
        marks.append(marker.mark(case, decision.output) if decision else marker.none(case))
    spent = [_of(case, _needed(labels, case, maker)) for case in labels.cases]
    return Way(name=name, kind="decision maker", marks=marks, spent=spent)


def with_decisions(labels: Labels, name: str, decisions: Sequence[Decision[Any] | None], marker: Marker) -> Way:
    """The same for decisions that there are already."""
    marks = [
        marker.mark(case, each.output) if each else marker.none(case)
        for case, each in zip(labels.cases, decisions, strict=True)
    ]
    spent = [_of(case, {*labels.processors}) for case in labels.cases]
    return Way(name=name, kind="decision maker", marks=marks, spent=spent)


def oracle(labels: Labels, marker: Marker) -> tuple[Way, Way]:
    """Whoever picks what is right: the right candidate as a whole, and the right value for each path."""
    whole: list[Mark] = []
    fields: list[Mark] = []
    for case in labels.cases:
        marks = [marker.mark(case, each.output) for each in case.candidates] or [marker.none(case)]
        whole.append(max(marks, key=lambda each: (each.whole, each.fields)))
        fields.append(Mark({path: any(each.right[path] for each in marks) for path in marks[0].right}))
    return Way(name="oracle", kind="oracle", marks=whole), Way(name="oracle", kind="oracle", marks=fields)


def _needed(labels: Labels, case: Labelled, maker: DecisionMaker) -> set[str]:
    """Name who had to be asked: all, but for failover those up to the first who answers."""
    if not isinstance(maker, First) or not case.candidates:
        return {*labels.processors}
    return {*labels.processors[: labels.processors.index(case.candidates[0].processor) + 1]}


def _of(case: Labelled, names: set[str]) -> Spent:
    """What the requests of some took; of one processor one after another, of several at the same time."""
    made = [each for each in case.attempts if each.processor in names]
    each_one: Mapping[str, float] = {
        name: min(case.result.seconds or sum(seconds), sum(seconds))
        for name in names
        if (seconds := [each.seconds for each in made if each.processor == name])
    }
    return Spent.on(made, max(each_one.values(), default=0.0))


def _mean(marks: Sequence[Mark | None]) -> float:
    known = [each.score for each in marks if each is not None]
    return sum(known) / max(1, len(known))
