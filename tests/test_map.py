"""Many inputs: results as they are there, bounded memory, and a journal that a killed run goes on from."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, SecretStr, field_validator

from ensemble_parse import (
    AllProcessorsFailed,
    ConfigurationError,
    DecisionError,
    DegradedResult,
    Ensemble,
    EnsembleError,
    Ignore,
    Judge,
    Medoid,
    ModelCall,
    Processor,
    Refused,
    RetryPolicy,
    Rule,
    Tolerance,
    Usage,
    Vote,
)
from ensemble_parse.batch import Item, Progress, read_journal
from ensemble_parse.evaluate import evaluate
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.kills import CONCURRENCY, MODELS, killed
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio


class Bill(BaseModel):
    """A model."""

    vendor: str
    total: float


def said(call: ModelCall[Any]) -> str:
    """What the last message says."""
    return str(call.messages[-1]["content"])


def counting(latency: float = 0.0) -> FunctionClient:
    """Answers with the length of the text; the text "fail" fails, and "bug" is a bug."""

    async def answer(call: ModelCall[Any]) -> int:
        await asyncio.sleep(latency)
        if said(call) == "fail":
            message = f"{call.processor}: no"
            raise Refused(message, processor=call.processor)
        if said(call) == "bug":
            raise ZeroDivisionError
        return len(said(call))

    return FunctionClient(answer)


def ensemble(client: FunctionClient, **settings: Any) -> Ensemble:
    """Two models."""
    return Ensemble(["a/1", "b/2"], client=client, **settings)


async def taken(items: AsyncIterator[Item[Any]]) -> list[Item[Any]]:
    """All of them."""
    return [item async for item in items]


def outcome(item: Item[Any]) -> object:
    """The output, or the class of the error."""
    return item.result.output if item.result else type(item.error).__name__


# -- what goes in and what comes out ----------------------------------------------------------------------------------


async def test_every_kind_of_input() -> None:
    """Texts, messages and dicts are asked about, from sync and async iterables, under their ids."""
    message = {"role": "user", "content": "four"}

    async def arriving() -> AsyncIterator[Any]:
        for each in ({"id": "x", "input": "one"}, {"id": 7, "messages": [message]}, {"id": "z", "input": [message]}):
            await asyncio.sleep(0)
            yield each

    plain = await taken(ensemble(counting()).map(["one", [message], (message,)], int, ordered=True))
    assert [(item.id, item.position, item.output) for item in plain] == [(0, 0, 3), (1, 1, 4), (2, 2, 4)]
    named = await taken(ensemble(counting()).map(arriving(), int, ordered=True))
    assert [(item.id, item.position, item.output) for item in named] == [("x", 0, 3), (7, 1, 4), ("z", 2, 4)]
    assert await taken(ensemble(counting()).map([], int)) == []


async def test_a_failure_is_one_items() -> None:
    """Whatever is wrong with one input, or happens to it, is an error of its item; the others have results."""
    client = counting()
    inputs = ["one", "fail", "", [{"role": "boss", "content": "x"}], {"role": "user", "content": "x"}, 3, "three"]
    items = await taken(ensemble(client).map(inputs, int, ordered=True))
    wrong = "ConfigurationError"
    assert [outcome(item) for item in items] == [3, "AllProcessorsFailed", wrong, wrong, wrong, wrong, 5]
    assert "inputs[4]: it is a message" in str(items[4].error)
    assert {said(call) for call in client.calls} == {"one", "fail", "three"}
    with pytest.raises(AllProcessorsFailed):
        _ = items[1].output


@pytest.mark.parametrize(
    ("inputs", "outcomes", "told"),
    [
        ([{"id": 1, "input": "a"}, {"id": 1, "input": "b"}], [1, "E"], "the id 1 is another's"),
        (["a", {"id": 0, "input": "b"}], [1, "E"], "give every input an id, or none"),
        ([{"id": "a", "input": "a"}, "b"], [1, "E"], "give every input an id, or none"),
        ([{"id": 1.5, "input": "a"}], ["E"], "its id is a float"),
        ([{"id": True, "input": "a"}], ["E"], "its id is a bool"),
        ([{"id": "", "input": "a"}], ["E"], "its id is empty"),
        ([{"id": "a"}], ["E"], "has neither"),
        ([{"id": "a", "input": "a", "messages": "b"}], ["E"], "has both"),
    ],
)
async def test_ids_are_checked(inputs: list[Any], outcomes: list[Any], told: str, tmp_path: Path) -> None:
    """An input without an id of its own is an error that says so, and leaves the journal's other lines alone."""
    items = await taken(ensemble(counting()).map(inputs, int, ordered=True, journal=tmp_path / "j"))
    assert [1 if item.result else "E" for item in items] == outcomes
    assert told in str(items[-1].error)
    assert [item.output for item in read_journal(tmp_path / "j", int)] == [1] * outcomes.count(1)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"inputs": "one text"}, "inputs is a str"),
        ({"inputs": {"id": 1}}, "inputs is a dict"),
        ({"inputs": 3}, "inputs is a int"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"progress": "yes"}, "progress='yes'"),
        ({"concurency": 3}, "did you mean 'concurrency'"),
        ({"timeout": 3}, "'timeout' is no model parameter"),
        ({"response_format": len}, "it is a function"),
        ({"examples": [("a", "no number")]}, "the output is no int"),
    ],
)
def test_settings_are_checked_at_once(settings: dict[str, Any], told: str) -> None:
    """What cannot work is said by the call itself, and not by each item."""
    given = {"inputs": ["a"], "response_format": int, **settings}
    for method in (ensemble(counting()).map, ensemble(counting()).map_sync):
        with pytest.raises(ConfigurationError, match=told):
            method(**given)


