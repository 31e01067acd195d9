"""A run that was paid for can be kept and read again."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr, computed_field, field_validator

from ensemble_parse import (
    ConfigurationError,
    Decision,
    Ensemble,
    Judge,
    Processor,
    ProviderError,
    Refused,
    Result,
    Truncated,
    consensus,
)
from ensemble_parse.testing import ScriptedClient


class Line(BaseModel):
    """A nested model with aliases."""

    price: float = Field(validation_alias="unit_price", serialization_alias="cost")


class Bill(BaseModel):
    """A model."""

    vendor: str
    lines: list[Line] = []
    tags: set[str] = set()


class Blob(BaseModel):
    """A model of bytes, which it writes as text."""

    data: bytes


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


class Computed(BaseModel):
    """A field that is no input."""

    model_config = ConfigDict(extra="forbid")
    a: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def b(self) -> int:
        """One more."""
        return self.a + 1


class Aliased(BaseModel):
    """Names that differ on the way in and out, and two that are swapped."""

    n: int = Field(default=5, validation_alias="in", serialization_alias="out")
    a: int = Field(alias="b")
    b: int = Field(alias="a")


class Inside(BaseModel):
    """A text of JSON that is read."""

    values: Json[list[int]]


class Secret(BaseModel):
    """What is never dumped."""

    token: SecretStr = SecretStr("")
    hidden: int = Field(default=0, exclude=True)


class Doubled(BaseModel):
    """Another value each time it is validated."""

    n: int

    @field_validator("n")
    @classmethod
    def _double(cls, value: int) -> int:
        return 2 * value


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (Computed, Computed(a=1)),
        (Aliased, Aliased.model_validate({"in": 7, "a": 1, "b": 2})),
        (Inside, Inside.model_validate({"values": "[1]"})),
        (list[float], [float("inf"), -float("inf")]),
        (dict[dt.date, set[int]], {dt.date(2020, 1, 1): {3, 1}}),
    ],
)
def test_what_json_can_hold_comes_back_equal(type_: Any, said: Any) -> None:
    """Names, computed fields and texts of JSON are no obstacle to a decision or a result."""
    decision = consensus([said, said], response_format=type_)
    again = Decision.from_dict(json.loads(json.dumps(decision.to_dict())), type_)
    assert again == decision
    assert again.output == said


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (Secret, Secret(token=SecretStr("hush"))),
        (Secret, Secret(hidden=3)),
        (Doubled, Doubled(n=1)),
        (dict[tuple[int, int], int], {(1, 2): 3}),
        (str | bytes, b"a"),
        (str | dt.date, dt.date(2020, 1, 1)),
        (bytes, b"\xff"),
        (Blob, Blob(data=b"\xff")),
        (list[Blob], [Blob(data=b"\xff")]),
        (Any, [float("inf")]),
    ],
)
def test_what_json_cannot_hold_is_never_read_as_something_else(type_: Any, said: Any) -> None:
    """It is written for people to read, without a secret, and refused where it would come back changed."""
    decision = consensus([said, said], response_format=type_)
    text = json.dumps(decision.to_dict())
    assert "hush" not in text
    with pytest.raises(ConfigurationError, match="JSON could not hold"):
        Decision.from_dict(json.loads(text), type_)


def test_a_result_that_json_cannot_hold_says_so() -> None:
    """One candidate is enough; the rest of the record can still be read as JSON."""
    client = ScriptedClient({"a/1": [{"n": 1}], "b/2": [{"n": 2}]})
    data = Ensemble(["a/1", "b/2"], client=client).run_sync("Go", Doubled).to_dict()
    assert [each["output"] for each in data["candidates"]] == [{"n": 2}, {"n": 4}]
    with pytest.raises(ConfigurationError, match="a stored result"):
        Result.from_dict(data, Doubled)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("seconds",), "hush", "seconds: "),
        (("errors",), 5, "errors: "),
        (("candidates", 0), "hush", r"candidates\[0\]: "),
        (("candidates", 0, "more"), "hush", r"candidates\[0\]\.more: "),
        (("attempts", 0, "usage"), "hush", r"attempts\[0\]\.usage: "),
        (("attempts", 0, "usage", "more"), "hush", r"attempts\[0\]\.usage\.more: "),
        (("decision", "candidate"), 7, "candidate is none of its 1 candidates"),
        (("decision", "more"), "hush", r"decision\.more: "),
        (("decision", "verdicts", "vendor", "supporters"), 5, r"decision\.verdicts\.vendor\.supporters: "),
        (("decision", "verdicts", "vendor", "how"), "hush", r"decision\.verdicts\.vendor\.how: "),
        (("decision", "verdicts", "vendor"), [], r"decision\.verdicts\.vendor: "),
    ],
)
def test_what_is_wrong_in_a_record_is_told_by_its_path(path: tuple[Any, ...], value: Any, told: str) -> None:
    """A part of another type, or one that nobody knows, is named; what stands there is not shown."""
    result = Ensemble(["a/1"], client=ScriptedClient({"a/1": [ACME]})).run_sync("Go", Bill)
    data = json.loads(json.dumps(result.to_dict()))
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(ConfigurationError, match=told) as caught:
        Result.from_dict(data, Bill)
    assert "hush" not in str(caught.value)
    if path[0] == "decision" and path[1] == "verdicts":
        alone = {**json.loads(json.dumps(result.decision.to_dict())), "verdicts": data["decision"]["verdicts"]}
        with pytest.raises(ConfigurationError, match="a stored decision"):
            Decision.from_dict(alone, Bill)


@pytest.mark.parametrize("part", ["output", "candidates", "decision", "errors", "seconds"])
def test_what_has_lost_a_part_is_said_to_have(part: str) -> None:
    """A record that was cut, or is none, is refused by the name of what is missing."""
    client = ScriptedClient({"a/1": [ACME]})
    result = Ensemble(["a/1"], client=client).run_sync("Go", Bill)
    data = result.to_dict()
    del data[part]
    with pytest.raises(ConfigurationError, match=f"without its {part}"):
        Result.from_dict(data, Bill)
    whole = result.decision.to_dict()
    with pytest.raises(ConfigurationError, match="without its verdicts, names"):
        Decision.from_dict({name: each for name, each in whole.items() if name not in ("verdicts", "names")}, Bill)
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="not a NoneType"):
        Decision.from_dict(nothing, Bill)
