"""The engine from outside: candidates in, a decision out, and in between what is disputed."""

from __future__ import annotations

import functools
import math
import sys
from collections import Counter
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic

from ensemble_parse._consensus._annotations import is_record, unwrapped
from ensemble_parse._consensus._cohere import Outcome
from ensemble_parse._consensus._contests import Contest, Question, contests, questions
from ensemble_parse._consensus._merge import survey
from ensemble_parse._consensus._node import Leaf, Record
from ensemble_parse._consensus._polls import Agreed, Members
from ensemble_parse._consensus._records import around
from ensemble_parse._consensus._settled import Bar, unsettled
from ensemble_parse._consensus._shape import shape
from ensemble_parse._consensus._splits import Split, chances, splits
from ensemble_parse._consensus._values import same
from ensemble_parse._consensus._verdicts import Verdicts
from ensemble_parse._consensus._vote import Panel
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import Candidate, Decision, Reason, T
from ensemble_parse._rules import Mean, Median

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ensemble_parse._consensus._node import Node
    from ensemble_parse._consensus._polls import Place
    from ensemble_parse._consensus._rows import Row
    from ensemble_parse._learned import Learned
    from ensemble_parse._models import How
    from ensemble_parse._rules import FieldRule


class Survey(Generic[T]):
    """What the candidates say, gathered; from it comes a decision, with or without an arbiter's choices.

    Attributes:
        candidates: in the order given.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate[T]],
        type_: Any = None,
        rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
        *,
        must_agree: bool = False,
        learned: Learned | None = None,
    ) -> None:
        """Walk the type once and poll the candidates.

        Args:
            candidates: one or more, the most trusted first.
            type_: their type; ``None`` for that of the candidates.
            rules: as for ``consensus``.
            must_agree: whether all that is not unanimous is undecided.
            learned: weights instead of the candidates' own, and the verdicts' probabilities.

        Raises:
            ConfigurationError: there are no candidates, two have one name, a weight is not positive, a rule does not
                fit the type, or nothing was learned about a candidate's processor.
        """
        if not candidates:
            message = "no candidates: give one or more"
            raise ConfigurationError(message)
        for each in candidates:
            weight: Any = each.weight
            if not (isinstance(weight, int | float) and 0 < weight <= sys.float_info.max):
                message = f"weight={weight!r} of {each.name}: give a number greater than 0"
                raise ConfigurationError(message)
        names = Counter(each.name for each in candidates)
        if len(names) < len(candidates):
            message = f"several candidates are called {names.most_common(1)[0][0]!r}: each needs a name of its own"
            raise ConfigurationError(message)
        if math.isinf(sum(each.weight for each in candidates)):
            message = "the weights add up to more than a number holds: give smaller ones"
            raise ConfigurationError(message)
        self.candidates = tuple(candidates)
        self._names = [each.name for each in self.candidates]
        self._learned = learned
        self._panel = Panel.of([learned.weight(each.processor) if learned else each.weight for each in self.candidates])
        said = [each.output for each in self.candidates]
        self._must_agree, self._type = must_agree, type_
        node, wrapped = _root(type_, said, rules)
        self._poll = survey(node, self._panel, range(len(said)), [(each,) for each in said] if wrapped else said)
        self._wrapped = wrapped

    def distinct(self) -> list[Candidate[T]]:
        """The first of each different answer, in order; what is only spelled differently is different here."""
        first: list[Candidate[T]] = []
        for candidate in self.candidates:
            if not any(same(candidate.output, each.output) for each in first):
                first.append(candidate)
        return first

    def contests(self, choices: Mapping[Place, int] | None = None) -> tuple[Contest, ...]:
        """List what has no majority, with the distinct values that are said and by whom.

        A choice of one type or item may open questions that only arise with it; ask again with the choices made.
        """
        return tuple(contests(self._poll, Outcome(self._panel, choices), self._panel, self._names))

    def unsettled(self, outstanding: float, *, two: bool = False, arbitrated: bool = False) -> tuple[str, ...]:
        """List the paths that candidates of this weight could still change; none: the decision is settled.

        Args:
            outstanding: the weight of all candidates that may still come.
            two: whether two who agree and lead are enough, whatever may come.
            arbitrated: whether an arbiter is asked about what has no majority.
        """
        if outstanding <= 0:
            return ()
        outcome = Outcome(self._panel)
        outcome.value(self._poll)
        # Which combination is valid hangs on everything that is said.
        repaired = [""] if outcome.repaired or outcome.standing else []
        bar = Bar(outstanding=outstanding, two=two, arbitrated=arbitrated)
        return tuple(dict.fromkeys([*repaired, *unsettled(self._poll, outcome, self._panel, bar)]))

    def decide(self, choices: Mapping[Place, int] | None = None, *, by: str | None = None) -> Decision[T]:
        """Merge what was said into one valid object.

        Args:
            choices: an arbiter's, from a contest's place to the number of the answer.
            by: the arbiter's name.
        """
        outcome = Outcome(self._panel, choices)
        value = outcome.value(self._poll)
        output = value[0] if self._wrapped else value
        chances_ = None
        if self._learned is not None:
            processors = [each.processor for each in self.candidates]
            chances_ = functools.cache(functools.partial(chances, self._poll, outcome, self._learned, processors))
        verdicts = Verdicts(
            self._poll, outcome, self._panel, self._names, must_agree=self._must_agree, chances=chances_
        )
        told = [*verdicts.doubtful()]
        trusted = sorted(range(len(self.candidates)), key=self._panel.ranks.__getitem__)
        same = next((self.candidates[i] for i in trusted if self.candidates[i].output is output), None)
        if len(self.candidates) == 1:
            method = "only one"
        else:
            method = "unanimous" if all(map(_undisputed, questions(self._poll, outcome))) else "vote"
        return Decision(
            output=output,
            method=method,
            candidate=same,
            by=by,
            reasons=(*_undecided(told), *_repaired(told, outcome)),
            verdicts=verdicts,
            review=tuple(path for path, _ in told),
            names=tuple(self._names),
            response_format=self._type,
        )


def medoid(candidates: Sequence[Candidate[T]], type_: Any) -> Candidate[T]:
    """Choose the candidate that is most like the others, by weight; ties fall to the order of trust."""
    if len(candidates) == 1:
        return candidates[0]
    from ensemble_parse._consensus._similarity import matrix

    panel = Panel.of([each.weight for each in candidates])
    said = [each.output for each in candidates]
    likeness = matrix(shape(type_), said, said)
    central = [panel.share(float(row @ panel.weights)) for row in likeness]
    return candidates[min(range(len(said)), key=lambda at: (-central[at], panel.ranks[at]))]


def account(
    output: T,
    candidates: Sequence[Candidate[T]],
    type_: Any,
    *,
    how: How,
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
) -> Verdicts:
    """Tell who said what about an answer that stands, whoever gave it; items of lists are paired first.

    Args:
        output: the answer.
        candidates: what was said.
        type_: the type of all of them.
        how: what a path is where the candidates alone would not have decided it so.
        rules: as for ``consensus``.
    """
    panel = Panel.of([each.weight for each in candidates]).with_given()
    said = [*(each.output for each in candidates), output]
    node, wrapped = _root(type_, said, rules)
    polled = survey(node, panel, range(len(said)), [(each,) for each in said] if wrapped else said)
    return Verdicts(polled, Outcome(panel), panel, [each.name for each in candidates], how)


def against(
    truth: T,
    candidates: Sequence[Candidate[T]],
    type_: Any,
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None = None,
) -> list[Split]:
    """Tell how candidates split on each question that the truth answers; what stands is the truth's answer."""
    panel = Panel.of([each.weight for each in candidates]).with_given()
    said = [*(each.output for each in candidates), truth]
    node, wrapped = _root(type_, said, rules)
    polled = survey(node, panel, range(len(said)), [(each,) for each in said] if wrapped else said)
    return [*splits(polled, Outcome(panel))]