def test_concurrency_is_no_setting_of_an_ensemble() -> None:
    """It would go to vendors as a parameter of theirs; the message says where it belongs."""
    with pytest.raises(ConfigurationError, match="'concurrency' is no model parameter here; give it to map"):
        Ensemble(["m/0"], concurrency=5)


async def test_what_no_item_could_do_is_raised() -> None:
    """An ensemble that cannot ask at all is one error, and not one for each input."""
    with pytest.raises(ConfigurationError, match="has no model"):
        await taken(Ensemble(2, client=counting()).map(["a", "b"], int))
    (item,) = await taken(Ensemble(2, client=counting()).map(["a"], int, model="a/1"))
    assert item.output == 1


async def test_options_reach_every_call() -> None:
    """Model parameters, examples and reasoning are those of ``run``."""
    client = counting()
    items = ensemble(client).map(["abc"], int, temperature=0.5, examples=[("ab", 2, "two")], pass_reasoning=True)
    client_answers = [outcome(item) async for item in items]
    assert client_answers == [3]
    assert all(call.params == {"temperature": 0.5} and len(call.messages) == 3 for call in client.calls)


# -- order, bounds, endings -------------------------------------------------------------------------------------------


async def waits(call: ModelCall[Any]) -> int:
    """Takes as many seconds as the text says."""
    await asyncio.sleep(int(said(call)))
    return int(said(call))


@pytest.mark.parametrize(("ordered", "outputs"), [(False, [1, 5, 9]), (True, [9, 1, 5])])
def test_as_they_finish_or_in_order(ordered: bool, outputs: list[int]) -> None:  # noqa: FBT001
    """Results come as they are there; with ``ordered`` as the inputs are."""
    items = ensemble(FunctionClient(waits)).map(["9", "1", "5"], int, ordered=ordered)
    assert [item.output for item in run_virtual(taken(items))] == outputs


@pytest.mark.parametrize("ordered", [False, True])
def test_inputs_are_pulled_as_they_are_needed(ordered: bool) -> None:  # noqa: FBT001
    """What is pulled and not yet given is bounded, for a slow consumer and behind a slow item; so is what is asked."""
    pulled = under_way = most = 0

    def inputs() -> Iterator[str]:
        nonlocal pulled
        for number in range(60):
            pulled += 1
            yield "30" if number == 0 else "1"

    async def answer(call: ModelCall[Any]) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await waits(call)
        finally:
            under_way -= 1

    given = ahead = 0

    async def main() -> None:
        nonlocal given, ahead
        items = Ensemble(["a/1"], client=FunctionClient(answer)).map(inputs(), int, concurrency=3, ordered=ordered)
        async for _ in items:
            given += 1
            if given in (1, 20):
                await asyncio.sleep(10)  # a consumer that does something else
            ahead = max(ahead, pulled - given)

    run_virtual(main())
    assert (given, pulled, most) == (60, 60, 3)
    assert ahead <= (12 if ordered else 3)


