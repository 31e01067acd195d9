"""A run that was paid for can be kept and read again."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field

from ensemble_parse import ConfigurationError, Ensemble, Judge, Processor, ProviderError, Refused, Result, Truncated
from ensemble_parse.testing import ScriptedClient


class Line(BaseModel):
    """A nested model with aliases."""

    price: float = Field(validation_alias="unit_price", serialization_alias="cost")


class Bill(BaseModel):
    """A model."""

    vendor: str
    lines: list[Line] = []
    tags: set[str] = set()


ACME = {"vendor": "ACME", "lines": [{"unit_price": 1.5}], "tags": ["b", "a"]}


def stored(result: Result[Bill]) -> Result[Bill]:
    """Write a result as JSON and read it back."""
    return Result.from_dict(json.loads(json.dumps(result.to_dict())), Bill)


def test_everything_is_kept() -> None:
    """Candidates, errors with what they know, the ledger, verdicts and reasons come back as they were."""
    client = ScriptedClient(
        {
            "a/1": [ACME],
            "b/2": [{**ACME, "vendor": "Acme"}],
            "c/3": [ProviderError("c/3: busy", processor="c/3", status_code=429, retry_after=100, retryable=True)],
            "d/4": [Refused("d/4: no", processor="d/4", refusal="I would rather not")],
            "e/5": [Truncated("e/5: cut", processor="e/5", text='{"ven')],
            "judge f/6": [{"reasoning": "r", "answer": ACME}],
        }
    )
    names = ["a/1", Processor("b/2", weight=2), "c/3", "d/4", "e/5"]
    result = Ensemble(names, Judge("f/6", shuffle_seed=1), client=client, name="bills").run_sync("Go", Bill)
    again = stored(result)
    assert again.output == result.output
    assert again.output is again.candidates[0].output
    assert again.candidates == result.candidates
    assert again.decision == result.decision
    assert again.attempts == result.attempts
    assert again.reasons == result.reasons
    assert (again.status, again.name, again.seconds) == ("degraded", "bills", result.seconds)
    assert again.cost == result.cost
    assert [(type(each), str(each), each.attempts) for each in again.errors] == [
        (type(each), str(each), each.attempts) for each in result.errors
    ]
    busy, refused, cut = again.errors
    assert isinstance(busy, ProviderError)
    assert (busy.status_code, busy.retry_after, busy.retryable) == (429, 100, True)
    assert isinstance(refused, Refused)
    assert refused.refusal == "I would rather not"
    assert isinstance(cut, Truncated)
    assert cut.text == '{"ven'


def test_another_version_is_refused() -> None:
    """A file of another version says so instead of being misread."""
    result = Ensemble(["a/1"], client=ScriptedClient({"a/1": [ACME]})).run_sync("Go", Bill)
    with pytest.raises(ConfigurationError, match="version 9"):
        Result.from_dict({**result.to_dict(), "version": 9}, Bill)


def test_examples_must_validate_as_they_are_written() -> None:
    """An example whose type writes other names than it reads would teach the model the wrong ones."""
    client = ScriptedClient({"a/1": [ACME]})
    bill = Bill.model_validate(ACME)
    with pytest.raises(ConfigurationError, match="one alias for both"):
        Ensemble(["a/1"], client=client, examples=[("text", bill)]).parse_sync("Go", Bill)
