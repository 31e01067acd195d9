"""One call from end to end: many vendors, every response type, every kind of message, sync and async."""

from __future__ import annotations

import asyncio
import base64
import enum
import importlib.abc
import io
import json
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from ensemble_parse import (
    Candidate,
    Case,
    ConfigurationError,
    Decision,
    DecisionError,
    DegradedResult,
    Ensemble,
    First,
    Judge,
    Processor,
    Result,
    RetryPolicy,
    Vote,
)
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.loopback import Answer, Hang, Loopback, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio


class Invoice(BaseModel):
    """An invoice."""

    vendor: str
    total: float


@dataclass
class Point:
    """A place."""

    x: int
    y: int


class Movie(TypedDict):
    """A film."""

    title: str
    year: int


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    """A recursive type."""

    name: str
    children: list[Tree] = []


class Names(RootModel[list[str]]):
    """A root model."""


class Awkward(BaseModel):
    """A user's fields may be called like ours."""

    reasoning: str
    answer: int
    model: str
    choices: list[str]
    usage: dict[str, int]


class Dated(BaseModel):
    """Types that JSON has no word for."""

    model_config = ConfigDict(frozen=True)

    day: date
    price: Decimal
    kind: Literal["a", "b"]
    tags: frozenset[str]


ACME = {"vendor": "ACME", "total": 12.5}


async def test_vendors_mix(server: Loopback) -> None:
    """Five vendors, each over its own wire format with its own settings, and a judge of a sixth."""
    processors = [
        Processor("openai/gpt-5-mini", max_completion_tokens=500, reasoning_effort="low"),
        Processor("anthropic/claude-haiku-4-5", temperature=0.1, max_tokens=400),
        Processor("gemini/gemini-2.5-flash", temperature=0.2, retry=RetryPolicy(timeout=20)),
        Processor("ollama_chat/qwen3", temperature=0.3, seed=7),
        Processor("hosted_vllm/bravo", temperature=0.4, weight=2, extra_headers={"x-team": "blue"}),
    ]
    server.on("gpt-5-mini", Answer({"vendor": "Acme Inc", "total": 12.5}))
    server.on("mistral-large", Answer({"reasoning": "It says so.", "answer": ACME}))
    server.default(Answer(ACME))
    ensemble = Ensemble(processors, decision_maker=Judge("mistral/mistral-large"))
    result = await ensemble.run("Invoice from ACME over 12.50", Invoice)

    assert result.output == Invoice(vendor="ACME", total=12.5)
    assert [candidate.processor for candidate in result.candidates] == [each.name for each in ensemble.processors]
    assert result.decision.method == "selected"
    assert result.decision.explanation == "It says so."
    body = {each.model: each.body for each in server.requests}
    wires = {each.model: (each.vendor, each.path) for each in server.requests}
    assert wires["claude-haiku-4-5"] == ("anthropic", "/v1/messages")
    assert wires["gemini-2.5-flash"][0] == "gemini"
    assert wires["qwen3"] == ("ollama", "/api/chat")
    assert {wires[name][0] for name in ("gpt-5-mini", "bravo", "mistral-large")} == {"openai"}
    assert body["gpt-5-mini"]["reasoning_effort"] == "low"
    assert body["claude-haiku-4-5"]["temperature"] == 0.1
    assert body["gemini-2.5-flash"]["generationConfig"]["temperature"] == 0.2
    assert body["qwen3"]["options"] == {"temperature": 0.3, "seed": 7}
    assert body["bravo"]["temperature"] == 0.4
    assert next(each for each in server.requests if each.model == "bravo").headers["x-team"] == "blue"
    verdict = result.decision.verdicts["vendor"]
    assert verdict.agreement == pytest.approx(5 / 6)
    assert [(each.name, each.value) for each in verdict.dissenters] == [("openai/gpt-5-mini", "Acme Inc")]
    assert result.usage.requests == 6
    assert set(result.cost.processors) == {*(each.name for each in ensemble.processors), "judge mistral/mistral-large"}