@pytest.mark.parametrize("way", ["aclose", "break", "cancel"])
async def test_closing_early_leaves_nothing(way: str, tmp_path: Path) -> None:
    """What is under way is cancelled, no task is left, and the journal can be opened again at once."""
    before = asyncio.all_tasks()
    client = counting(0.01)
    inputs = (str(number) * (number + 1) for number in range(1000))
    items = ensemble(client).map(inputs, int, concurrency=5, journal=tmp_path / "j")
    if way == "cancel":
        task = asyncio.create_task(taken(items))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif way == "break":
        async for _ in items:
            break
        del items
        gc.collect()
        while asyncio.all_tasks() != before:  # noqa: ASYNC110 - the event loop closes it in a task of its own
            await asyncio.sleep(0.01)
    else:
        async with contextlib.aclosing(items):
            await anext(items)
    assert asyncio.all_tasks() == before
    asked = len(client.calls)
    await asyncio.sleep(0.03)
    assert len(client.calls) == asked
    assert await anext(ensemble(client).map(["x"], int, journal=tmp_path / "j"))


@pytest.mark.parametrize("taking", [1, 5])
async def test_inputs_are_closed_with_the_run(taking: int) -> None:
    """A generator that gives inputs holds a file or a connection; it is let go where the run ends early, too."""
    closed: list[bool] = []

    async def inputs() -> AsyncIterator[str]:
        try:
            for each in ("a", "bb", "ccc"):
                yield each
        finally:
            closed.append(True)

    source = inputs()
    async with contextlib.aclosing(ensemble(counting()).map(source, int, concurrency=1)) as items:
        async for _ in items:
            taking -= 1
            if not taking:
                break
    assert closed == [True]


@pytest.mark.parametrize("where", ["inputs", "client", "progress"])
async def test_a_bug_ends_the_run(where: str, tmp_path: Path) -> None:
    """A bug in the user's code is raised as it is, nothing is left under way, and what was finished is kept."""
    before = asyncio.all_tasks()

    def inputs() -> Iterator[str]:
        yield from ("a", "bb", "ccc")
        if where == "inputs":
            raise ZeroDivisionError
        yield "bug" if where == "client" else "d"

    def progress(now: Progress) -> None:
        if where == "progress" and now.done == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await taken(ensemble(counting()).map(inputs(), int, concurrency=1, progress=progress, journal=tmp_path / "j"))
    assert asyncio.all_tasks() == before
    assert [item.output for item in read_journal(tmp_path / "j", int)] == [1, 2, 3]


async def test_memory_is_flat() -> None:
    """The memory of a run does not grow with the number of its inputs."""
    client = counting()
    sizes: dict[int, int] = {}
    tracemalloc.start()
    try:
        count = 0
        async for item in ensemble(client).map((f"text {n}" for n in range(2000)), int, progress=lambda _: None):
            assert item.result
            client.calls.clear()  # it keeps what it was asked
            count += 1
            if count in (500, 2000):
                gc.collect()
                sizes[count] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sizes[2000] - sizes[500] < 50_000  # one item is some 5,000


# -- without await ----------------------------------------------------------------------------------------------------


def test_without_await(tmp_path: Path) -> None:
    """``map_sync`` gives the same; inputs are pulled in the caller's own thread, to which they may be bound."""
    database = sqlite3.connect(":memory:")  # its cursors refuse other threads
    database.executescript("create table texts (text); insert into texts values ('a'), ('bb'), ('fail'), ('dddd')")
    threads: set[threading.Thread] = set()

    def inputs() -> Iterator[str]:
        for (text,) in database.execute("select text from texts"):
            threads.add(threading.current_thread())
            yield text

    items = list(ensemble(counting()).map_sync(inputs(), int, ordered=True, concurrency=2, journal=tmp_path / "j"))
    database.close()
    assert [outcome(item) for item in items] == [1, 2, "AllProcessorsFailed", 4]
    assert threads == {threading.current_thread()}
    again = [*ensemble(counting()).map_sync(["a", "bb", "fail"], int, ordered=True, journal=tmp_path / "j")]
    assert [item.resumed for item in again] == [True, True, False]

    async def arriving() -> AsyncIterator[str]:
        yield "abc"

    assert [item.output for item in ensemble(counting()).map_sync(arriving(), int)] == [3]


def test_without_await_ended_early(tmp_path: Path) -> None:
    """Breaking off, and a bug in the inputs, end the run in the background, too."""

    def inputs() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    client = counting(0.01)
    for item in ensemble(client).map_sync(map(str, range(1000)), int, journal=tmp_path / "j"):
        assert item.output == 1
        break
    assert len(client.calls) < 100
    with pytest.raises(ZeroDivisionError):
        list(ensemble(client).map_sync(inputs(), int, journal=tmp_path / "j"))
    with pytest.raises(ZeroDivisionError):
        list(ensemble(client).map_sync(["bug"], int, journal=tmp_path / "j"))
    assert list(ensemble(client).map_sync(["a"], int, journal=tmp_path / "j"))


# -- the journal ------------------------------------------------------------------------------------------------------


