"""What vendors do wrong, over real sockets: how often they are asked again, what it costs, and what the caller sees."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, model_validator
from tenacity import AsyncRetrying, retry_always, retry_if_exception, stop_after_attempt, wait_none

from ensemble_parse import (
    AllProcessorsFailed,
    Candidate,
    Case,
    DeadlineExceeded,
    Decision,
    Ensemble,
    InvalidOutput,
    Processor,
    ProcessorError,
    ProcessorTimeout,
    ProviderError,
    Refused,
    Result,
    RetryPolicy,
    Truncated,
    Vote,
)
from tests.loopback import (
    Answer,
    Answers,
    Empty,
    Fenced,
    Garbage,
    Hang,
    HangBody,
    Held,
    Loopback,
    Refusal,
    Reply,
    Reset,
    ResetMidBody,
    Status,
    Text,
    Trickle,
    black_hole,
    content_policy,
    context_window,
)
from tests.loopback import (
    Truncated as CutOff,
)
from tests.virtual import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

VENDORS = {
    "openai/alpha": "alpha",
    "anthropic/claude-haiku-4-5": "claude-haiku-4-5",
    "gemini/gemini-2.5-flash": "gemini-2.5-flash",
    "ollama_chat/qwen3": "qwen3",
    "hosted_vllm/bravo": "bravo",
}
QUICK = RetryPolicy(attempts=3, timeout=5, wait=wait_none())


class Invoice(BaseModel):
    """An invoice."""

    vendor: str
    total: float


GOOD = {"vendor": "ACME", "total": 12.5}
BAD = {"vendor": "ACME", "total": "a lot"}


async def error_of(model: str, retry: RetryPolicy | AsyncRetrying = QUICK, **params: object) -> ProcessorError:
    """Ask one model that fails, and give what it failed with."""
    with pytest.raises(AllProcessorsFailed) as failed:
        await Ensemble([Processor(model, retry=retry, **params)]).run("What does it cost?", Invoice)
    (error,) = failed.value.exceptions
    assert isinstance(error, ProcessorError)
    return error


@pytest.mark.parametrize("model", VENDORS)
@pytest.mark.parametrize(
    ("status", "requests"), [(500, 3), (503, 3), (429, 3), (408, 3), (400, 1), (401, 1), (403, 1), (404, 1)]
)
async def test_tries_are_counted(server: Loopback, model: str, status: int, requests: int) -> None:
    """Whatever can pass is tried ``attempts`` times by every vendor's client, whatever cannot is tried once."""
    server.on(VENDORS[model], Status(status))
    error = await error_of(model)
    assert server.count() == requests
    assert isinstance(error, ProviderError)
    # LiteLLM reports Gemini's 503 as 500; both may pass.
    assert error.status_code in {status, min(500, status)}
    assert error.retryable == (requests > 1)
    assert len(error.attempts) == requests
    assert {attempt.error for attempt in error.attempts} == {"ProviderError"}


@pytest.mark.parametrize(
    ("replies", "kind", "requests"),
    [
        ([Reset()], ProviderError, 3),
        ([ResetMidBody()], ProviderError, 3),
        ([Garbage()], ProviderError, 3),
        ([Refusal()], Refused, 1),
        ([Refusal(where="content_filter")], Refused, 1),
        ([content_policy()], Refused, 1),
        ([context_window()], ProviderError, 1),
        ([CutOff(GOOD)], Truncated, 1),
        ([Answer(BAD)], InvalidOutput, 2),
        ([Empty()], InvalidOutput, 2),
        ([Text("I would rather talk about the weather.")], InvalidOutput, 2),
        # Rounds and tries add up; they do not multiply.
        ([Answer(BAD), Status(500)], ProviderError, 4),
        ([Status(500), Answer(BAD), Status(500)], ProviderError, 4),
    ],
    ids=lambda value: type(value[-1]).__name__ if isinstance(value, list) else None,
)
async def test_failures_have_names(
    server: Loopback, replies: Sequence[Reply], kind: type[ProcessorError], requests: int
) -> None:
    """Each way to fail is an error of its own, and only what asking again can mend is asked again."""
    server.on("alpha", *replies)
    error = await error_of("openai/alpha")
    assert type(error) is kind
    assert server.count() == requests
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))


@pytest.mark.parametrize("where", ["refusal", "content_filter"])
@pytest.mark.parametrize("model", VENDORS)
async def test_refusals_are_not_answers(server: Loopback, model: str, where: str) -> None:
    """A refusal, in whichever place a vendor puts it, is never asked again and never a candidate."""
    if model == "ollama_chat/qwen3":
        pytest.skip("Ollama's wire format has no place for a refusal")
    server.on(VENDORS[model], Refusal(where=where))  # type: ignore[arg-type]
    error = await error_of(model)
    assert isinstance(error, Refused), error
    assert server.count() == 1


