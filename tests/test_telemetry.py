"""Spans and log lines: what they say of a call, what they never say, and whose parents they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from litellm.integrations.opentelemetry import OpenTelemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult
from opentelemetry.trace import StatusCode
from pydantic import BaseModel

from ensemble_parse import AllProcessorsFailed, DegradedResult, Ensemble, Judge, Processor, Refused, RetryPolicy, Vote
from ensemble_parse.integrations.litellm import register
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.loopback import Answer, Loopback, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from ensemble_parse import ModelCall

pytestmark = pytest.mark.anyio

OPT_IN = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ONCE = RetryPolicy(attempts=1, reasks=0)
THREE = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"]


class Switch(Sampler):
    """Records in these tests alone: a process has one provider, and the other tests shall have none that records."""

    on = False

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        """As the switch says."""
        return (ALWAYS_ON if self.on else ALWAYS_OFF).should_sample(*args, **kwargs)

    def get_description(self) -> str:
        """What the SDK asks for."""
        return "Switch"


SWITCH = Switch()
EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider(sampler=SWITCH, shutdown_on_exit=False)
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
trace.set_tracer_provider(PROVIDER)


class Spans:
    """What was recorded."""

    @property
    def all(self) -> list[ReadableSpan]:
        """Every finished span."""
        return list(EXPORTER.get_finished_spans())

    @property
    def ours(self) -> list[ReadableSpan]:
        """Those of this library."""
        return [span for span in self.all if span.instrumentation_scope.name == "ensemble_parse"]

    def named(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (found,) = [span for span in self.all if span.name == name]
        return found

    def parent(self, span: ReadableSpan) -> str | None:
        """The name of a span's parent."""
        names = {each.context.span_id: each.name for each in self.all}
        return names.get(span.parent.span_id) if span.parent else None

    def tree(self) -> list[tuple[str, str | None]]:
        """Names with their parents' names, of our own."""
        return sorted((span.name, self.parent(span)) for span in self.ours)

    def text(self) -> str:
        """Everything that would leave the process."""
        return "\n".join(span.to_json() for span in self.all)


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Record what happens in one test."""
    EXPORTER.clear()
    SWITCH.on = True
    yield Spans()
    SWITCH.on = False
    EXPORTER.clear()


def own(span: ReadableSpan) -> dict[str, Any]:
    """This library's own attributes, without their prefix."""
    prefix = "ensemble_parse."
    return {name.removeprefix(prefix): value for name, value in span.attributes.items() if name.startswith(prefix)}


def evaluations(span: ReadableSpan) -> list[dict[str, Any]]:
    """What was evaluated."""
    assert {event.name for event in span.events} <= {"gen_ai.evaluation.result"}
    return [dict(event.attributes) for event in span.events]


class Pair(BaseModel):
    """Two fields, to agree about one and not about the other."""

    name: str
    size: int


# -- what they say ----------------------------------------------------------------------------------------------------


async def test_a_call_is_a_tree(spans: Spans) -> None:
    """One span for the call, below it one for each processor asked and one for the decision."""
    await Ensemble(["a/1", "b/2"], name="invoices", client=ScriptedClient({"a/1": [3], "b/2": [3]})).run("Three?", int)
    call = "invoke_workflow invoices"
    assert spans.tree() == [("ask a/1", call), ("ask b/2", call), ("decide Vote", call), (call, None)]
    assert {span.kind.name for span in spans.ours} == {"INTERNAL"}
    conventional = {name: value for name, value in spans.named(call).attributes.items() if name.startswith("gen_ai.")}
    assert conventional == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "invoices",
        "gen_ai.agent.name": "invoices",
    }
    # A child with an operation's name would be counted as a request to a model.
    assert not [name for span in spans.ours if span.name != call for name in span.attributes if "gen_ai" in name]