async def test_a_run_goes_on(tmp_path: Path) -> None:
    """What has a result is not asked again; what failed, what is new and what has another input under its id, is."""
    path = tmp_path / "run.jsonl"
    first = [{"id": "a", "input": "a"}, {"id": "b", "input": "bb"}, {"id": "c", "input": "fail"}]
    before = await taken(ensemble(counting()).map(first, int, ordered=True, journal=path))
    client = counting()
    second = [{"id": "new", "input": "four"}, *first[:1], {"id": "b", "input": "changed"}, first[2]]
    items = await taken(ensemble(client).map(second, int, ordered=True, journal=path))
    assert [(item.id, outcome(item), item.resumed) for item in items] == [
        ("new", 4, False),
        ("a", 1, True),
        ("b", 7, False),
        ("c", "AllProcessorsFailed", False),
    ]
    assert items[1].result == before[0].result
    assert {said(call) for call in client.calls} == {"four", "changed", "fail"}
    kept = {item.id: outcome(item) for item in read_journal(path, int)}
    assert kept == {"new": 4, "a": 1, "b": 7, "c": "AllProcessorsFailed"}


async def test_a_torn_last_line_is_taken_off(tmp_path: Path) -> None:
    """Wherever the last line was torn, the rest is read, and the journal goes on with whole lines."""
    path = tmp_path / "run.jsonl"
    await taken(ensemble(counting()).map(["a", "bb"], int, concurrency=1, journal=path))
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(1, len(whole) - len(lines[0]) + 1, 97):
        path.write_bytes(whole[:-cut])
        left = len(whole[:-cut].splitlines(keepends=True)) - 2  # without the header and the torn one
        assert len(list(read_journal(path, int))) == left
        items = await taken(ensemble(counting()).map(["a", "bb"], int, concurrency=1, journal=path))
        assert [item.output for item in items] == [1, 2]
        assert sum(item.resumed for item in items) == left
        assert all(json.loads(line) for line in path.read_bytes().splitlines())
    path.write_bytes(lines[0][:5])  # not even the header was whole
    assert [item.resumed for item in await taken(ensemble(counting()).map(["a"], int, journal=path))] == [False]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"some notes of mine", "is no journal"),
        (b'{"id": 1}\n', "is no journal"),
        (b'{"journal":9}\n', "is of version 9"),
        (None, "line 2 is no JSON"),
    ],
)
async def test_no_other_file_is_touched(content: bytes | None, told: str, tmp_path: Path) -> None:
    """A file that is no journal, another version's or damaged is refused, and left as it is."""
    path = tmp_path / "run.jsonl"
    if content is None:
        await taken(ensemble(counting()).map(["a"], int, journal=path))
        content = path.read_bytes().replace(b'{"id"', b'{"id')
    path.write_bytes(content)
    client = counting()
    with pytest.raises(ConfigurationError, match=told):
        await taken(ensemble(client).map(["a"], int, journal=path))
    with pytest.raises(ConfigurationError, match=told):
        list(read_journal(path, int))
    assert (client.calls, path.read_bytes()) == ([], content)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await taken(ensemble(client).map(["a"], int, journal=tmp_path / "none" / "j"))


@pytest.mark.parametrize(
    "line",
    [
        "5",
        "null",
        "[]",
        "{}",
        '{"id": ["a"], "position": 0, "input": "b", "result": {}}',
        '{"id": "a", "position": 0, "result": {}}',
        '{"id": "a", "input": "b", "result": {}}',
        '{"id": "a", "position": 0, "input": "b", "result": 5}',
        '{"id": "a", "position": 0, "input": null, "error": 5}',
        '{"batch": "a", "rows": ["b"]}',
        '{"journal": 1, "asked": {}}',
    ],
)
async def test_a_line_that_no_run_writes(line: str, tmp_path: Path) -> None:
    """A line of JSON that is none of a journal's, as an editor or another program leaves it, is told by its number."""
    path = tmp_path / "run.jsonl"
    await taken(ensemble(counting()).map(["a"], int, journal=path))
    whole = path.read_bytes()
    path.write_bytes(whole + line.encode() + b"\n")
    client = counting()
    with pytest.raises(ConfigurationError, match="line 3 is none that a run writes"):
        await taken(ensemble(client).map(["a"], int, journal=path))
    with pytest.raises(ConfigurationError, match="line 3 is none that a run writes"):
        list(read_journal(path, int))
    path.write_bytes(whole)  # the line taken out, as the message says
    assert [item.resumed for item in await taken(ensemble(client).map(["a"], int, journal=path))] == [True]
    assert client.calls == []