@pytest.mark.parametrize("model", VENDORS)
@pytest.mark.parametrize("mode", ["auto", "tools", "json", "md_json"])
async def test_invalid_then_valid(server: Loopback, model: str, mode: str) -> None:
    """One invalid answer, then a valid one: two requests, both in the ledger, and the second says what was wrong."""
    if model == "ollama_chat/qwen3" and mode == "tools":
        pytest.skip("Ollama cannot be forced to call a tool")
    server.on(VENDORS[model], Answer(BAD), Answer(GOOD))
    result = await Ensemble([Processor(model, retry=QUICK, mode=mode)]).run("What does it cost?", Invoice)  # type: ignore[arg-type]
    assert result.output == Invoice(vendor="ACME", total=12.5)
    assert type(result.output) is Invoice
    assert server.count() == 2
    assert [attempt.usage.total_tokens for attempt in result.attempts] == [120, 120]
    assert result.usage.requests == 2
    assert "total" in json.dumps(server.requests[-1].body)
    assert "valid number" in json.dumps(server.requests[-1].body)


@pytest.mark.parametrize("reasks", [0, 1, 3])
async def test_reasks_bound_the_rounds(server: Loopback, reasks: int) -> None:
    """``reasks`` is how often a model is told that its answer does not validate."""
    server.on("alpha", Answer(BAD))
    error = await error_of("openai/alpha", RetryPolicy(reasks=reasks))
    assert isinstance(error, InvalidOutput)
    assert server.count() == 1 + reasks
    assert error.validation_error is not None
    assert error.validation_error.errors()[0]["loc"] == ("total",)


async def test_repair_costs_nothing(server: Loopback) -> None:
    """Fences and prose around the JSON are taken off before a re-ask is paid for."""
    server.on("alpha", Fenced(GOOD))
    result = await Ensemble(["openai/alpha"]).run("What does it cost?", Invoice)
    assert server.count() == 1
    assert result.candidates[0].repaired
    assert result.output.vendor == "ACME"


@pytest.mark.parametrize("model", VENDORS)
def test_retry_after_is_waited_for(server: Loopback, model: str) -> None:
    """A vendor's ``Retry-After`` replaces the policy's own wait."""

    async def main() -> float:
        await Ensemble([Processor(model, retry=QUICK)]).parse("What does it cost?", Invoice)
        return asyncio.get_running_loop().time()

    server.on(VENDORS[model], Status(429, retry_after=40), Answer(GOOD))
    assert run_virtual(main(), server) == pytest.approx(40, abs=0.1)
    assert server.count() == 2


@pytest.mark.parametrize("limit", [{"deadline": 90.0}, {}])
def test_retry_after_never_passes_the_deadline(server: Loopback, limit: dict[str, float]) -> None:
    """A vendor that asks for more time than there is, or than is sensible, is given up at once."""

    async def main() -> float:
        ensemble = Ensemble([Processor("openai/alpha", retry=QUICK)], **limit)  # type: ignore[arg-type]
        with pytest.raises(AllProcessorsFailed) as failed:
            await ensemble.parse("What does it cost?", Invoice)
        assert failed.value.exceptions[0].retry_after == 100  # type: ignore[union-attr]
        assert "wait 100 s, which is more than RetryPolicy(longest_wait=60)" in str(failed.value.exceptions[0])
        return asyncio.get_running_loop().time()

    server.on("alpha", Status(429, retry_after=100))
    assert run_virtual(main(), server) == pytest.approx(0, abs=0.1)
    assert server.count() == 1


@pytest.mark.parametrize("model", VENDORS)
@pytest.mark.parametrize("reply", [Hang(), HangBody()], ids=lambda reply: type(reply).__name__)
def test_a_slow_vendor_costs_one_timeout(server: Loopback, model: str, reply: Reply) -> None:
    """Whatever hangs is cut off at its ``timeout``, once; the others' answer comes back."""
    server.on(VENDORS[model], reply)
    assert run_virtual(_one_that_is_late(server, model), server) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("model", VENDORS)
def test_a_trickle_costs_one_timeout(server: Loopback, model: str) -> None:
    """An answer that would take half a minute is cut off, too, although there is never a gap in it."""
    server.on(VENDORS[model], Trickle(GOOD, 0.05))
    assert run_virtual(_one_that_is_late(server, model, trickles=True), server) == pytest.approx(100, abs=0.1)


