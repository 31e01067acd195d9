"""Decision makers: candidates in, one decision out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ensemble_parse._consensus import Survey, medoid
from ensemble_parse._models import Candidate, Decision, Reason, Request, T

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._client._protocol import Client
    from ensemble_parse._consensus import Contest, Place
    from ensemble_parse._models import Attempt
    from ensemble_parse._rules import FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a decision maker may know and use, besides the candidates.

    Attributes:
        request: what was asked.
        client: how models are reached, for decision makers that ask one.
        ledger: takes the attempts of the models that are asked.
    """

    request: Request[Any]
    client: Client
    ledger: list[Attempt]


@runtime_checkable
class DecisionMaker(Protocol):
    """Turns candidates into a decision; write your own with this one method."""

    async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Decision[Any]:
        """Decide.

        Args:
            candidates: one or more, in order of trust.
            case: the request, and the means to ask a model about it.

        Raises:
            DecisionError: none can be chosen.
        """
        ...  # pragma: no cover - a protocol


@dataclass(frozen=True, slots=True)
class First:
    """The first valid answer in order of trust (failover): the next processor is asked only when one fails.

    Examples:
        >>> First()
        First()
    """

    def settled(self, candidates: Sequence[Candidate[Any]]) -> bool:
        """One answer is all it takes."""
        return bool(candidates)

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Take the most trusted candidate."""
        del case
        return Decision(output=candidates[0].output, method="first", candidate=candidates[0])


@runtime_checkable
class Arbiter(Protocol):
    """Answers the questions on which candidates have no majority: the judge of :class:`Vote`."""

    async def arbitrate(
        self, contests: Sequence[Contest], candidates: Sequence[Candidate[Any]], case: Case
    ) -> Arbitration:
        """Choose among the answers that candidates gave; a question that is left out stays with the vote.

        Args:
            contests: what is disputed, with the distinct validated values.
            candidates: one or more, in order of trust.
            case: the request, and the means to ask a model about it.
        """
        ...  # pragma: no cover - a protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Arbitration:
    """What an arbiter decided.

    Attributes:
        choices: the number of the chosen answer, by the contest's place.
        by: who decided, or ``None`` where nobody could.
        explanation: why.
        seed: what the order of the answers was shuffled with.
        reasons: what makes it less than it should be.
    """

    choices: Mapping[Place, int]
    by: str | None = None
    explanation: str | None = None
    seed: int | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """A typed vote on every field, merged into one object that is always valid; see :func:`consensus`.

    Attributes:
        arbiter: who is asked about what has no majority, all of it at once; ``None``: the most trusted of what leads
            stands, and the result says that it is undecided.
        rules: how to compare and combine, by path; before those in the type's ``Annotated``.

    Example:
        >>> Vote()
        Vote()
    """

    arbiter: Arbiter | None = None
    rules: Mapping[str, FieldRule] | None = None

    def __repr__(self) -> str:
        """Show what is not the default."""
        told = {"arbiter": self.arbiter, "rules": self.rules}
        return f"Vote({', '.join(f'{name}={value!r}' for name, value in told.items() if value is not None)})"

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Vote, and ask the arbiter about what the vote leaves open."""
        survey = Survey(candidates, case.request.format.type, self.rules)
        contests = survey.contests() if self.arbiter else ()
        if self.arbiter is None or not contests:
            return survey.decide()
        told = await self.arbiter.arbitrate(contests, candidates, case)
        decision = survey.decide(told.choices, by=told.by)
        return replace(
            decision, explanation=told.explanation, seed=told.seed, reasons=(*told.reasons, *decision.reasons)
        )


@dataclass(frozen=True, slots=True)
class Unanimous:
    """All agree, or the path is undecided and for a person to look at: for regulated data.

    What stands meanwhile is the winner of the vote. With ``strict=True`` on the ensemble, dissent raises.

    Example:
        >>> Unanimous()
        Unanimous()
    """

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Vote, and call everything undecided that is not unanimous."""
        return Survey(candidates, case.request.format.type, must_agree=True).decide()


@dataclass(frozen=True, slots=True)
class Medoid:
    """The candidate that is most like all others, by weight and by type: for objects that must come from one source.

    The source of the method is minimum Bayes risk decoding: the candidate with the least expected loss under what the
    panel says. Ties fall to the order of trust.

    Example:
        >>> Medoid()
        Medoid()
    """

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Take the most central candidate."""
        chosen = medoid(candidates, case.request.format.type)
        method = "only one" if len(candidates) == 1 else "medoid"
        return Decision(output=chosen.output, method=method, candidate=chosen)


def plurality(candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
    """Take the whole answer with the greatest weight behind it; ties fall to the order of trust.

    It decides where nothing else can: without a decision maker's model, or after it failed.
    """
    weights: dict[str, float] = {}
    first: dict[str, Candidate[T]] = {}
    for candidate in candidates:
        key = case.request.format.text(candidate.output)
        weights[key] = weights.get(key, 0.0) + candidate.weight
        first.setdefault(key, candidate)
    best = max(weights, key=weights.__getitem__)
    chosen = first[best]
    method = "only one" if len(candidates) == 1 else "unanimous" if len(weights) == 1 else "plurality"
    decision = Decision(output=chosen.output, method=method, candidate=chosen)
    if method == "plurality" and list(weights.values()).count(weights[best]) > 1:
        detail = "no answer has more support than every other; the most trusted stands"
        decision = replace(decision, reasons=(Reason(kind="undecided", detail=detail),))
    return decision