async def test_a_header_that_no_run_writes(tmp_path: Path) -> None:
    """A header that does not say what was asked is no ground to go on from."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"journal":1}\n')
    with pytest.raises(ConfigurationError, match="line 1 is none that a run writes"):
        await taken(ensemble(counting()).map(["a"], int, journal=path))


@pytest.mark.parametrize("kind", ["device", "pipe"])
async def test_a_journal_is_a_file(kind: str, tmp_path: Path) -> None:
    """What cannot be read again, or has no end, is refused before anybody is asked."""
    path = Path("/dev/full")
    if kind == "pipe":
        path = tmp_path / "pipe"
        getattr(os, "mkfifo", lambda _: pytest.skip("no named pipes here"))(path)
    if not path.exists():
        pytest.skip("no such device here")
    client = counting()
    with pytest.raises(ConfigurationError, match="is a device or a pipe"):
        await taken(ensemble(client).map(["a"], int, journal=path))
    assert client.calls == []


async def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run with the same journal is refused before it asks anybody; reading is free."""
    items = ensemble(counting()).map(["a", "b"], int, concurrency=1, journal=tmp_path / "j")
    async with contextlib.aclosing(items):
        await anext(items)
        client = counting()
        with pytest.raises(ConfigurationError, match="in use by another run"):
            await taken(ensemble(client).map(["a"], int, journal=tmp_path / "j"))
        assert client.calls == []
        assert len(list(read_journal(tmp_path / "j", int))) >= 1


def best(values: Any, weights: Any) -> Any:
    """A rule of one's own."""
    del weights
    return max(values)


class Loose(BaseModel):
    """Like ``Bill``, with rules."""

    vendor: Annotated[str, Ignore()]
    total: Annotated[float, Tolerance(rel=0.01)]