async def test_what_the_spans_say(spans: Spans, server: Loopback) -> None:
    """How it was decided, what was spent, who failed: as the result has it."""
    server.on("gpt-5-mini", Answer({"name": "x", "size": 1}))
    server.on("claude-haiku-4-5", Answer({"name": "x", "size": 2}))
    server.on("gemini-2.5-flash", Status(400))
    result = await Ensemble([Processor(model, retry=ONCE) for model in THREE]).run("What is it?", Pair)
    assert own(spans.named("invoke_workflow ensemble")) == {
        "pace": "parallel",
        "status": "degraded",
        "reasons": tuple(sorted({reason.kind for reason in result.reasons})),
        "method": "vote",
        "agreement.min": 0.5,
        "candidate.count": 2,
        "error.count": 1,
        "cancelled.count": 0,
        "path.count": 2,
        "path.review": 1,
        "path.undecided": 1,
        "path.judged": 0,
        "path.repaired": 0,
        "attempt.count": 3,
        "usage.input_tokens": result.usage.input_tokens,
        "usage.output_tokens": result.usage.output_tokens,
        "cost.usd": result.cost.known,
        "cost.complete": True,
    }
    (request,) = [attempt for attempt in result.attempts if attempt.processor == "openai/gpt-5-mini"]
    assert own(spans.named("ask openai/gpt-5-mini")) == {
        "processor": "openai/gpt-5-mini",
        "model": "openai/gpt-5-mini",
        "position": 0,
        "sample.first": 0,
        "sample.count": 1,
        "candidate.count": 1,
        "candidate.repaired": 0,
        "error.count": 0,
        "attempt.count": 1,
        "usage.input_tokens": request.usage.input_tokens,
        "usage.output_tokens": request.usage.output_tokens,
        "cost.usd": request.cost,
        "cost.complete": True,
    }
    failed = spans.named("ask gemini/gemini-2.5-flash")
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "ProviderError")
    # The call has an answer: that one of three failed is a matter of its status, not an error.
    assert spans.named("invoke_workflow ensemble").status.status_code is StatusCode.UNSET


async def test_agreement_is_an_evaluation(spans: Spans) -> None:
    """The call has the lowest agreement of any path, the decision each candidate's share of what was decided."""
    pairs = {"a/1": [{"name": "x", "size": 1}], "b/2": [{"name": "x", "size": 1}], "c/3": [{"name": "x", "size": 2}]}
    await Ensemble([*pairs], client=ScriptedClient(pairs)).run("What is it?", Pair)
    (whole,) = evaluations(spans.named("invoke_workflow ensemble"))
    assert whole == {
        "gen_ai.evaluation.name": "agreement",
        "gen_ai.evaluation.score.value": pytest.approx(2 / 3),
        "gen_ai.evaluation.score.label": "vote",
    }
    shares = {
        each["ensemble_parse.candidate.name"]: each["gen_ai.evaluation.score.value"]
        for each in evaluations(spans.named("decide Vote"))
    }
    assert shares == {"a/1": 1.0, "b/2": 1.0, "c/3": 0.5}


async def test_a_judge_is_asked_inside_the_decision(spans: Spans) -> None:
    """The judge that failed and its fallback are below the decision, which says what was judged and by whom."""
    answers = {"a/1": [1], "b/2": [2], "judge j/1": [Refused("no", processor="j")], "judge j/2": [{"q1": "A"}]}
    judge = Judge(Processor("j/1", retry=ONCE), fallback="j/2")
    await Ensemble(["a/1", "b/2"], judge, client=ScriptedClient(answers | {"judge j/2": ["A"]})).run("One or two?", int)
    tree = spans.tree()
    assert ("ask judge j/1", "decide Judge") in tree
    assert ("ask judge j/2", "decide Judge") in tree
    assert spans.named("ask judge j/1").attributes["error.type"] == "Refused"


async def test_a_judgement_is_an_evaluation(spans: Spans, server: Loopback) -> None:
    """It says who judged and how, and why only where texts are wanted."""
    server.on("gpt-5-mini", Answer(1))
    server.on("claude-haiku-4-5", Answer(2))
    server.on("judge", Answer({"reasoning": "BECAUSE", "answer": {"q1": "A"}}))
    result = await Ensemble(THREE[:2], "openai/judge").run("One or two?", int)
    judgement = evaluations(spans.named("decide Vote"))[-1]
    assert judgement == {
        "gen_ai.evaluation.name": "judgement",
        "gen_ai.evaluation.score.label": result.decision.method,
        "ensemble_parse.processor": "judge openai/judge",
    }
    assert own(spans.named("invoke_workflow ensemble"))["path.judged"] == 1
    assert own(spans.named("invoke_workflow ensemble"))["decided_by"] == "judge openai/judge"


