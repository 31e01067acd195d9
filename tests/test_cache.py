"""Answers that are kept: what is found again, what is not, and what is never written."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, create_model
from tenacity import wait_none

from ensemble_parse import (
    AllProcessorsFailed,
    Client,
    ConfigurationError,
    Ensemble,
    InvalidOutput,
    ModelCall,
    Parsed,
    Processor,
    ProviderError,
    Refused,
    Reply,
    RetryPolicy,
    Truncated,
    Usage,
)
from ensemble_parse._cache_key import question
from ensemble_parse._format import response_format
from ensemble_parse.cache import Cache
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.loopback import Answer, Answers, Fenced, Hang, Loopback, Status, Text
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio
SECRET = "sk-never-write-this-down"
PROMPT = "What does Ödön owe us?"
QUICK = RetryPolicy(attempts=2, timeout=30, wait=wait_none(), reasks=0)


class Invoice(BaseModel):
    """What is asked for."""

    number: str = Field(max_length=20)
    total: float = 0
    tags: set[str] = set()


class Stamped(BaseModel):
    """The class fills in something new each time."""

    total: int
    id: uuid.UUID = Field(default_factory=uuid.uuid4)


@dataclass
class Point:
    """A dataclass."""

    x: int


ACME = {"number": "1", "total": 2.5, "tags": ["a", "b"]}


@pytest.fixture(params=["memory", "disk"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Both places."""
    return tmp_path / "answers.sqlite" if request.param == "disk" else None


def counting() -> FunctionClient:
    """Answer with the number of the call."""
    client = FunctionClient(lambda _: len(client.calls))
    return client


def ensemble(cache: Client, *processors: str | Processor, **options: Any) -> Ensemble:
    """Ask one model, unless told otherwise."""
    return Ensemble(processors or [Processor("any/model", retry=QUICK)], client=cache, **options)


# -- what is found again -------------------------------------------------------------------------------------------


async def test_what_was_answered_is_not_asked_again(server: Loopback, where: Path | None) -> None:
    """The second time nothing is sent, and the ledger says that it cost nothing."""
    server.on("gpt-5-mini", Answer(ACME))
    with Cache(where) as cache:
        paying = ensemble(cache, "openai/gpt-5-mini")
        first = await paying.run(PROMPT, Invoice)
        second = await paying.run(PROMPT, Invoice)
        assert server.count() == 1
        assert second.output == first.output
        assert type(second.output) is Invoice
        assert second.output is not first.output
        assert replace(second.candidates[0], seconds=0) == replace(first.candidates[0], seconds=0)
        assert (first.usage.requests, second.usage) == (1, Usage())
        assert (second.cost.total, second.status) == (0.0, "complete")
        (attempt,) = second.attempts
        assert (attempt.cached, attempt.error) == (True, None)
        assert attempt.answered_by == first.attempts[0].answered_by
        stats = cache.stats
        assert (stats.hits, stats.misses, stats.entries, len(cache), stats.lost) == (1, 1, 1, 1, 0)
        assert stats.saved == first.usage
        assert stats.saved_cost == first.cost.total


def test_another_process_finds_it_in_the_file(server: Loopback, tmp_path: Path) -> None:
    """A file outlives the process, and may be used from any event loop and thread."""
    server.on("gpt-5-mini", Answer(ACME))
    with Cache(tmp_path / "answers.sqlite") as cache:
        assert ensemble(cache, "openai/gpt-5-mini").parse_sync(PROMPT, Invoice) == Invoice(**ACME)
    with Cache(str(tmp_path / "answers.sqlite")) as cache:
        assert asyncio.run(ensemble(cache, "openai/gpt-5-mini").parse(PROMPT, Invoice)) == Invoice(**ACME)
    assert server.count() == 1


@pytest.mark.parametrize(
    ("type_", "said", "reasoning"),
    [
        (Invoice, Invoice(**ACME), False),
        (Invoice, ACME, False),
        (Invoice, ACME, True),
        (Invoice, json.dumps({"reasoning": "2 and a half", "answer": ACME}), True),
        (Invoice, f"Here you are:\n```json\n{json.dumps(ACME)}\n```", False),
        (Stamped, {"total": 1}, False),
        (Stamped, '{"total": 1}', False),
        (Point, '{"x": 1}', False),
        (int, "4", False),
        (int, 4, True),
        (str, "no JSON at all", False),
        (set[int], {3, 1, 2}, False),
        (Invoice | None, None, False),
    ],
)
async def test_what_is_read_is_what_was_said(type_: Any, said: Any, reasoning: bool) -> None:  # noqa: FBT001
    """Value, text, reasoning and whether it had to be repaired come back equal, in the caller's own class."""
    client = FunctionClient(lambda _: said)
    answers = [
        (await ensemble(cache).run(PROMPT, type_, pass_reasoning=reasoning)).candidates[0]
        for cache in [Cache(client=client)]
        for _ in range(2)
    ]
    first, second = (replace(each, seconds=0) for each in answers)
    assert len(client.calls) == 1
    assert first == second
    assert type(first.output) is type(second.output)