class Own:
    """A decision maker that counts."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.asked = 0

    async def decide(self, candidates: Any, case: Any) -> Any:
        """Vote."""
        self.asked += 1
        return await Vote().decide(candidates, case)


BASE: dict[str, Any] = {"processors": ["a/1", "b/2"], "response_format": Bill}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({}, {"response_format": Loose}, "schema.title was 'Bill' and is 'Loose'"),
        ({"response_format": Bill}, {"response_format": list[Bill]}, "schema"),
        ({"response_format": Annotated[Bill, Rule(best)]}, {"response_format": Bill}, r"rules\. was a list of 1"),
        ({}, {"processors": ["a/1", "c/3"]}, r"processors\[1\].name was 'b/2' and is 'c/3'"),
        ({}, {"processors": ["a/1"]}, "processors was a list of 2 and is a list of 1"),
        ({}, {"processors": ["a/1", Processor("b/2", weight=2)]}, r"processors\[1\].weight was 1.0 and is 2.0"),
        ({}, {"processors": ["a/1", Processor("b/2", seed=3)]}, "params.seed was not there and is 3"),
        ({"temperature": 0.1}, {"temperature": 0.2}, "params.temperature was 0.1 and is 0.2"),
        ({}, {"decision_maker": Medoid()}, "decision_maker.kind was 'Vote' and is 'Medoid'"),
        ({"decision_maker": Judge("j/1")}, {"decision_maker": Judge("j/2")}, "decision_maker.model.name"),
        ({"decision_maker": Judge("j/1")}, {"decision_maker": Judge("j/1", prompt="x" * 99)}, "decision_maker.prompt"),
        ({"decision_maker": Vote(rules={"total": Tolerance(abs=1)})}, {}, "decision_maker.rules was there and is not"),
        ({}, {"min_candidates": 2}, "min_candidates was 1 and is 2"),
        ({}, {"examples": [("a", {"vendor": "V", "total": 1})]}, "examples was not there and is 'sha256:"),
        ({"call": {"pass_reasoning": True}}, {}, "options.pass_reasoning was True and is not there"),
        ({}, {"call": {"max_tokens": 9}}, "options.max_tokens was not there and is 9"),
        # What changes how patient it is, how fast, and where it goes, but not who is asked what.
        ({}, {"processors": ["a/1", Processor("b/2", retry=RetryPolicy(timeout=99), max_concurrency=1)]}, None),
        ({}, {"deadline": 60, "name": "other", "call": {"concurrency": 3, "ordered": True}}, None),
        (
            {"api_key": "sk-old"},
            {"api_key": "sk-new", "api_base": "https://me:pw@host", "aws_secret_access_key": 1},
            None,
        ),
        ({"decision_maker": Own()}, {"decision_maker": Own()}, None),
    ],
)
async def test_another_schema_or_ensemble_is_refused(
    then: dict[str, Any], now: dict[str, Any], told: str | None, tmp_path: Path
) -> None:
    """A journal goes on only with what it was begun with; the refusal names what differs, and asks nobody."""

    def begin(**settings: Any) -> tuple[FunctionClient, AsyncIterator[Item[Any]]]:
        call = settings.pop("call", {})
        type_ = settings.pop("response_format")
        client = FunctionClient(lambda _: [] if type_ == list[Bill] else Bill(vendor="V", total=1))
        return client, Ensemble(client=client, **settings).map(["x"], type_, journal=tmp_path / "j", **call)

    assert len(await taken(begin(**{**BASE, **then})[1])) == 1
    client, items = begin(**{**BASE, **now})
    if told is None:
        assert [item.resumed for item in await taken(items)] == [True]
        return
    with pytest.raises(ConfigurationError, match=told):
        await taken(items)
    assert client.calls == []


async def test_no_key_is_in_a_journal(tmp_path: Path) -> None:
    """Keys, tokens, headers, and addresses that may hold one, are not written, however they were given."""
    secret = "sk-very-secret"
    given: dict[str, Any] = {
        "api_key": secret,
        "api_base": f"https://{secret}@host",
        "extra_headers": {"Authorization": secret},
        "aws_session_token": secret,
        "extra_body": {"password": secret, "top_k": 3},
    }
    maker = Judge(Processor("j/1", **given))
    asks = Ensemble([Processor("a/1", **given), "b/2"], maker, client=counting(), **given)
    await taken(asks.map(["abc", "fail"], int, journal=tmp_path / "j", vertex_credentials=secret, max_tokens=5))
    text = (tmp_path / "j").read_text()
    assert secret not in text
    header = json.loads(text.splitlines()[0])["asked"]
    assert header["processors"][0]["params"] == {"extra_body": {"top_k": 3}}
    assert header["options"] == {"max_tokens": 5}


async def test_every_error_is_kept(tmp_path: Path) -> None:
    """Errors come back from the journal with what they know: candidates, results, sub-errors, attempts."""
    client = ScriptedClient({"a/1": [1], "b/2": [2, Refused("b/2: no", processor="b/2")]})

    class Cannot:
        async def decide(self, candidates: Any, case: Any) -> Any:
            del case
            message = "no"
            raise DecisionError(message, candidates=tuple(candidates))

    class Special(EnsembleError):
        pass

    class Odd:
        async def decide(self, candidates: Any, case: Any) -> Any:
            del candidates, case
            message = "odd"
            raise Special(message)

    makers: dict[str, tuple[dict[str, Any], Any]] = {
        "strict": ({"strict": True}, FunctionClient(lambda call: int(call.model == "a/1"))),
        "cannot": ({"decision_maker": Cannot()}, client),
        "odd": ({"decision_maker": Odd()}, client),
        "failed": ({}, counting()),
    }
    for name, (settings, asked) in makers.items():
        (item,) = await taken(ensemble(asked, **settings).map(["fail"], int, journal=tmp_path / name))
        (kept,) = read_journal(tmp_path / name, int)
        assert kept.error is not None
        assert str(kept.error) == str(item.error)
        expected = EnsembleError if name == "odd" else type(item.error)
        assert type(kept.error) is expected
        if isinstance(kept.error, DegradedResult):
            assert isinstance(item.error, DegradedResult)
            assert kept.error.result == item.error.result
        if isinstance(kept.error, DecisionError):
            assert isinstance(item.error, DecisionError)
            assert kept.error.candidates == item.error.candidates
        if isinstance(kept.error, AllProcessorsFailed):
            assert isinstance(item.error, AllProcessorsFailed)
            assert (kept.error.errors, kept.error.attempts) == (item.error.errors, item.error.attempts)


async def test_odd_values_are_kept(tmp_path: Path) -> None:
    """Not-a-number, infinity and half a surrogate pair, which models do write, survive the file."""
    odd = '{"vendor": "V", "total": Infinity} \ud83d'
    asks = Ensemble(["a/1"], client=ScriptedClient({"a/1": [odd]}))
    (item,) = await taken(asks.map(["\udcff"], Bill, journal=tmp_path / "j"))
    (again,) = await taken(asks.map(["\udcff"], Bill, journal=tmp_path / "j"))
    assert again.resumed
    assert again.result == item.result
    assert again.output.total == float("inf")


@pytest.mark.parametrize("strict", [False, True])
async def test_an_answer_that_json_cannot_hold_is_one_items_error(*, strict: bool, tmp_path: Path) -> None:
    """The rest of a journal is read on; of that item it is said why there is no answer."""

    class Login(BaseModel):
        user: str
        password: SecretStr | None = None

    def answer(call: ModelCall[Any]) -> Any:
        return {"user": "u", "password": "hidden" if "b" in str(call.messages) and call.model == "a/1" else None}

    asks = ensemble(FunctionClient(answer), strict=strict)
    items = await taken(asks.map(["a", "b", "c"], Login, journal=tmp_path / "j", ordered=True))
    assert [item.error is None for item in items] == [True, not strict, True]
    first, second, third = read_journal(tmp_path / "j", Login)
    assert (first.output, third.output) == (items[0].output, items[2].output)
    assert isinstance(second.error, ConfigurationError)
    assert "JSON could not hold" in str(second.error)
    assert "hidden" not in str(second.error)
    report = evaluate([first, second, third], {at: Login(user="u") for at in range(3)})
    assert (report.items, report.unlabelled, report.unanswered) == (2, 0, 1)


async def test_a_stored_answer_that_is_not_valid_any_more_is_asked_again(tmp_path: Path) -> None:
    """A validator that became stricter is no other schema, and its answers are valid all the same."""
    least = 0

    class Checked(BaseModel):
        total: int

        @field_validator("total")
        @classmethod
        def enough(cls, value: int) -> int:
            assert value >= least
            return value

    client = FunctionClient(lambda _: {"total": least + 1})
    await taken(ensemble(client).map(["x"], Checked, journal=tmp_path / "j"))
    least = 5
    (item,) = await taken(ensemble(client).map(["x"], Checked, journal=tmp_path / "j"))
    assert (item.resumed, item.output.total) == (False, 6)


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    """A line that cannot be written whole is not there at all, and the run ends instead of paying for nothing."""
    resource = pytest.importorskip("resource")
    script = f"""