# -- when it does not end well ----------------------------------------------------------------------------------------


async def test_a_call_that_fails(spans: Spans, server: Loopback) -> None:
    """It is an error by its class, and what it spent stands there all the same."""
    server.default(Status(400))
    with pytest.raises(AllProcessorsFailed):
        await Ensemble([Processor(model, retry=ONCE) for model in THREE]).run("What is it?", Pair)
    call = spans.named("invoke_workflow ensemble")
    assert (call.status.status_code, call.attributes["error.type"]) == (StatusCode.ERROR, "AllProcessorsFailed")
    assert own(call)["attempt.count"] == 3
    assert not call.events


async def test_a_strict_call_says_both(spans: Spans) -> None:
    """With ``strict=True`` a degraded result is an error, and what the result was is told as well."""
    client = ScriptedClient({"a/1": [1], "b/2": [2]})
    with pytest.raises(DegradedResult):
        await Ensemble(["a/1", "b/2"], strict=True, client=client).run("One?", int)
    call = spans.named("invoke_workflow ensemble")
    assert call.attributes["error.type"] == "DegradedResult"
    assert (own(call)["status"], own(call)["attempt.count"]) == ("degraded", 2)


async def test_who_is_cut_off_has_not_failed(spans: Spans) -> None:
    """A processor whose answer is not needed any more has a span that ends, is marked, and is no error."""

    async def answer(call: ModelCall[Any]) -> int:
        if call.processor == "c/3":
            await asyncio.Event().wait()
        return 3

    await Ensemble(["a/1", "b/2", "c/3"], client=FunctionClient(answer)).run("Three?", int)
    late = spans.named("ask c/3")
    assert (own(late)["cut_off"], own(late)["attempt.count"], late.status.status_code) == (True, 1, StatusCode.UNSET)
    assert own(spans.named("invoke_workflow ensemble"))["cancelled.count"] == 1


async def test_a_cancelled_call_leaves_no_span_open(spans: Spans) -> None:
    """Whoever cancels the call, every span of it ends, and none is an error."""
    asked = asyncio.Semaphore(0)

    async def never(_: ModelCall[Any]) -> int:
        asked.release()
        await asyncio.Event().wait()
        return 0

    task = asyncio.ensure_future(Ensemble(["a/1", "b/2"], client=FunctionClient(never)).run("Three?", int))
    for _ in range(2):
        await asked.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [span.name for span in spans.ours] == ["ask a/1", "ask b/2", "invoke_workflow ensemble"]
    assert {(own(span)["cut_off"], span.status.status_code) for span in spans.ours} == {(True, StatusCode.UNSET)}


# -- what they never say ----------------------------------------------------------------------------------------------

KEY, PROMPT, ANSWER = "sk-SECRET-KEY", "SECRET-PROMPT", "SECRET-ANSWER"