async def _one_that_is_late(server: Loopback, model: str, *, trickles: bool = False) -> float:
    server.on("other", Answer(GOOD))
    slow = Processor(model, retry=RetryPolicy(attempts=3, timeout=100))
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    result = None
    async for event in Ensemble([slow, "openai/other"]).stream("What does it cost?", Invoice):
        result = event.result
        if event.kind == "answered" and trickles:
            while server.count(VENDORS[model]) < 1:  # noqa: ASYNC110 - the server has a loop of its own
                await asyncio.sleep(0)
            for _ in range(10):
                time.sleep(0.01)  # noqa: ASYNC251 - bytes are on their way
                loop.forward(10)
                await asyncio.sleep(0)
    assert result is not None
    took = asyncio.get_running_loop().time()
    assert result.output.vendor == "ACME"
    assert result.status == "degraded"
    assert [type(error) for error in result.errors] == [ProcessorTimeout]
    assert server.count(VENDORS[model]) == 1
    await _nothing_left(server, before, VENDORS[model])
    return took


def test_a_black_hole_costs_one_timeout(server: Loopback) -> None:
    """An address that never accepts a connection is cut off like one that hangs."""

    async def main() -> float:
        slow = Processor("openai/alpha", api_base=address, retry=RetryPolicy(timeout=100))
        result = await Ensemble([slow, "openai/other"]).run("What does it cost?", Invoice)
        assert isinstance(result.errors[0], ProcessorTimeout)
        return asyncio.get_running_loop().time()

    with black_hole() as address:
        assert run_virtual(main(), server) == pytest.approx(100, abs=0.1)


def test_cancelling_cancels_everything(server: Loopback) -> None:
    """A cancelled call is over at once, waiting for nothing, with every request cut off."""

    async def main() -> None:
        ensemble = Ensemble(list(VENDORS))
        await ensemble.check(Invoice)
        before = asyncio.all_tasks()
        call = asyncio.create_task(ensemble.parse("What does it cost?", Invoice))
        await server.until_asked(len(VENDORS))
        started = asyncio.get_running_loop().time()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.get_running_loop().time() - started < 0.1
        await _nothing_left(server, before, *VENDORS.values())

    for name in VENDORS.values():
        server.on(name, Hang())
    run_virtual(main(), server)


async def _nothing_left(server: Loopback, before: set[asyncio.Task[object]], *cancelled: str) -> None:
    await server.until_idle()
    for name in cancelled:
        assert server.cancelled(name) == 1
    # LiteLLM keeps one task per loop for its own logging.
    left = [task for task in asyncio.all_tasks() - before if "litellm" not in repr(task).lower()]
    assert not left


