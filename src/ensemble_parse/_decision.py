"""Decision makers: candidates in, one decision out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ensemble_parse._models import Candidate, Decision, Reason, Request, T

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._client._protocol import Client
    from ensemble_parse._models import Attempt


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
