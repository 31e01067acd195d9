"""What once broke: each test fails without the fix that it stands beside."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import sys
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, computed_field, field_validator
from tenacity import AsyncRetrying, stop_after_attempt, wait_none
from tenacity.asyncio import retry_if_exception as retry_if_exception_async

from ensemble_parse import (
    AllProcessorsFailed,
    Case,
    ConfigurationError,
    Decision,
    DecisionMaker,
    Ensemble,
    First,
    Judge,
    Processor,
    ProviderError,
    Result,
    RetryPolicy,
)
from ensemble_parse._format import response_format
from ensemble_parse._schema import Strictness
from ensemble_parse.testing import FunctionClient, ScriptedClient, no_model_requests
from tests.loopback import Answer, Hang, Loopback, Status
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ensemble_parse import Candidate

pytestmark = pytest.mark.anyio
QUICK = RetryPolicy(attempts=2, timeout=5, wait=wait_none())


class Contact(BaseModel):
    """Every field may be missing, as in most extractions."""

    age: int | None = None
    name: str | None = None


class Number(BaseModel):
    """One field."""

    a: int


class Node(BaseModel):
    """A type that holds itself, in described places."""

    value: int
    first: Annotated[Node, Field(description="one")] | None = None
    second: Annotated[Node, Field(description="two")] | None = None
    third: Annotated[Node, Field(description="three")] | None = None
    fourth: Annotated[Node, Field(description="four")] | None = None
    fifth: Annotated[Node, Field(description="five")] | None = None


class Payment(BaseModel):
    """What OpenAI's strict mode refuses."""

    amount: Decimal
    site: HttpUrl
    code: str = Field(json_schema_extra={"pattern": "^(?!x)a"})


class Closed(BaseModel):
    """It dumps more than it takes."""

    model_config = ConfigDict(extra="forbid")
    x: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        """Computed."""
        return 2 * self.x


class Picky(BaseModel):
    """A validator with a bug."""

    a: Any

    @field_validator("a")
    @classmethod
    def look_up(cls, value: str) -> int:
        """Raise what pydantic does not catch."""
        return {"known": 1}[value]


@pytest.mark.parametrize(
    ("type_", "reasoning", "text"),
    [
        (Contact, True, '{"reasoning": "r", "answer": {"age": "many"}}'),
        (Contact | None, False, '{"answer": {"age": "many"}}'),
        (dict[str, Any], True, '{"reasoning": "r", "answer": "none"}'),
        (Number, False, 'Draft: {"a": 1}. No, it is {"a": 2'),
    ],
)
def test_what_is_wrong_is_no_other_answer(type_: Any, reasoning: bool, text: str) -> None:  # noqa: FBT001
    """The wrapper of a wrong answer is no empty answer, and a draft is none either."""
    with pytest.raises(ValueError, match="validation error"):
        response_format(type_, reasoning=reasoning).parse(text)


def test_other_braces_are_no_answer() -> None:
    """A type without required fields takes any object; one that says nothing of it was not meant."""
    assert response_format(Contact).parse('Schema: {"type": {}}. {"age": 5} (see {})').value == Contact(age=5)
    assert response_format(Contact, reasoning=True).parse('{"age": 5}').value == Contact(age=5)


def test_a_judge_that_errs_is_no_empty_answer() -> None:
    """Its answer did not validate: the plurality decides, and the result says so."""
    wrong = '{"reasoning": "r", "answer": {"age": "1 or 2"}}'
    client = ScriptedClient({"a/x": [{"age": 1}], "b/y": [{"age": 2}], "judge j/z": [wrong]})
    result = Ensemble(["a/x", "b/y"], "j/z", client=client).run_sync("How old?", Contact)
    assert (result.output, result.status) == (Contact(age=1), "degraded")


def test_many_brackets_do_not_stop_the_loop() -> None:
    """Reading a text takes time with its length, not with what is in it."""
    started = time.thread_time()
    with pytest.raises(ValueError, match="validation error"):
        response_format(Number).parse("{}" * 200_000)
    assert time.thread_time() - started < 20