import asyncio, resource, signal
from ensemble_parse import Ensemble
from ensemble_parse.testing import FunctionClient
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
client = FunctionClient(lambda call: 1)
async def main():
    inputs = map(str, range(99))
    async for item in Ensemble(["a/1"], client=client).map(inputs, int, concurrency=1, journal={str(tmp_path / "j")!r}):
        pass
try:
    asyncio.run(main())
except OSError:
    print(len(client.calls))
"""
    assert resource
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept = len(list(read_journal(tmp_path / "j", int)))
    assert 0 < kept < int(ran.stdout) <= kept + 2
    assert (tmp_path / "j").read_bytes().endswith(b"\n")


@pytest.mark.timeout(600)
def test_kills_lose_nothing(tmp_path: Path) -> None:
    """A process killed at random moments loses no item that it gave, and pays twice only for what was under way.

    ``ENSEMBLE_PARSE_KILLS=100`` makes it a hundred kills over 2,000 inputs.
    """
    kills = int(os.environ.get("ENSEMBLE_PARSE_KILLS", "8"))
    items = 20 * kills
    report = killed(tmp_path, kills=kills, items=items, seed=1)
    assert report.final == {number: 7 * number for number in range(items)}
    assert report.again == 0
    assert report.given == items
    assert report.paid <= len(MODELS) * (items + report.kills * CONCURRENCY)
    assert report.paid >= len(MODELS) * items


# -- progress ---------------------------------------------------------------------------------------------------------


async def test_progress_is_told(tmp_path: Path) -> None:
    """A callback gets a snapshot after every item: what is done, failed, undecided, resumed and spent."""
    client = ScriptedClient({"a/1": [1], "b/2": [2]})
    inputs = ["a", "", "c"]
    for resumed in (0, 2):
        told: list[Progress] = []
        await taken(ensemble(client).map(inputs, int, concurrency=1, progress=told.append, journal=tmp_path / "j"))
        assert [now.done + now.failed for now in told] == [1, 2, 3]
        last = told[-1]
        assert (last.total, last.done, last.failed, last.undecided, last.resumed) == (3, 2, 1, 2, resumed)
        assert (last.usage.requests, last.cost, last.priced) == (0 if resumed else 4, 0.0, True)
        assert last.seconds_left == 0
        assert last.rate > 0
    told = []
    await taken(ensemble(counting()).map(iter(["a", "fail"]), int, concurrency=1, progress=told.append))
    assert (told[0].total, told[0].seconds_left, told[1].usage.requests) == (None, None, 4)


def test_progress_says_it_in_a_line() -> None:
    """What a line or the bar says."""
    usage = Usage(input_tokens=1_000_000, output_tokens=234, requests=4)
    common: dict[str, Any] = {"failed": 0, "undecided": 0, "resumed": 0, "usage": usage, "cost": 1.5, "priced": True}
    now = Progress(**{**common, "total": 5000, "done": 1200, "failed": 3, "undecided": 12, "seconds": 601.5})
    assert (
        str(now) == "1,200 of 5,000 done, 3 failed, 12 undecided, 1,000,234 tokens, $1.5000, 2.00 a second, 31:38 left"
    )
    now = Progress(**{**common, "total": None, "done": 7, "resumed": 7, "priced": False, "seconds": 1.0})
    assert str(now) == "7 done, 7 from the journal, 1,000,234 tokens, at least $1.5000, 0:01 so far"
    now = Progress(**{**common, "total": 400_000, "done": 100, "seconds": 10.0})
    assert str(now).endswith("10 a second, 11:06:30 left")
    now = Progress(**{**common, "total": 100, "done": 100, "seconds": 10.0})
    assert str(now).endswith("10 a second, in 0:10")


SHOWN = """
from ensemble_parse import Ensemble
from ensemble_parse.testing import FunctionClient
ensemble = Ensemble(["a/1"], client=FunctionClient(lambda call: 1))
for item in ensemble.map_sync(["a", "b"], int, progress=True):
    print(item.output)