@pytest.mark.parametrize(
    "model", ["openai/alpha", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "hosted_vllm/b"]
)
@pytest.mark.parametrize(
    ("response_format", "said", "expected"),
    [
        (Invoice, ACME, Invoice(vendor="ACME", total=12.5)),
        (Invoice, {"vendor": "ACME", "total": "12.5"}, Invoice(vendor="ACME", total=12.5)),
        (Point, {"x": 1, "y": "2"}, Point(1, 2)),
        (Movie, {"title": "Alien", "year": 1979}, {"title": "Alien", "year": 1979}),
        (Tree, {"name": "a", "children": [{"name": "b", "children": []}]}, Tree(name="a", children=[Tree(name="b")])),
        (Names, {"answer": ["a", "b"]}, Names(["a", "b"])),
        (list[Invoice], {"answer": [ACME]}, [Invoice(vendor="ACME", total=12.5)]),
        (Literal["yes", "no"], {"answer": "yes"}, "yes"),
        (Colour, {"answer": "red"}, Colour.RED),
        (Invoice | Point, {"answer": {"x": 1, "y": 2}}, Point(1, 2)),
        (Annotated[int, Field(ge=0)], {"answer": 7}, 7),
        (bool, {"answer": True}, True),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (tuple[int, str], {"answer": [1, "x"]}, (1, "x")),
        (
            Dated,
            {"day": "2026-01-31", "price": "9.90", "kind": "b", "tags": ["x", "y"]},
            Dated(day=date(2026, 1, 31), price=Decimal("9.90"), kind="b", tags=frozenset({"x", "y"})),
        ),
        (
            Awkward,
            {"reasoning": "r", "answer": 4, "model": "m", "choices": ["c"], "usage": {"u": 1}},
            Awkward(reasoning="r", answer=4, model="m", choices=["c"], usage={"u": 1}),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_every_response_type(
    server: Loopback, model: str, response_format: Any, said: object, expected: object
) -> None:
    """Whatever a type adapter takes comes back as an instance of just that, equal and picklable."""
    server.default(Answer(said))
    result = await Ensemble([model]).run("Go", response_format)
    assert result.output == expected
    assert type(result.output) is type(expected)
    assert pickle.loads(pickle.dumps(result.output)) == expected
    assert Result.from_dict(json.loads(json.dumps(result.to_dict())), response_format) == result
    if not isinstance(response_format, type(Annotated[int, 0])):
        assert pickle.loads(pickle.dumps(result)).output == expected
    assert server.count() == 1


async def test_reasoning_comes_first_and_stays_inside(server: Loopback) -> None:
    """With ``pass_reasoning`` the models reason before they answer; the answer's type and fields do not change."""
    answer = {"reasoning": "mine", "answer": 4, "model": "m", "choices": [], "usage": {}}
    server.on("alpha", Answer({"reasoning": "because", "answer": answer}))
    server.on("bravo", Answer({"reasoning": "since", "answer": {**answer, "answer": 5}}))
    server.on("judge", Answer({"reasoning": "b is right", "answer": {**answer, "answer": 5}}))
    ensemble = Ensemble(["openai/alpha", "hosted_vllm/bravo"], decision_maker=Judge("openai/judge"))
    result = await ensemble.run("Go", Awkward, pass_reasoning=True)
    assert type(result.output) is Awkward
    assert (result.output.reasoning, result.output.answer) == ("mine", 5)
    assert [candidate.reasoning for candidate in result.candidates] == ["because", "since"]
    schema = next(each.body for each in server.requests if each.model == "alpha")["response_format"]["json_schema"][
        "schema"
    ]
    assert list(schema["properties"]) == ["reasoning", "answer"]
    shown = json.dumps(next(each.body for each in server.requests if each.model == "judge"))
    assert "because" in shown
    assert "since" in shown


async def test_examples_are_permuted(server: Loopback) -> None:
    """Every processor and sample sees the examples in an order of its own, the same at every call."""
    examples = [(f"Invoice {i}", Invoice(vendor=f"V{i}", total=i)) for i in range(6)]
    processors: Sequence[str | Processor] = ["openai/alpha", "hosted_vllm/bravo", Processor("openai/charlie", n=2)]
    ensemble = Ensemble(processors, Vote(stop="all"), examples=examples)
    messages = [{"role": "system", "content": "Read."}, {"role": "user", "content": "Invoice 99"}]
    orders = []
    for _ in range(2):
        server.reset()
        await ensemble.parse(messages, Invoice)
        said = [[turn["content"] for turn in each.body["messages"]] for each in server.requests]
        assert len(said) == 4
        for turns in said:
            assert turns[0] == "Read."
            assert turns[-1] == "Invoice 99"
            number = turns[1].split()[1]
            assert turns[2] == f'{{"vendor":"V{number}","total":{float(number)}}}'
            assert len(turns) == 14
        orders.append(sorted(tuple(turns[1:-1:2]) for turns in said))
    assert len(set(orders[0])) == 4
    assert orders[0] == orders[1]
    server.reset()
    await Ensemble(processors, examples=examples, shuffle_examples=False).parse("Invoice 99", Invoice)
    assert {each.body["messages"][0]["content"] for each in server.requests} == {"Invoice 0"}


async def test_parts_reach_everybody(server: Loopback) -> None:
    """Text, image, PDF and audio parts go out unchanged, to the processors and to the judge."""
    data = base64.b64encode(b"data").decode()
    parts = [
        {"type": "text", "text": "What is on this? {{ not_a_template }}"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
    ]
    messages = [{"role": "system", "content": "Look."}, {"role": "user", "content": parts, "name": "kim"}]
    before = json.dumps(messages)
    server.on("alpha", Answer(ACME))
    server.on("bravo", Answer({"vendor": "Other", "total": 1}))
    server.on("judge", Answer({"reasoning": "", "answer": ACME}))
    ensemble = Ensemble(
        ["openai/alpha", Processor("hosted_vllm/bravo", mode="tools")], decision_maker=Judge("openai/judge")
    )
    await ensemble.parse(messages, Invoice)
    assert json.dumps(messages) == before
    for request in server.requests:
        assert request.body["messages"][:2] == messages, request.model
    server.reset()
    server.default(Answer(ACME))
    await Ensemble(["anthropic/claude-haiku-4-5"]).parse([messages[0], {"role": "user", "content": parts[:3]}], Invoice)
    kinds = [part["type"] for part in server.requests[0].body["messages"][0]["content"]]
    assert kinds == ["text", "image", "document"]


async def test_schemas_go_out_strict(server: Loopback) -> None:
    """A schema that can be strict is; limits that OpenAI refuses become words there, and stay elsewhere."""

    class Limited(BaseModel):
        name: Annotated[str, Field(max_length=20)]
        note: str = "none"
        tags: dict[str, str] | None = None

    class Narrow(BaseModel):
        name: Annotated[str, Field(max_length=20)]
        note: str = "none"

    await Ensemble(["hosted_vllm/bravo"]).parse("Go", Narrow)
    sent = server.requests[0].body["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["required"] == ["name", "note"]
    assert sent["schema"]["additionalProperties"] is False
    assert sent["schema"]["properties"]["name"]["maxLength"] == 20
    (fit,) = await Ensemble(["openai/gpt-5-mini"]).check(Limited)
    assert not fit.strict
    assert list(fit.problems) == ["tags"]
    assert "free keys" in fit.problems["tags"]


async def test_an_answer_costs_no_search_for_packages(server: Loopback) -> None:
    """Nothing is imported for an answer once the first has come, found or not, and the wire stays the same."""
    searched: list[str] = []

    class Watch(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            searched.append(name)

    for mode in ("tools", "json_schema", "md_json"):
        ensemble = Ensemble([Processor("openai/any", mode=mode)])
        await ensemble.parse("How much?", Invoice)
        watch = Watch()
        sys.meta_path.insert(0, watch)
        try:
            await ensemble.parse("How much?", Invoice)
        finally:
            sys.meta_path.remove(watch)
        first, second = server.requests[-2:]
        assert first.body == second.body
    assert searched == []


async def test_modes_are_looked_up(server: Loopback) -> None:
    """Each vendor is asked for structure in the way that it takes, without a request to find out."""
    models = {
        "openai/gpt-5-mini": "json_schema",
        "openai/gpt-3.5-turbo": "tools",
        "openai/some-server": "json_schema",
        "anthropic/claude-haiku-4-5": "json_schema",
        "anthropic/claude-unheard-of": "tools",
        "gemini/gemini-2.5-flash": "json_schema",
        "gemini/unheard-of": "tools",
        "ollama_chat/qwen3": "json_schema",
        "hosted_vllm/x": "json_schema",
        "mistral/unheard-of": "json_schema",
        "groq/unheard-of": "tools",
        "cohere_chat/command-r": "md_json",
    }
    fits = await Ensemble(list(models)).check(Invoice)
    assert {fit.processor: fit.mode for fit in fits} == models
    assert server.count() == 0


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Ensemble([]), "at least one model"),
        (lambda: Ensemble(0), "n=0"),
        (lambda: Ensemble("openai/gpt-5"), "give a number, or a list"),
        (lambda: Ensemble([3]), "neither a model string nor a Processor"),
        (lambda: Ensemble(["a/b"], decision_maker=3), "decision_maker=3"),
        (lambda: Ensemble(["a/b"], decision_maker=First), "First is a class; write First(...)"),
        (lambda: Ensemble(["a/b"], decision_maker="medoid"), "write Medoid()"),
        (lambda: Ensemble(["a/b"], client=ScriptedClient), "ScriptedClient is a class"),
        (lambda: ScriptedClient([1]), "give a mapping"),
        (lambda: ScriptedClient({"a/b": 1}), "must be a list"),
        (lambda: Result.from_dict("{}", Invoice), "json.loads reads one from a text"),
        (lambda: Ensemble(["a/b"], deadline=0), "deadline=0"),
        (lambda: Ensemble(["a/b"], min_candidates=2), "give 1 to 1"),
        (lambda: Ensemble(["a/b"], timeout=3), "RetryPolicy(timeout=...)"),
        (lambda: Ensemble(processor=["a/b"]), "did you mean 'processors'"),
        (lambda: Processor("a/b", wieght=2), "did you mean 'weight'"),
        (lambda: Ensemble(["a/b"], max_retries=3), "RetryPolicy(attempts="),
        (lambda: Ensemble([Processor("a/b", name="x"), Processor("c/d", name="x")]), "called 'x'"),
        (lambda: Processor("a/b", weight=0), "weight=0"),
        (lambda: Processor("a/b", weight=-1), "weight=-1"),
        (lambda: Processor("a/b", n=0), "n=0"),
        (lambda: Processor("a/b", mode="xml"), "mode='xml'"),
        (lambda: Processor("a/b", max_concurrency=0), "max_concurrency=0"),
        (lambda: RetryPolicy(timeout=-1), "timeout=-1"),
        (lambda: RetryPolicy(attempts=0), "attempts=0"),
        (lambda: RetryPolicy(reasks=-1), "reasks=-1"),
        (lambda: Judge("a/b", mode="guess"), "mode='guess'"),
        (lambda: Judge(Processor("a/b"), temperature=0), "to the Processor"),
    ],
)
def test_bad_settings(build: Any, says: str) -> None:
    """What cannot run is refused where it is written, with what to write instead."""
    with pytest.raises(ConfigurationError) as refused:
        build()
    assert says in str(refused.value)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("processors", "messages", "response_format", "options", "says"),
    [
        (["openai/a"], "", Invoice, {}, "empty text"),
        (["openai/a"], [], Invoice, {}, "messages is empty"),
        (["openai/a"], {"role": "user"}, Invoice, {}, "give a text, or a list"),
        (["openai/a"], ["hello"], Invoice, {}, "messages[0] is no message"),
        (["openai/a"], [{"role": "user"}], Invoice, {}, "messages[0] has no content"),
        (["openai/a"], b"Go", Invoice, {}, "messages is a bytes"),
        (["openai/a"], "Go", Invoice(vendor="ACME", total=1), {}, "give the class, Invoice"),
        (["openai/a"], "Go", [Invoice], {}, "give the type itself"),
        (["openai/a"], "Go", object(), {}, "cannot be used"),
        (["openai/a"], "Go", lambda: 1, {}, "cannot be used"),
        (["openai/a", "opanai/b"], "Go", Invoice, {}, "Did you mean 'openai/b'"),
        (["openai/a", "some-model"], "Go", Invoice, {}, "'some-model'"),
        (2, "Go", Invoice, {}, "no model"),
        (["openai/a"], "Go", Invoice, {"timeout": 3}, "deadline="),
        (["openai/a"], "Go", Invoice, {"n": 3}, "Processor(n=...)"),
        (["openai/a"], "Go", Invoice, {"pass_reasonings": True}, "did you mean 'pass_reasoning'"),
        (["openai/a"], "Go", {"type": "object"}, {}, "it is data"),
        (["openai/a"], "Go", Invoice, {"examples": [("a", {"vendor": 1})]}, "examples[0]"),
        (
            ["openai/a"],
            "Go",
            Invoice,
            {"examples": [("a", ACME)], "pass_reasoning": True},
            "(input, output, reasoning)",
        ),
        ([Processor("anthropic/claude-haiku-4-5", mode="json_schema")], "Go", dict[str, int], {}, "Use mode 'tools'"),
    ],
)
async def test_bad_calls(
    server: Loopback, processors: Any, messages: Any, response_format: Any, options: dict[str, Any], says: str
) -> None:
    """What cannot run is refused before any request, of any processor."""
    with pytest.raises(ConfigurationError) as refused:
        await Ensemble(processors).parse(messages, response_format, **options)
    assert says in str(refused.value)
    assert server.count() == 0


async def test_a_number_of_samples(server: Loopback) -> None:
    """``Ensemble(3)`` takes three samples of the model that the call names, in one request where the vendor takes n."""
    result = await Ensemble(3).run("Go", Invoice, model="openai/alpha")
    assert [each.name for each in result.candidates] == ["processor#1", "processor#2", "processor#3"]
    assert server.requests[0].body["n"] == 3
    assert server.count() == 1


async def test_first_is_failover(server: Loopback) -> None:
    """``First`` asks in order of trust, one at a time, and stops at the first valid answer."""
    server.on("alpha", Status(401))
    server.on("bravo", Answer(ACME))
    result = await Ensemble(["openai/alpha", "openai/bravo", "openai/charlie"], decision_maker=First()).run(
        "Go", Invoice
    )
    assert [each.model for each in server.requests] == ["alpha", "bravo"]
    assert result.decision.method == "first"
    assert result.output.vendor == "ACME"


async def test_parameters_are_merged(server: Loopback) -> None:
    """The call's parameters go over the ensemble's, and a processor's own over both."""
    processors = ["openai/alpha", Processor("openai/bravo", temperature=0.9)]
    await Ensemble(processors, temperature=0.1, top_p=0.5).parse("Go", Invoice, temperature=0.2)
    sent = {each.model: (each.body["temperature"], each.body["top_p"]) for each in server.requests}
    assert sent == {"alpha": (0.2, 0.5), "bravo": (0.9, 0.5)}


async def test_a_parameter_that_a_vendor_does_not_take(server: Loopback) -> None:
    """It is left out for that vendor and noted; with ``strict`` it is an error before any request."""
    processors = ["openai/alpha", "anthropic/claude-haiku-4-5"]
    result = await Ensemble(processors).run("Go", Invoice, seed=3)
    assert {each.model: "seed" in each.body for each in server.requests} == {"alpha": True, "claude-haiku-4-5": False}
    assert [(each.kind, each.processor) for each in result.reasons if each.kind == "dropped parameter"] == [
        ("dropped parameter", "anthropic/claude-haiku-4-5")
    ]
    server.reset()
    with pytest.raises(ConfigurationError, match="seed"):
        await Ensemble(processors, strict=True).run("Go", Invoice, seed=3)
    assert server.count() == 0


async def test_strict_raises_and_keeps_the_result(server: Loopback) -> None:
    """``strict`` turns a degraded result into an error that carries it."""
    server.on("alpha", Status(401))
    server.on("gpt-5-mini", Answer(ACME))
    with pytest.raises(DegradedResult, match="processor failed") as degraded:
        await Ensemble(["openai/alpha", "openai/gpt-5-mini"], strict=True).parse("Go", Invoice)
    assert degraded.value.result.output.vendor == "ACME"
    assert isinstance(degraded.value, DecisionError)


async def test_min_candidates(server: Loopback) -> None:
    """Fewer valid answers than ``min_candidates`` are no result; what was paid for is on the error."""
    server.on("alpha", Status(401))
    with pytest.raises(DecisionError, match="min_candidates=2") as few:
        await Ensemble(["openai/alpha", "openai/bravo"], min_candidates=2).parse("Go", Invoice)
    assert len(few.value.candidates) == 1


async def test_unknown_prices_stay_unknown(server: Loopback) -> None:
    """A total is given only where every price is known; the known part is always there."""
    known = (await Ensemble(["openai/gpt-5-mini", "ollama_chat/qwen3"]).run("Go", Invoice)).cost
    assert known.total == known.known > 0
    assert known.processors["ollama_chat/qwen3"] == 0
    result = await Ensemble(["openai/gpt-5-mini", "openai/unheard-of"]).run("Go", Invoice)
    assert result.cost.processors["openai/unheard-of"] is None
    assert result.cost.total is None
    assert result.cost.known > 0
    assert "price unknown" in {reason.kind for reason in result.reasons}


async def test_ties_fall_to_weight_then_trust() -> None:
    """Without a decision maker every field is voted upon, and ties, which fall to the order of trust, are said."""
    client = ScriptedClient({"a/1": ["1"], "b/2": ["2"], "c/3": ["2"]})
    result = await Ensemble(["a/1", "b/2", "c/3"], client=client).run("Go", int)
    assert (result.output, result.decision.method, result.status) == (2, "vote", "complete")
    result = await Ensemble(["a/1", "b/2"], client=client).run("Go", int)
    assert (result.output, [reason.kind for reason in result.reasons]) == (1, ["undecided"])
    result = await Ensemble(["a/1", Processor("b/2", weight=1.5)], client=client).run("Go", int)
    assert (result.output, result.status) == (2, "complete")


async def test_a_decision_maker_of_ones_own() -> None:
    """An object with a ``decide`` method decides; its mistakes are the caller's to see."""

    class Largest:
        async def decide(self, candidates: Sequence[Candidate[int]], case: Case) -> Decision[int]:
            del case
            best = max(candidates, key=lambda each: each.output)
            return Decision(output=best.output, method="largest", candidate=best)

    class Broken:
        async def decide(self, candidates: Sequence[Candidate[int]], case: Case) -> Decision[int]:
            raise KeyError(len(candidates), case.request.messages[0]["role"])

    client = ScriptedClient({"a/1": [1], "b/2": [5], "c/3": [3]})
    result = await Ensemble(["a/1", "b/2", "c/3"], Largest(), client=client).run("Go", int)  # type: ignore[arg-type]
    assert (result.output, result.decision.method, result.decision.verdicts[""].agreement) == (5, "largest", 1 / 3)
    with pytest.raises(KeyError):
        await Ensemble(["a/1"], Broken(), client=client).run("Go", int)  # type: ignore[arg-type]


async def test_a_bug_is_an_exception() -> None:
    """An error that is no vendor's ends the call as it is, and cancels the others."""
    cancelled = threading.Event()

    async def answer(call: Any) -> int:
        if call.model == "a/bug":
            raise ZeroDivisionError
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return 1

    with pytest.raises(ZeroDivisionError):
        await Ensemble(["a/bug", "b/slow"], client=FunctionClient(answer)).parse("Go", int)
    assert cancelled.is_set()


async def test_sync_inside_a_running_loop(server: Loopback) -> None:
    """``parse_sync`` works where a loop already runs, as in a notebook."""
    server.default(Answer(ACME))
    assert Ensemble(["openai/alpha"]).parse_sync("Go", Invoice).vendor == "ACME"


def test_sync_from_threads(server: Loopback) -> None:
    """One ensemble serves many threads at a time, over the connections of one loop."""
    server.default(Answer(ACME, latency=0.05))
    ensemble = Ensemble([Processor("openai/alpha", max_concurrency=4), "hosted_vllm/bravo"])
    outputs: list[Invoice] = []
    threads = [threading.Thread(target=lambda: outputs.append(ensemble.parse_sync("Go", Invoice))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [Invoice(vendor="ACME", total=12.5)] * 12
    assert ensemble.run_sync("Go", Invoice).output.vendor == "ACME"


def test_many_event_loops(server: Loopback) -> None:
    """An ensemble outlives event loops, its concurrency limit included."""
    server.default(Answer(ACME, latency=0.02))
    ensemble = Ensemble([Processor("openai/alpha", max_concurrency=1)])

    async def several() -> list[Invoice]:
        return [*await asyncio.gather(*(ensemble.parse("Go", Invoice) for _ in range(3)))]

    for _ in range(3):
        assert len(asyncio.run(several())) == 3


def test_interrupting_sync_cancels(server: Loopback) -> None:
    """Ctrl-C in ``parse_sync`` ends the requests of the call."""
    code = f"""
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with it ignored
os.environ.update({server.environment()!r})
from ensemble_parse import Ensemble
ensemble = Ensemble(["openai/fast", "openai/hang"])
try:
    ensemble.parse_sync("Go", int)
except KeyboardInterrupt:
    print("interrupted")
"""
    server.on("hang", Hang())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        while server.count("hang") < 1:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate()[0] == "interrupted\n"
        finally:
            process.kill()
    server.wait_idle()
    assert server.cancelled("hang") == 1


def test_swapped_arguments() -> None:
    """A type before the messages is told as that, and the error does not hold the prompt."""
    with pytest.raises(ConfigurationError, match="the messages come before it") as refused:
        Ensemble(["openai/a"]).parse_sync(Invoice, "the secret prompt")  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)


def test_results_show_who_said_what() -> None:
    """A result shows itself on a terminal and in a notebook, with what models wrote escaped."""
    from rich.console import Console

    client = ScriptedClient(
        {"a/1": [{"vendor": "<script>alert(1)</script>", "total": 1}], "b/2": [ACME], "c/3": [ACME]}
    )
    result = Ensemble(["a/1", "b/2", "c/3"], client=client).run_sync("Go", Invoice)
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(result)
    text = console.export_text()
    for word in ("vendor", "ACME", "67%", "a/1", "vote"):
        assert word in text
    page = result._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