@pytest.mark.parametrize("model", ["openai/alpha", "anthropic/claude-haiku-4-5"])
async def test_a_bug_is_raised_as_it_is(server: Loopback, model: str) -> None:
    """Not in an error of instructor's, which holds the prompt; not in a group."""
    server.default(Answer({"a": "unknown"}))
    with pytest.raises(KeyError):
        await Ensemble([model]).run("What?", Picky)
    with no_model_requests(), pytest.raises(ConfigurationError):
        await Ensemble([model]).run("What?", Picky)


async def test_a_limit_that_is_refused_is_not_set_again(server: Loopback) -> None:
    """It was: in an endless loop of requests."""
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: not supported"}}
    server.on("claude-99", Status(400, body=body))
    async with asyncio.timeout(200):
        with pytest.raises(AllProcessorsFailed):
            await Ensemble([Processor("anthropic/claude-99", retry=QUICK)]).run("What?", Number)
    assert server.count() == 2


async def test_where_a_request_goes_is_never_dropped(server: Loopback) -> None:
    """A vendor that names the key in a complaint does not get another one."""
    server.on("alpha", Status(400, body={"error": {"message": "Unsupported api_key, api_base or extra_headers"}}))
    processor = Processor(
        "openai/alpha", api_key="sk-tenant-one", api_base=server.openai_base, extra_headers={"x-t": "1"}, retry=QUICK
    )
    with pytest.raises(AllProcessorsFailed):
        await Ensemble([processor]).run("What?", Number)
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer sk-tenant-one"]


async def test_the_judge_goes_where_the_ensemble_goes(server: Loopback) -> None:
    """The address and the key of the ensemble are the judge's, too."""
    with Loopback() as tenant:
        tenant.on("a", Answer({"a": 1}))
        tenant.on("b", Answer({"a": 2}))
        tenant.on("j", Answer({"reasoning": "", "answer": {"a": 2}}))
        judge = Judge("openai/j")
        ensemble = Ensemble(["openai/a", "openai/b"], judge, api_base=tenant.openai_base, api_key="sk-tenant")
        assert (await ensemble.parse("What?", Number)).a == 2
        assert {request.headers["authorization"] for request in tenant.requests} == {"Bearer sk-tenant"}
    assert server.count() == 0


@pytest.mark.parametrize("judge", ["nosuch/j", Judge(Processor()), Judge("openai/j", fallback="nosuch/k")])
async def test_a_judge_that_cannot_be_asked_costs_nothing(server: Loopback, judge: Any) -> None:
    """It is found before the candidates are paid for."""
    with pytest.raises(ConfigurationError):
        await Ensemble(["openai/a", "openai/b"], judge).run("What?", Number)
    assert server.count() == 0


async def test_nobody_gets_more_votes_than_asked_for(server: Loopback) -> None:
    """A vendor that returns three choices for one has one vote."""
    message = {"role": "assistant", "content": '{"a": 1}'}
    choices = [{"index": at, "message": message, "finish_reason": "stop"} for at in range(3)]
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "alpha"}
    server.on("alpha", Status(200, body={**head, "choices": choices}))
    assert len((await Ensemble(["openai/alpha"]).run("What?", Number)).candidates) == 1


def test_samples_are_not_lost_at_the_deadline(server: Loopback) -> None:
    """Two hang, and the other was there."""

    async def main() -> Result[Number]:
        result = await Ensemble(3, deadline=20).run("What?", Number, model="anthropic/claude-haiku-4-5")
        await server.until_idle()
        return result

    server.on("claude-haiku-4-5", Answer({"a": 1}), Hang())
    result = run_virtual(main(), server)
    assert (len(result.candidates), len(result.errors)) == (1, 2)
    assert [attempt.error for error in result.errors for attempt in error.attempts] == ["Cancelled"] * 2


async def test_messages_are_not_changed(server: Loopback) -> None:
    """LiteLLM takes ``cache_control`` out in place; the next vendor, and the caller, need it."""
    server.default(Answer({"a": 1}))
    system = {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]}
    messages = [system, {"role": "user", "content": "What?"}]
    before = copy.deepcopy(messages)
    await Ensemble(["hosted_vllm/bravo", "anthropic/claude-haiku-4-5"]).run(messages, Number)
    assert messages == before
    (body,) = [request.body for request in server.requests if request.vendor == "anthropic"]
    assert "cache_control" in json.dumps(body["system"])