async def test_a_client_that_gives_no_text_is_kept_too() -> None:
    """A client of one's own may give the value alone."""

    class Mine(Client):
        asked = 0

        async def ask(self, call: ModelCall[Any]) -> Reply[Any]:
            self.asked += 1
            return Reply(answers=[Parsed(value=Point(x=self.asked), reasoning="because", repaired=True)])

    cache = Cache(client=Mine())
    first, second = [await ensemble(cache).run(PROMPT, Point) for _ in range(2)]
    assert (second.output, second.candidates[0].reasoning) == (Point(x=1), "because")
    assert second.candidates[0].repaired
    assert (first.attempts, [each.cached for each in second.attempts]) == ((), [True])


async def test_what_cannot_be_read_again_is_not_kept() -> None:
    """A value that is no equal of itself after JSON is asked for each time, instead of coming back as another one."""

    class Odd(BaseModel):
        value: Annotated[Any, Field(exclude=True)] = 0

    client = FunctionClient(lambda _: Odd(value=7))
    cache = Cache(client=client)
    assert [(await ensemble(cache).parse(PROMPT, Odd)).value for _ in range(2)] == [7, 7]
    assert len(client.calls) == 2
    assert len(cache) == 0


async def test_a_validator_that_changed_refuses_what_is_kept(where: Path | None) -> None:
    """What is read is validated again, and asked again where it does not validate any more; then that is kept."""
    least = 0

    def check(value: int) -> int:
        if value < least:
            message = "too little"
            raise ValueError(message)
        return value

    client = counting()
    with Cache(where, client=client) as cache:
        for least, wanted in [(0, 1), (2, 2), (0, 2)]:  # noqa: B007 - check() reads it
            assert await ensemble(cache).parse(PROMPT, Annotated[int, AfterValidator(check)]) == wanted
        assert (cache.stats.misses, len(cache)) == (2, 1)


async def test_a_dropped_parameter_is_told_again_and_strictly_refused(server: Loopback) -> None:
    """An answer without a parameter is degraded when it is found, too; and is none where that is an error."""
    refused = Status(400, "Unsupported parameter: 'verbosity'")
    server.on("custom", refused, Answer(ACME), refused)
    cache = Cache()
    asked = Processor("openai/custom", verbosity="low")
    results = [await ensemble(cache, asked).run(PROMPT, Invoice) for _ in range(2)]
    assert [[reason.kind for reason in result.reasons if "drop" in reason.kind] for result in results] == [
        ["dropped parameter"],
        ["dropped parameter"],
    ]
    assert server.count() == 2
    with pytest.raises(AllProcessorsFailed):
        await ensemble(cache, asked, strict=True).run(PROMPT, Invoice)
    assert server.count() == 3


# -- samples ---------------------------------------------------------------------------------------------------------


async def test_samples_stay_so_many(server: Loopback, where: Path | None) -> None:
    """One request for n is n entries, and a request for more asks for the rest alone."""
    server.on("gpt-5-mini", Answers([{"number": "a"}, {"number": "b"}]), Answers([{"number": "c"}, {"number": "d"}]))
    with Cache(where) as cache:

        async def numbers(n: int) -> list[str]:
            result = await ensemble(cache, Processor("openai/gpt-5-mini", n=n)).run(PROMPT, Invoice)
            assert [each.cached for each in result.attempts] == {3: [], 4: []}.get(n, [each.cached for each in result.attempts])
            return [candidate.output.number for candidate in result.candidates]

        assert await numbers(2) == ["a", "b"]
        assert await numbers(1) == ["a"]
        assert await numbers(4) == ["a", "b", "c", "d"]
        assert [request.body.get("n") for request in server.requests] == [2, 2]
        assert await numbers(4) == ["a", "b", "c", "d"]
        assert (server.count(), len(cache)) == (2, 4)