"""


def test_a_line_of_progress_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the last item is told of as it ends, the end of the run has nothing to add."""

    async def main() -> None:
        await taken(ensemble(counting(11)).map(["a", "b"], int, concurrency=1, progress=True))

    run_virtual(main())
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == ["1 of 2 done", "2 of 2 done"]


def test_progress_fits_into_a_line() -> None:
    """On a narrow terminal what is missed least is left out, and never what failed."""
    usage = Usage(input_tokens=1_000_000, output_tokens=234, requests=4)
    common: dict[str, Any] = {"resumed": 0, "usage": usage, "cost": 1.5, "priced": True}
    now = Progress(**common, total=5000, done=1200, failed=3, undecided=12, seconds=601.5)
    assert now.within(200) == str(now)
    assert now.within(80) == "1,200 of 5,000 done, 3 failed, 12 undecided, $1.5000, 2.00 a second, 31:38 left"
    assert now.within(72) == "1,200 of 5,000 done, 3 failed, 12 undecided, $1.5000, 31:38 left"
    assert now.within(10) == "1,200 of 5,000 done, 3 failed"


@pytest.mark.parametrize(("terminal", "columns"), [(None, 200), ("xterm", 200), ("xterm", 50), ("dumb", 200)])
def test_progress_is_shown(terminal: str | None, columns: int) -> None:
    """Standard error has a bar on a terminal that can draw it, in one line, else lines; standard output has neither."""
    shown: Literal[-1] | int = subprocess.PIPE
    leader = -1
    if terminal:
        pty = pytest.importorskip("pty")
        leader, shown = pty.openpty()
    environment = {**os.environ, "TERM": terminal or "xterm", "COLUMNS": str(columns)}
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", SHOWN]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=shown, env=environment, check=True)
    assert ran.stdout.split() == [b"1", b"1"]
    if terminal:
        os.close(shown)
        said = b""
        with contextlib.suppress(OSError), open(leader, "rb", buffering=0) as read:  # noqa: PTH123 - a descriptor
            while more := read.read(65536):
                said += more
        assert ("━".encode() in said) is (terminal == "xterm")
        assert said.count(b"\r\n") == 1
    else:
        said = ran.stderr
        assert said.count(b"\n") == 1
    assert b"2 of 2 done" in said


@pytest.mark.parametrize("how", ["closed", "cut"])
def test_progress_that_nobody_takes(how: str) -> None:
    """A service has no standard error, and a pipe may be cut off; neither ends a run."""
    before = {"closed": "sys.stderr = None", "cut": "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 2)"}
    script = f"import os, sys\n{before[how]}\n{SHOWN}"
    ran = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    assert ran.stdout.split() == [b"1", b"1"]


async def test_what_cannot_be_used_keeps_its_name(tmp_path: Path) -> None:
    """An input that is no input is told by its own id, and never by another's; bytes are one input's affair."""
    bytes_ = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": b"\xff"}}]}]
    inputs = [
        {"id": 1, "input": "one"},
        {"id": 17, "text": "wrong key"},
        {"input": "no id"},
        {"id": 2, "messages": bytes_},
    ]
    client = FunctionClient(lambda _: 4)
    items = await taken(Ensemble(["m/a"], client=client).map(inputs, int, ordered=True, journal=tmp_path / "j"))
    assert [(item.id, item.error is None) for item in items] == [
        (1, True),
        (17, False),
        ("inputs[2]", False),
        (2, False),
    ]