def _root(
    type_: Any,
    said: Sequence[Any],
    rules: Mapping[str, FieldRule | Iterable[FieldRule]] | None,
) -> tuple[Node, bool]:
    """Compile the type; what is not validated by a class of its own gets one part around it that validates it."""
    told = type_ is not None
    if not told:
        kinds: set[Any] = {type(each) for each in said}
        if len(kinds - {NoneType}) > 1 and any(map(is_record, kinds)):
            names = ", ".join(sorted(each.__name__ for each in kinds))
            message = f"candidates of several types: {names}; give response_format, and each is validated as that"
            raise ConfigurationError(message)
        type_ = kinds.pop() if len(kinds) == 1 else Any
    node = shape(type_, rules)
    if isinstance(node, Leaf):
        # Only a value that nobody said can be one that the type does not take.
        made = told and isinstance(node.rules.get("combine"), Mean | Median)
    elif isinstance(node, Record):
        made = not node.validates or unwrapped(type_)[0] is not type_
    else:
        made = told
    return (around(type_, node), True) if made else (node, False)


def _undisputed(question: Question) -> bool:
    poll = question.poll
    if isinstance(poll, Members):
        return poll.ordered is None or len(poll.ordered) == len(poll.voters)
    return isinstance(poll, Agreed) or len(poll.options) == 1


def _undecided(told: Sequence[tuple[str, Row]]) -> Iterator[Reason]:
    undecided = [(path or "the answer", row) for path, row in told if row.how == "undecided"]
    lists = [path for path, row in undecided if not row.must and isinstance(row.value, list)]
    for paths, why in (
        ([path for path, row in undecided if row.must], "not all agree, and they must; meanwhile the vote stands"),
        (
            [path for path, row in undecided if not row.must and path not in lists],
            "no value leads; the most trusted one stands",
        ),
        (lists, "no list leads, or one was broken off; the most trusted one's, or the longer one, stands"),
    ):
        if paths:
            yield Reason(kind="undecided", detail=f"{_listed(paths)}: {why}")


def _repaired(told: Sequence[tuple[str, Row]], outcome: Outcome) -> Iterator[Reason]:
    paths = [path or "the answer" for path, row in told if row.how == "repaired"]
    if outcome.repaired:
        cost = sum(row.lost for _, row in told)
        detail = f"{_listed(paths)}: what was voted is not valid together; {cost:.2g} of the support was given up"
        yield Reason(kind="repaired", detail=detail)


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")  # noqa: PLR2004