@pytest.mark.parametrize("content", [5, b"x", {"type": "text"}, ["x"], [5]])
async def test_content_is_checked(content: object) -> None:
    """It is the caller's mistake, and found before anybody is asked."""
    with pytest.raises(ConfigurationError, match="content"):
        await Ensemble(["openai/a"]).run([{"role": "user", "content": content}], Number)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Invalid x-api-key: abcdef1234567890", "abcdef1234567890"),
        ("Error while downloading https://bucket.example/x.png?Signature=deadbeef.", "deadbeef"),
        (json.dumps("病人张三患有糖尿病和高血压请勿外传给任何人谢谢合作"), "\\u75c5"),
        ("THE PATIENT IS CALLED JOHN DOE", "JOHN"),
        ("I said: the diagnosis of the patient is diabetes", "diabetes"),
    ],
)
async def test_nothing_that_was_said_is_shown(server: Loopback, said: str, words: str) -> None:
    """Whatever form a vendor quotes it in, and whoever said it."""
    server.on(
        "alpha",
        Answer({"a": "the diagnosis of the patient is diabetes"}),
        Status(400, body={"error": {"message": f"Bad request: {said}"}}),
    )
    texts = ["病人张三患有糖尿病和高血压请勿外传给任何人谢谢合作", "The patient is called John Doe"]
    parts: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    parts.append({"type": "image_url", "image_url": {"url": "https://bucket.example/x.png?Signature=deadbeef"}})
    processor = Processor("openai/alpha", retry=QUICK, extra_headers={"x-api-key": "abcdef1234567890"})
    with pytest.raises(AllProcessorsFailed) as failed:
        await Ensemble([processor]).run([{"role": "user", "content": parts}], Number)
    assert words not in str(failed.value)


async def test_keys_that_a_model_made_up_are_not_shown(server: Loopback) -> None:
    """Where an answer is wrong is told by the names of fields alone."""
    server.default(Answer({"John Doe": "x"}))
    with pytest.raises(AllProcessorsFailed, match=r"\* \(int_parsing\)") as failed:
        await Ensemble(["openai/alpha"]).run("What?", dict[str, int])
    assert "John" not in str(failed.value)


async def test_a_long_error_does_not_stop_the_loop(server: Loopback) -> None:
    """A vendor may answer with a page, and the prompt may be long: work grows with that, not with its square."""

    async def work(numbers: int) -> float:
        prompt = " ".join(map(str, range(numbers)))
        server.on("alpha", Status(400, body={"error": {"message": prompt}}))
        started = time.thread_time()
        with pytest.raises(AllProcessorsFailed):
            await Ensemble(["openai/alpha"]).run(prompt, Number)
        return time.thread_time() - started

    await work(1)  # what a first call imports is no work of this kind
    assert await work(40_000) < 10 * await work(10_000)


async def test_errors_and_reprs_hold_no_key(server: Loopback) -> None:
    """Neither the frames of a value's traceback, nor what a decision maker or a client may log."""
    server.on("alpha", Status(401))
    server.on("bravo", Answer({"a": 1}))
    seen: list[str] = []

    class Logs:
        async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Decision[Any]:
            seen.append(repr(case))
            return await First().decide(candidates, case)

    assert isinstance(Logs(), DecisionMaker)
    result = await Ensemble(["openai/alpha", "hosted_vllm/bravo"], Logs(), api_key="sk-tenant-key").run("?", Number)
    assert result.errors[0].__traceback__ is None
    assert "sk-tenant-key" not in seen[0]


def in_a_thread(call: Callable[[], object]) -> object:
    """What a call gives or raises; ``None`` if it hangs."""
    box: list[object] = []

    def run() -> None:
        try:
            box.append(call())
        except BaseException as error:  # noqa: BLE001 - also SystemExit
            box.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    return box[0] if box else None


def test_synchronous_calls_do_not_wait_for_themselves() -> None:
    """A call inside a call is refused; one that exits takes no other call with it."""
    inner = Ensemble(["a/b"], client=FunctionClient(lambda _: 1))
    outer = Ensemble(["a/b"], client=FunctionClient(lambda _: inner.parse_sync("?", int)))
    assert isinstance(in_a_thread(lambda: outer.parse_sync("?", int)), ConfigurationError)
    leaves = Ensemble(["a/b"], client=FunctionClient(lambda _: sys.exit(3)))
    assert isinstance(in_a_thread(lambda: leaves.parse_sync("?", int)), SystemExit)
    assert in_a_thread(lambda: inner.parse_sync("?", int)) == 1