@pytest.mark.parametrize("predicate", [retry_always, retry_if_exception(lambda _: True)])
async def test_a_users_controller_cannot_swallow_cancellation(server: Loopback, predicate: object) -> None:
    """Tenacity predicates that match everything, cancellation included, still let it through."""
    server.on("alpha", Hang())
    retry = AsyncRetrying(retry=predicate, stop=stop_after_attempt(5), wait=wait_none())  # type: ignore[arg-type]
    call = asyncio.create_task(Ensemble([Processor("openai/alpha", retry=retry)]).parse("What does it cost?", Invoice))
    await server.until_asked(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert server.count() == 1


async def test_a_users_controller_is_copied_for_every_call(server: Loopback) -> None:
    """Concurrent calls over one tenacity controller each get all of its attempts."""
    server.on("alpha", Status(500))
    retry = AsyncRetrying(stop=stop_after_attempt(3), wait=wait_none())
    ensemble = Ensemble([Processor("openai/alpha", retry=retry)])
    calls = [ensemble.parse("What does it cost?", Invoice) for _ in range(8)]
    await asyncio.gather(*calls, return_exceptions=True)
    assert server.count() == 24


async def test_all_fail(server: Loopback) -> None:
    """When nobody answers, one error says of each processor what happened."""
    server.on("alpha", Status(401))
    server.on("bravo", Refusal())
    with pytest.raises(AllProcessorsFailed) as failed:
        await Ensemble(["openai/alpha", "hosted_vllm/bravo"]).parse("What does it cost?", Invoice)
    assert [type(each) for each in failed.value.exceptions] == [ProviderError, Refused]
    assert "openai/alpha" in str(failed.value)
    assert "check the API key" in str(failed.value)
    assert "hosted_vllm/bravo" in str(failed.value)
    again = pickle.loads(pickle.dumps(failed.value))
    assert str(again) == str(failed.value)


async def test_one_survives(server: Loopback) -> None:
    """The survivor's answer comes back, with who failed and why."""
    server.on("alpha", Status(401))
    server.on("bravo", Answer(GOOD))
    result = await Ensemble(["openai/alpha", "hosted_vllm/bravo"]).run("What does it cost?", Invoice)
    assert result.output == Invoice(vendor="ACME", total=12.5)
    assert result.status == "degraded"
    assert (result.reasons[0].kind, result.reasons[0].processor) == ("processor failed", "openai/alpha")
    assert result.decision.method == "only one"


def test_the_deadline_bounds_the_call(server: Loopback) -> None:
    """At the deadline what is there is decided upon, and the rest is cut off."""

    async def main() -> tuple[Result[Invoice], float]:
        result = await Ensemble(["openai/alpha", "hosted_vllm/bravo"], deadline=15).run("What does it cost?", Invoice)
        return result, asyncio.get_running_loop().time()

    server.on("alpha", Hang())
    server.on("bravo", Answer(GOOD))
    result, took = run_virtual(main(), server)
    assert took == pytest.approx(15, abs=0.1)
    assert result.output.vendor == "ACME"
    assert "deadline" in str(result.errors[0])
    assert any(attempt.error == "Cancelled" for attempt in result.attempts)


def test_the_deadline_passes_with_nothing(server: Loopback) -> None:
    """With nothing at the deadline there is a ``DeadlineExceeded``, a ``TimeoutError``, with the ledger."""
    server.on("alpha", Hang())
    with pytest.raises(DeadlineExceeded) as late:
        run_virtual(Ensemble(["openai/alpha"], deadline=15).parse("What does it cost?", Invoice), server)
    assert isinstance(late.value, TimeoutError)
    assert len(late.value.attempts) == 1


async def test_nothing_secret_is_shown(
    server: Loopback, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """No key, prompt or answer is in an error, a representation, a log or on the terminal, nor hangs on to an error."""
    key, prompt = "sk-very-secret-key-123456", "The patient Jane Roe of 12 Elm Street has a rare disease."

    class Strict(BaseModel):
        total: int

        @model_validator(mode="after")
        def never(self) -> Strict:
            message = f"the answer {self.total} leaks"
            raise ValueError(message)

    echo = {"error": {"message": f"Incorrect API key provided: {key}. You said: {prompt}", "type": "x", "code": "y"}}
    server.on("alpha", Status(401, body=echo))
    server.on("bravo", Answer({"total": 987654321}))
    processors = [Processor("openai/alpha", api_key=key), Processor("openai/bravo", api_key=key)]
    ensemble = Ensemble(processors, extra_headers={"x-key": key})
    caplog.set_level(logging.INFO)
    with pytest.raises(AllProcessorsFailed) as failed:
        await ensemble.parse(prompt, Strict)
    out, err = capsys.readouterr()
    seen = [str(failed.value), repr(failed.value), repr(ensemble), *map(repr, processors), out, err]
    seen += [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    for text in seen:
        for secret in (key, "Jane Roe", "987654321"):
            assert secret not in text
    for error in failed.value.exceptions:
        assert error.__cause__ is None
        assert error.__context__ is None
        assert key.encode() not in pickle.dumps(error)


async def test_samples_come_in_one_request(server: Loopback) -> None:
    """``n`` samples are one request where the vendor takes ``n``; a bad sample does not lose the good ones."""
    server.on("alpha", Answers(GOOD, BAD, {"vendor": "ACME", "total": 13}))
    result = await Ensemble([Processor("openai/alpha", n=3)]).run("What does it cost?", Invoice)
    assert server.count() == 1
    assert [candidate.output.total for candidate in result.candidates] == [12.5, 13]
    assert [type(error) for error in result.errors] == [InvalidOutput]
    assert result.usage.input_tokens == 100
    assert result.usage.output_tokens == 60


@pytest.mark.parametrize("model", ["anthropic/claude-haiku-4-5", "ollama_chat/qwen3"])
async def test_samples_come_in_parallel_elsewhere(server: Loopback, model: str) -> None:
    """Where the vendor takes no ``n``, the samples are requests of their own, at the same time."""
    server.on(VENDORS[model], Held(Answer(GOOD), lambda: server.count() == 3))
    ensemble = Ensemble([Processor(model, n=3)], Vote(stop="all"))
    result = await ensemble.run("What does it cost?", Invoice)
    assert server.count() == 3
    assert [candidate.name for candidate in result.candidates] == [f"{model}#{i}" for i in (1, 2, 3)]


def test_concurrency_is_limited(server: Loopback) -> None:
    """``max_concurrency`` holds over all calls, and waiting for a place is not part of the timeout."""

    async def main() -> tuple[int, float]:
        ensemble = Ensemble([Processor("openai/alpha", max_concurrency=2, retry=RetryPolicy(timeout=15, attempts=1))])
        calls = [ensemble.run("What does it cost?", Invoice) for _ in range(8)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return sum(isinstance(each, Result) for each in results), asyncio.get_running_loop().time()

    server.on("alpha", *[Hang()] * 6, Answer(GOOD))
    answered, took = run_virtual(main(), server)
    assert (answered, server.count()) == (2, 8)
    assert took == pytest.approx(3 * 15, abs=0.1)  # two at a time: three pairs that hang, and one that is answered


async def test_a_parameter_that_a_vendor_refuses_does_not_lose_the_call(server: Loopback) -> None:
    """A 400 that names a parameter is answered by leaving it out, which is noted."""
    message = "Unsupported value: 'temperature' does not support 0.3 with this model."
    body = {"error": {"message": message, "type": "invalid_request_error", "param": "temperature", "code": None}}
    server.on("alpha", Status(400, body=body), Answer(GOOD))
    result = await Ensemble(["openai/alpha"], temperature=0.3).run("What does it cost?", Invoice)
    assert server.count() == 2
    assert "temperature" not in server.requests[1].body
    assert result.attempts[-1].dropped == ("temperature",)
    assert "dropped parameter" in {reason.kind for reason in result.reasons}


@pytest.mark.parametrize(("model", "requests"), [("openai/alpha", 2), ("gemini/gemini-2.5-flash", 4)])
async def test_litellm_resends_once_after_a_reset(server: Loopback, model: str, requests: int) -> None:
    """A connection that is reset before any answer is sent once more by LiteLLM's own handler; it has no switch."""
    server.on(VENDORS[model], Reset())
    error = await error_of(model, RetryPolicy(attempts=2, wait=wait_none()))
    assert len(error.attempts) == 2
    assert server.count() == requests


async def test_the_missing_samples_are_asked_for(server: Loopback) -> None:
    """A server that takes ``n`` and answers once is asked again for the rest."""
    server.on("alpha", Answer(GOOD, ignore_n=True))
    result = await Ensemble([Processor("openai/alpha", n=3)]).run("What does it cost?", Invoice)
    assert [each.name for each in result.candidates] == ["openai/alpha#1", "openai/alpha#2", "openai/alpha#3"]
    assert server.count() == 3


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0.5", 0.5, 0.5), (3600, 3590, 3610), ("soon", None, None), ("-3", 0, 0)],
)
async def test_retry_after_is_read(
    server: Loopback, header: str | int, least: float | None, most: float | None
) -> None:
    """Seconds or a date; what cannot be read is no request to wait."""
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=header)) if isinstance(header, int) else header
    server.on("alpha", Status(429, retry_after=value))
    error = await error_of("openai/alpha", RetryPolicy(attempts=1))
    assert isinstance(error, ProviderError)
    if least is None or most is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert least <= error.retry_after <= most


async def test_a_timeout_of_the_users_own_code_is_theirs(server: Loopback) -> None:
    """A ``TimeoutError`` that a decision maker raises is not mistaken for the deadline."""

    class Impatient:
        async def decide(self, candidates: Sequence[Candidate[Invoice]], case: Case) -> Decision[Invoice]:
            raise TimeoutError(len(candidates), case.request.deadline)

    server.on("alpha", Answer(GOOD))
    with pytest.raises(TimeoutError) as late:
        await Ensemble(["openai/alpha"], Impatient(), deadline=20).parse("What does it cost?", Invoice)  # type: ignore[arg-type]
    assert not isinstance(late.value, DeadlineExceeded)


async def test_an_unheard_of_claude_gets_a_limit(server: Loopback) -> None:
    """LiteLLM would send a limit that older models refuse."""
    await Ensemble(["anthropic/claude-unheard-of"]).parse("What does it cost?", Invoice)
    assert server.requests[0].body["max_tokens"] == 8192
    server.reset()
    await Ensemble(["anthropic/claude-unheard-of"], max_tokens=99).parse("What does it cost?", Invoice)
    assert server.requests[0].body["max_tokens"] == 99


async def test_half_a_character_is_not_the_vendors_failure(server: Loopback) -> None:
    """Text that was read in another encoding cannot be sent: it is said so at once, and not tried again."""
    with pytest.raises(AllProcessorsFailed) as failed:
        await Ensemble([Processor("openai/a")]).run("Caf\udce9", Invoice)
    (error,) = failed.value.errors
    assert "LiteLLM could not make the request" in str(error)
    assert (server.count(), failed.value.attempts, error.retryable) == (0, (), False)
