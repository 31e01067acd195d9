"""The candidates of a run that is over, decided upon once more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ensemble_parse._client._protocol import Client, Fit, ModelCall, Reply
from ensemble_parse._decision import Case, DecisionMaker, Vote, decided
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._models import Request, Result, T
from ensemble_parse._sync import run_sync

if TYPE_CHECKING:
    from ensemble_parse._models import Attempt


class _Offline(Client):
    """Reaches nobody: what was asked is over."""

    async def fit(self, call: ModelCall[Any]) -> Fit:
        message = f"{call.processor} would be asked, and to decide again asks no model: run the ensemble instead"
        raise ConfigurationError(message)

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        raise AssertionError(call)  # pragma: no cover - fit comes first


def decide_again(result: Result[T], maker: DecisionMaker | None) -> Result[T]:
    """Decide over a result's candidates; see ``Result.decide_again``."""
    if maker is not None and (isinstance(maker, type) or not isinstance(maker, DecisionMaker)):
        message = f"decide_again({maker!r}): give a decision maker that asks no model, such as Medoid() or Vote()"
        raise ConfigurationError(message)
    ledger: list[Attempt] = []
    case = Case(request=Request(messages=(), format=result.format), client=_Offline(), ledger=ledger)
    decision = run_sync(decided(maker or Vote(), result.candidates, case))
    kept = tuple(reason for reason in result.reasons if reason not in result.decision.reasons)
    return replace(result, output=decision.output, decision=decision, reasons=(*kept, *decision.reasons))