def test_tenacity_may_be_asynchronous() -> None:
    """A coroutine is not the answer yes, and a callback's value is no answer."""

    async def no(_: BaseException) -> bool:
        return False

    async def soon(_: object) -> float:
        return 0.0

    client = ScriptedClient({"a/b": [ConnectionError()]})
    for retry, calls in [
        (AsyncRetrying(stop=stop_after_attempt(6), wait=wait_none(), retry=retry_if_exception_async(no)), 1),
        (AsyncRetrying(stop=stop_after_attempt(2), wait=soon), 2),
        (AsyncRetrying(stop=stop_after_attempt(2), wait=wait_none(), retry_error_callback=lambda _: 5), 2),
    ]:
        client.calls.clear()
        with pytest.raises(AllProcessorsFailed):
            Ensemble([Processor("a/b", retry=retry)], client=client).run_sync("?", int)
        assert len(client.calls) == calls


@pytest.mark.parametrize(
    "make",
    [
        *[lambda kw=kw: Processor("a/b", **kw) for kw in (
            {"retry": 3}, {"weight": float("inf")}, {"weight": "2"}, {"n": 2.5}, {"n": True}, {"max_concurrency": 1.5},
            {"name": " "}, {"deadline": 3}, {"fallbacks": ["a/c"]})],
        *[lambda kw=kw: RetryPolicy(**kw) for kw in (
            {"attempts": 2.5}, {"attempts": "3"}, {"timeout": float("inf")}, {"timeout": None}, {"reasks": 1.5},
            {"wait": 3})],
        *[lambda kw=kw: Ensemble(["a/b"], **kw) for kw in (
            {"deadline": "5"}, {"deadline": True}, {"min_candidates": "1"}, {"decision_maker": First}, {"weight": 2})],
        lambda: Judge(Processor("a/b", n=3)),
    ],
)  # fmt: skip
def test_settings_are_checked(make: Callable[[], object]) -> None:
    """Whatever type they have, when they are made."""
    with pytest.raises(ConfigurationError):
        make()


def test_strict_schemas_end_and_are_taken() -> None:
    """A type that holds itself is not written out without end; no keyword that OpenAI refuses is left."""
    started = time.thread_time()
    assert Strictness(response_format(Node).schema, portable=True).schema
    assert time.thread_time() - started < 1
    text = json.dumps(Strictness(response_format(Payment).schema, portable=True).schema)
    assert '"uri"' not in text
    assert '"pattern": "^(?!' not in text


def test_results_are_stored_and_compared() -> None:
    """With errors, with a client's own errors, with computed fields."""

    class Mine(ProviderError):
        pass

    def answer(call: Any) -> Any:
        if call.model == "b/y":
            message = "no"
            raise Mine(message, processor="b/y", status_code=418)
        return 1

    result = Ensemble(["a/x", "b/y"], client=FunctionClient(answer)).run_sync("?", int)
    assert Result.from_dict(result.to_dict(), int).errors[0].args == ("no",)
    client = ScriptedClient({"a/x": [{"x": 1}], "b/y": [TimeoutError()]})
    stored = Ensemble(["a/x", "b/y"], client=client, examples=[("2", Closed(x=2))]).run_sync("?", Closed)
    assert Result.from_dict(json.loads(json.dumps(stored.to_dict())), Closed) == stored
    assert pickle.loads(pickle.dumps(stored)) == stored
    data = stored.to_dict()
    data["errors"][0]["kind"] = "TYPE_CHECKING"
    assert Result.from_dict(data, Closed).errors


async def test_plans_do_not_pile_up(server: Loopback) -> None:
    """A service has a new user, seed and header for every call; none of them is kept."""
    server.default(Answer({"a": 1}))
    ensemble = Ensemble(["openai/alpha"])
    format_ = response_format(Number)
    format_.cache.clear()
    for number in range(5):
        await ensemble.run("?", Number, user=f"u{number}", seed=number, extra_headers={"x-key": f"secret{number}"})
    assert "secret" not in repr(format_.cache)
    assert len(format_.cache["plans"]) == 1