@pytest.mark.parametrize("reply", ["answer", "invalid", "status"])
async def test_no_text_and_no_key(reply: str, spans: Spans, server: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    """Neither spans nor log lines hold a prompt, an answer, a key of a dict in it, a reason or an API key."""
    caplog.set_level(logging.DEBUG, "ensemble_parse")
    said = {"answer": {ANSWER: 1}, "invalid": {ANSWER: ANSWER}, "status": None}[reply]
    body = {"error": {"message": f"{PROMPT} {KEY} {ANSWER}"}}
    for model in ("gpt-5-mini", "claude-haiku-4-5"):
        server.on(model, Status(400, body=body) if said is None else Answer({"reasoning": ANSWER, "answer": said}))
    server.on("gemini-2.5-flash", Answer({"reasoning": ANSWER, "answer": {ANSWER: 2}}))
    server.on("judge", Answer({"reasoning": ANSWER, "answer": {"q1": "A"}}))
    processors = [Processor(model, retry=ONCE, api_key=KEY) for model in THREE]
    ensemble = Ensemble(processors, Processor("openai/judge", api_key=KEY, retry=ONCE), name="quiet")
    await ensemble.run(PROMPT, dict[str, int], pass_reasoning=True)
    told = spans.text() + caplog.text
    assert "ask gemini/gemini-2.5-flash" in told
    assert "quiet: decided" in told
    assert "SECRET" not in told


async def test_no_text_of_an_exception(spans: Spans) -> None:
    """A bug in somebody's client is an error by its class, without its message and its frames."""

    def bug(_: ModelCall[Any]) -> int:
        raise LookupError(PROMPT)

    with pytest.raises(LookupError):
        await Ensemble(["a/1"], client=FunctionClient(bug)).run(PROMPT, int)
    assert {span.attributes["error.type"] for span in spans.ours} == {"LookupError"}
    assert "SECRET" not in spans.text()


@pytest.mark.parametrize(("value", "told"), [("true", True), ("SPAN_ONLY", True), ("event_only", False), ("no", False)])
async def test_texts_for_those_who_want_them(
    value: str, *, told: bool, spans: Spans, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the standard opt-in the call has what was asked and answered, and the judgement its reason."""
    monkeypatch.setenv(OPT_IN, value)
    server.on("gpt-5-mini", Answer(1))
    server.on("claude-haiku-4-5", Answer(2))
    server.on("judge", Answer({"reasoning": "BECAUSE", "answer": {"q1": "A"}}))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "One or two?"}, picture]}]
    result = await Ensemble(THREE[:2], "openai/judge").run(messages, int)
    attributes = spans.named("invoke_workflow ensemble").attributes
    asked = '[{"role": "user", "parts": [{"type": "text", "content": "One or two?"}, {"type": "image_url"}]}]'
    parts = [{"type": "text", "content": json.dumps({"answer": result.output})}]
    answered = json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}])
    assert attributes.get("gen_ai.input.messages") == (asked if told else None)
    assert attributes.get("gen_ai.output.messages") == (answered if told else None)
    judgement = evaluations(spans.named("decide Vote"))[-1]
    assert judgement.get("gen_ai.evaluation.explanation") == ("BECAUSE" if told else None)


async def test_texts_that_cannot_be_told(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a character stands there escaped, so that it can be sent; what is no text does not stop the call."""
    monkeypatch.setenv(OPT_IN, "true")
    half, odd = {"type": "text", "text": "Half \ud83d?"}, {"type": "text", "text": b"bytes"}
    client = FunctionClient(lambda _: "\ud83d, é")
    await Ensemble(["a/1"], client=client).run([{"role": "user", "content": [half, odd]}], str)
    attributes = spans.named("invoke_workflow ensemble").attributes
    asked, answered = (attributes[f"gen_ai.{way}.messages"].encode().decode() for way in ("input", "output"))
    assert json.loads(asked)[0]["parts"] == [{"type": "text", "content": "Half \ud83d?"}, {"type": "text"}]
    assert json.loads(json.loads(answered)[0]["parts"][0]["content"]) == {"answer": "\ud83d, é"}
    assert "é" in answered


# -- whose parents they are -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def caller() -> Iterator[None]:
    """A span of the application's own."""
    with trace.get_tracer("application").start_as_current_span("caller"):
        yield


async def test_threads_of_a_client_know_where_they_are(spans: Spans) -> None:
    """What a client does in a thread is below the span of the processor that it does it for."""

    def work() -> int:
        with trace.get_tracer("client").start_as_current_span("work"):
            return 3

    client = FunctionClient(lambda _: asyncio.to_thread(work))
    await Ensemble(["a/1", "b/2"], Vote(stop="all"), client=client).run("Three?", int)
    assert sorted(spans.parent(span) or "" for span in spans.all if span.name == "work") == ["ask a/1", "ask b/2"]


async def test_a_stream_is_below_its_caller(spans: Spans) -> None:
    """Its spans are below the caller's, end when it is left early, and leave the caller's context as it was."""
    client = ScriptedClient({"a/1": [3], "b/2": [3]})
    with caller():
        here = trace.get_current_span()
        async with contextlib.aclosing(Ensemble(["a/1", "b/2"], client=client).stream("Three?", int)) as events:
            async for _ in events:
                assert trace.get_current_span() is here
                break
        assert trace.get_current_span() is here
    assert spans.parent(spans.named("invoke_workflow ensemble")) == "caller"


async def test_each_item_is_a_call(spans: Spans) -> None:
    """``map`` makes a call of every input, all below the caller's span, and nobody's child is another's."""
    ensemble = Ensemble(["a/1", "b/2"], client=FunctionClient(lambda call: len(call.messages[-1]["content"])))
    with caller():
        async for _ in ensemble.map(["a" * size for size in range(1, 6)], int, concurrency=3):
            pass
    calls = [span for span in spans.ours if span.name == "invoke_workflow ensemble"]
    assert [spans.parent(each) for each in calls] == ["caller"] * 5
    below = {span.parent.span_id for span in spans.ours if span.name == "ask a/1" and span.parent}
    assert below == {each.context.span_id for each in calls}


def test_synchronous_calls_are_below_their_caller(spans: Spans) -> None:
    """The loop in another thread takes the caller's context with it."""
    with caller():
        Ensemble(["a/1"], client=ScriptedClient({"a/1": [3]})).parse_sync("Three?", int)
    assert spans.parent(spans.named("invoke_workflow ensemble")) == "caller"


# -- together with tracers of LiteLLM ---------------------------------------------------------------------------------


async def requests_below(call: ReadableSpan, spans: Spans, count: int) -> list[ReadableSpan]:
    """Wait for the spans of requests, which LiteLLM writes when it finds the time, and of earlier tests, too."""
    while True:
        written = [span for span in spans.all if span.name == "litellm_request"]
        found = [span for span in written if span.context.trace_id == call.context.trace_id]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)


async def test_together_with_litellm(spans: Spans, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM's own callback puts a span for each request below ours, and tokens are on its spans alone."""
    monkeypatch.setattr(litellm, "callbacks", [OpenTelemetry(tracer_provider=PROVIDER)])
    server.on("claude-haiku-4-5", Status(500), Answer(2))
    server.on("gpt-5-mini", Answer(1))
    server.on("judge", Answer({"reasoning": "r", "answer": {"q1": "A"}}))
    quick = RetryPolicy(attempts=2, wait=lambda _: 0.0)
    ensemble = Ensemble([Processor(model, retry=quick) for model in THREE[:2]], "openai/judge")
    result = await ensemble.run("One or two?", int, metadata={"team": "ours"})
    requests = await requests_below(spans.named("invoke_workflow ensemble"), spans, 4)
    parents = sorted((spans.parent(span) or "", span.status.status_code.name) for span in requests)
    assert parents == [
        ("ask anthropic/claude-haiku-4-5", "ERROR"),
        ("ask anthropic/claude-haiku-4-5", "OK"),
        ("ask judge openai/judge", "OK"),
        ("ask openai/gpt-5-mini", "OK"),
    ]
    assert not [name for span in spans.ours for name in span.attributes if name.startswith("gen_ai.usage")]
    counted = sum(span.attributes.get("gen_ai.usage.input_tokens", 0) for span in requests)
    assert counted == result.usage.input_tokens > 0
    assert all("metadata" not in recorded.body for recorded in server.requests)


async def test_an_ensemble_as_a_model(spans: Spans, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM writes a span for it, too, with its requests' tokens, and ``gen_ai.system`` tells it from theirs."""
    monkeypatch.setattr(litellm, "callbacks", [OpenTelemetry(tracer_provider=PROVIDER)])
    monkeypatch.setattr(litellm, "custom_provider_map", [])
    server.default(Answer({"answer": 1}))
    register(inner=Ensemble(THREE[:2], Vote(stop="all"), name="inner"))
    outer = Ensemble(["ensemble/inner", "gemini/gemini-2.5-flash"], Vote(stop="all"), name="outer")
    result = await outer.run("One?", int)
    requests = await requests_below(spans.named("invoke_workflow outer"), spans, 4)
    (twice,) = [span for span in requests if span.attributes["gen_ai.system"] == "ensemble"]
    assert spans.parent(twice) == "ask ensemble/inner"
    assert spans.parent(spans.named("invoke_workflow inner")) == "ask ensemble/inner"
    told = [span.attributes["gen_ai.usage.input_tokens"] for span in requests if span is not twice]
    assert sum(told) == result.usage.input_tokens > twice.attributes["gen_ai.usage.input_tokens"] > 0


async def test_together_with_a_tracer_that_patches(
    spans: Spans, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracer that replaces ``litellm.acompletion``, as several do, finds our span as the current one."""
    original = litellm.acompletion

    async def traced(*args: Any, **kwargs: Any) -> Any:
        with trace.get_tracer("tracer").start_as_current_span(f"chat {kwargs['model']}"):
            return await original(*args, **kwargs)

    monkeypatch.setattr(litellm, "acompletion", traced)
    server.default(Answer(3))
    await Ensemble(THREE, decision_maker=None).run("Three?", int)
    parents = {span.name: spans.parent(span) for span in spans.all if span.name.startswith("chat ")}
    assert parents == {f"chat {model}": f"ask {model}" for model in THREE}


# -- for those who want none ------------------------------------------------------------------------------------------


async def test_a_sampler_may_drop_it(spans: Spans, server: Loopback) -> None:
    """What a sampler drops costs no attributes, and LiteLLM is told nothing of it."""
    SWITCH.on = False
    server.default(Answer(3))
    assert await Ensemble(THREE).parse("Three?", int) == 3
    assert spans.all == []


@pytest.mark.parametrize(
    "before", ["", "sys.modules['opentelemetry'] = None", "import opentelemetry.trace"], ids=["idle", "absent", "api"]
)
def test_without_a_tracer(before: str) -> None:
    """A process that has not set up OpenTelemetry neither needs it nor imports it; its API alone does nothing."""
    script = f"""
import sys
{before}
from ensemble_parse import Ensemble
from ensemble_parse.testing import ScriptedClient
assert Ensemble(["a/1", "b/2"], client=ScriptedClient({{"a/1": [3], "b/2": [3]}})).parse_sync("Three?", int) == 3
print("opentelemetry.trace" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str("import" in before)
    assert ran.stderr == ""


# -- log lines --------------------------------------------------------------------------------------------------------


async def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Under DEBUG everything that happens has a line; a call that is less than it should be has one under INFO."""
    caplog.set_level(logging.DEBUG, "ensemble_parse")
    client = ScriptedClient({"a/1": [3], "b/2": [Refused("no", processor="b/2")]})
    await Ensemble(["a/1", "b/2"], name="invoices", client=client).run("Three?", int)
    lines = [(record.levelname, record.message) for record in caplog.records if record.name == "ensemble_parse"]
    assert ("DEBUG", "invoices: asked a/1") in lines
    assert ("DEBUG", "invoices: answered a/1") in lines
    assert ("DEBUG", "invoices: failed b/2 (Refused)") in lines
    assert any(line.startswith("b/2: Refused in ") for _, line in lines)
    assert lines[-1] == ("INFO", "invoices: decided, only one: degraded (processor failed)")


async def test_a_call_that_fails_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """By its class, under INFO: it is raised to the caller, who knows whether it is worth more."""
    caplog.set_level(logging.INFO, "ensemble_parse")
    with pytest.raises(AllProcessorsFailed):
        await Ensemble(["a/1"], client=ScriptedClient({"a/1": [Refused("no")]})).run("Three?", int)
    assert [record.message for record in caplog.records] == ["ensemble: AllProcessorsFailed"]


def test_no_handler_is_set_up() -> None:
    """Where lines go is the application's choice: the library's logger has nothing but what drops them."""
    logger = logging.getLogger("ensemble_parse")
    assert [type(each) for each in logger.handlers] == [logging.NullHandler]
    assert (logger.level, logger.propagate) == (logging.NOTSET, True)
