"""The ensemble behind an OpenAI client's face, side by side with the OpenAI client itself, on the same server."""

from __future__ import annotations

import contextlib
import inspect
import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import openai
import pytest
from openai.resources.chat.completions import AsyncCompletions
from openai.types.chat import ParsedChatCompletion
from pydantic import BaseModel, Field, ValidationError
from tenacity import wait_none

from ensemble_parse import (
    AllProcessorsFailed,
    ConfigurationError,
    DeadlineExceeded,
    DecisionError,
    Ensemble,
    InvalidOutput,
    Judge,
    Processor,
    Refused,
    Result,
    RetryPolicy,
    Truncated,
)
from ensemble_parse.testing import no_model_requests
from tests.loopback import Answer, Answers, Fenced, Hang, Loopback, Refusal, Reply, Reset, Status, Text
from tests.loopback import Truncated as CutOff
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

pytestmark = pytest.mark.anyio

Ask: TypeAlias = "Callable[..., Any]"

MODEL = "gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Read the invoice."}]
GOOD = {"vendor": "ACME", "total": 12.5}
ONCE = RetryPolicy(attempts=1, reasks=0)
SECRET = "sk-proj-0123456789abcdef"
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string"}},
            "required": ["what"],
            "additionalProperties": False,
        },
    },
}


class Invoice(BaseModel):
    """An invoice."""

    vendor: str
    total: float


def one(**params: object) -> Ensemble:
    """Give an ensemble of one processor without a model, that tries once."""
    return Ensemble([Processor(retry=ONCE, **params)])


async def asked(parse: Ask, **arguments: object) -> Any:
    """Ask for an invoice, and await what is awaitable."""
    given = {"model": MODEL, "messages": MESSAGES, "response_format": Invoice} | arguments
    answer = parse(**given)
    return await answer if inspect.isawaitable(answer) else answer


async def outcome(parse: Ask, **arguments: object) -> tuple[object, ...]:
    """Say what a call site sees: the fields of the answer, or the exception and its status."""
    try:
        completion = await asked(parse, **arguments)
    except (openai.OpenAIError, ValidationError) as error:
        return type(error), getattr(error, "status_code", None)
    (choice, *_) = completion.choices
    message = choice.message
    details = completion.usage.prompt_tokens_details, completion.usage.completion_tokens_details
    return (
        isinstance(completion, ParsedChatCompletion),
        completion.object,
        completion.model,
        choice.index,
        choice.finish_reason,
        message.role,
        message.content,
        message.refusal,
        message.tool_calls,
        message.parsed,
        type(message.parsed),
        completion.usage.total_tokens,
        *(detail.cached_tokens for detail in details[:1]),
        *(detail.reasoning_tokens for detail in details[1:]),
    )


@contextlib.asynccontextmanager
async def of_openai(server: Loopback, face: str = "async") -> AsyncIterator[Ask]:
    """Give the OpenAI client's own ``parse``."""
    settings: dict[str, Any] = {"base_url": server.openai_base, "max_retries": 0}
    if face == "sync":
        with openai.OpenAI(**settings) as client:
            yield client.chat.completions.parse
    else:
        async with openai.AsyncOpenAI(**settings) as client:
            yield (client.beta if face == "beta" else client).chat.completions.parse


def of_ensemble(ensemble: Ensemble, face: str) -> Ask:
    """Give the ensemble's ``parse`` at the same place."""
    at: Any = {"async": ensemble, "beta": ensemble.beta, "sync": ensemble.sync}[face]
    return at.chat.completions.parse


# -- side by side -------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[Reply, dict[str, object]]] = {
    "ok": (Answer(GOOD, usage=(100, 20, 60)), {}),
    "lax": (Answer({"vendor": "ACME", "total": "12.5"}), {}),
    "refusal": (Refusal(), {}),
    "length": (CutOff(GOOD), {}),
    "content filter": (Refusal(where="content_filter"), {}),
    "no JSON": (Text("I cannot read it."), {}),
    "invalid": (Answer({"vendor": "ACME"}), {}),
    "400": (Status(400), {}),
    "401": (Status(401), {}),
    "403": (Status(403), {}),
    "404": (Status(404), {}),
    "409": (Status(409), {}),
    "422": (Status(422), {}),
    "429": (Status(429, retry_after=7), {}),
    "500": (Status(500), {}),
    "503": (Status(503), {}),
    "no connection": (Reset(), {}),
    "timeout": (Hang(), {"timeout": 0.4}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("face", ["async", "beta", "sync"])
async def test_a_call_site_sees_what_the_openai_client_shows_it(server: Loopback, face: str, case: str) -> None:
    """Every way that a call can end looks the same through both, from each place where ``parse`` is found."""
    reply, arguments = CASES[case]
    server.on(MODEL, reply)
    async with of_openai(server, face) as parse:
        theirs = await outcome(parse, **arguments)
    ours = await outcome(of_ensemble(one(), face), **arguments)
    assert ours == theirs


async def test_three_samples_are_decided_into_one_choice(server: Loopback) -> None:
    """With ``n=3`` the OpenAI client gives three choices; the ensemble sends the same request, and decides."""
    server.on(MODEL, Answers({"vendor": "Acne", "total": 1}, GOOD, GOOD))
    async with of_openai(server) as parse:
        theirs = await asked(parse, n=3)
    ours = await asked(one().chat.completions.parse, n=3)
    first, second = server.requests
    assert (first.body["n"], second.body["n"]) == (3, 3)
    assert [choice.message.parsed.vendor for choice in theirs.choices] == ["Acne", "ACME", "ACME"]
    assert [choice.message.parsed.vendor for choice in ours.choices] == ["ACME"]
    assert ours.usage == theirs.usage.model_copy(
        update={
            "prompt_tokens_details": ours.usage.prompt_tokens_details,
            "completion_tokens_details": ours.usage.completion_tokens_details,
        }
    )


# -- what goes out ------------------------------------------------------------------------------------------------

PARAMETERS: dict[str, object] = {
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 0.5,
    "function_call": "auto",
    "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 50,
    "max_tokens": 60,
    "modalities": ["text"],
    "moderation": {"model": "omni-moderation-latest"},
    "n": 3,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.25,
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "implicit"},
    "reasoning_effort": "low",
    "safety_identifier": "s",
    "seed": 7,
    "service_tier": "flex",
    "stop": ["\n"],
    "store": True,
    "temperature": 0.0,
    "tools": [TOOL],
    "top_logprobs": 2,
    "top_p": 0.5,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
    "extra_body": {"of_a_later_version": 1},
}
"""Sent as the OpenAI client sends them."""
OURS = {"messages", "model", "response_format", "timeout"}
"""About the call itself."""
NOT_SENT = {"extra_query", "prompt_cache_retention", "stream_options"}
"""LiteLLM loses the first two, and the third is about streams; the result says so."""
ELSEWHERE = {"extra_headers", "metadata", "tool_choice"}
"""With a test of their own."""
THEIRS = inspect.signature(AsyncCompletions.parse).parameters.keys() - {"self"}
"""What the OpenAI client takes that is installed here."""


async def test_every_parameter_of_the_openai_client_is_known_here(server: Loopback) -> None:
    """The two signatures agree, name by name, and all of ours are keyword-only with a default or are ``messages``."""
    for parse in (Ensemble().chat.completions.parse, Ensemble().sync.chat.completions.parse):
        ours = inspect.signature(parse).parameters
        assert ours.keys() >= THEIRS
        assert {each.kind for each in ours.values()} == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    assert PARAMETERS.keys() | OURS | NOT_SENT | ELSEWHERE >= THEIRS


@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() & THEIRS))
async def test_a_parameter_goes_out_as_the_openai_client_sends_it(server: Loopback, name: str) -> None:
    """Everything in the request but the schema, and the ``stream`` that nobody asked for, is the same."""
    # Two of them are only for reasoning models.
    model = "gpt-5-mini" if name in {"reasoning_effort", "verbosity"} else MODEL
    server.on(model, Answer(GOOD))
    async with of_openai(server) as parse:
        for each in (parse, one().chat.completions.parse):
            await asked(each, model=model, **{name: PARAMETERS[name]})
    theirs, ours = (without(request.body, "response_format", "stream") for request in server.requests)
    assert ours == theirs
    assert ours.keys() - {"messages", "model"}


def without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Leave some keys out."""
    return {name: value for name, value in body.items() if name not in names}


async def test_headers_go_out_on_top_of_the_clients_own(server: Loopback) -> None:
    """``extra_headers`` reach the vendor."""
    server.on(MODEL, Answer(GOOD))
    await asked(one().chat.completions.parse, extra_headers={"x-request": "A-1"})
    assert server.requests[0].headers["x-request"] == "A-1"


@pytest.mark.parametrize("name", sorted(NOT_SENT))
async def test_what_cannot_be_sent_is_said_and_not_put_into_the_body(server: Loopback, name: str) -> None:
    """LiteLLM has no way for these; the result names them, and ``strict=True`` refuses them before any request."""
    value = {"extra_query": {"a": "1"}, "prompt_cache_retention": "24h", "stream_options": {"include_usage": True}}[
        name
    ]
    server.on(MODEL, Answer(GOOD))
    completion = await asked(one().chat.completions.parse, **{name: value})
    assert without(server.requests[0].body, "response_format") == {"model": MODEL, "messages": MESSAGES}
    assert [(reason.kind, name in reason.detail) for reason in completion.ensemble.reasons] == [
        ("dropped parameter", True)
    ]
    with pytest.raises(ConfigurationError, match=name):
        await asked(Ensemble([Processor()], strict=True).chat.completions.parse, **{name: value})
    assert server.count() == 1


async def test_metadata_is_litellms_and_reaches_the_vendor_through_the_body(server: Loopback) -> None:
    """LiteLLM keeps ``metadata`` for its own callbacks; ``extra_body`` is the way to the vendor."""
    server.on(MODEL, Answer(GOOD))
    parse = one().chat.completions.parse
    await asked(parse, metadata={"run": "7"})
    await asked(parse, extra_body={"metadata": {"run": "7"}})
    assert [request.body.get("metadata") for request in server.requests] == [None, {"run": "7"}]


async def test_what_is_not_given_is_not_sent(server: Loopback) -> None:
    """``None``, ``NOT_GIVEN`` and ``omit`` are all the same as leaving a parameter out."""
    server.on(MODEL, Answer(GOOD))
    await asked(
        one().chat.completions.parse,
        temperature=None,
        seed=openai.NOT_GIVEN,
        stop=openai.omit,
        timeout=openai.NOT_GIVEN,
        n=openai.omit,
    )
    assert without(server.requests[0].body, "response_format") == {"model": MODEL, "messages": MESSAGES}


async def test_a_text_is_one_message(server: Loopback) -> None:
    """The ensemble's own short form is taken here, too."""
    server.on(MODEL, Answer(GOOD))
    await asked(one().chat.completions.parse, messages="Read the invoice.")
    assert server.requests[0].body["messages"] == MESSAGES


async def test_a_processors_own_settings_win(server: Loopback) -> None:
    """The call's model, samples and parameters are for processors that set none."""
    server.default(Answer(GOOD))
    ensemble = Ensemble([Processor("openai/alpha", temperature=0.5, n=2), Processor()])
    await asked(ensemble.chat.completions.parse, temperature=0, n=3)
    seen = {request.model: (request.body["temperature"], request.body["n"]) for request in server.requests}
    assert seen == {"alpha": (0.5, 2), MODEL: (0, 3)}
    assert ensemble.processors[1].n == 1, "the call's samples are of that call only"


async def test_an_earlier_answer_can_be_a_message_of_the_next_call(server: Loopback) -> None:
    """The message object of a completion goes out as the OpenAI client sends it, without what was parsed."""
    server.on(MODEL, Answer(GOOD))
    parse = one().chat.completions.parse
    completion = await asked(parse)
    await asked(parse, messages=(*MESSAGES, completion.choices[0].message, *MESSAGES))
    assert server.requests[1].body["messages"] == [
        *MESSAGES,
        {"role": "assistant", "content": json.dumps(GOOD)},
        *MESSAGES,
    ]


# -- tools --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["json_schema", "md_json"])
async def test_a_tool_call_is_no_answer(server: Loopback, mode: Literal["json_schema", "md_json"]) -> None:
    """A model that calls the caller's tool has not answered, even if the arguments look like it; it is asked once."""
    server.on(MODEL, Answer(GOOD))
    ensemble = Ensemble([Processor(mode=mode)])
    with pytest.raises(openai.OpenAIError, match="called a tool instead of answering") as raised:
        await asked(ensemble.chat.completions.parse, tools=[TOOL], tool_choice="required")
    assert isinstance(raised.value, AllProcessorsFailed)
    assert [type(error) for error in raised.value.exceptions] == [InvalidOutput]
    assert [request.body["tools"] for request in server.requests] == [[TOOL]]
    assert server.requests[0].body["tool_choice"] == "required"


async def test_tools_do_not_compete_with_the_answers_own(server: Loopback) -> None:
    """Where the answer itself is asked for as a tool, the caller's tools stay away, and the result says so."""
    server.on(MODEL, Answer(GOOD))
    completion = await asked(
        Ensemble([Processor(mode="tools")]).chat.completions.parse, tools=[TOOL], tool_choice="none"
    )
    assert completion.choices[0].message.parsed == Invoice(**GOOD)
    (tool,) = server.requests[0].body["tools"]
    assert tool["function"]["name"] == "Invoice"
    assert server.requests[0].body["tool_choice"]["function"]["name"] == "Invoice"
    assert {reason.kind for reason in completion.ensemble.reasons} == {"dropped parameter"}


# -- the completion -----------------------------------------------------------------------------------------------


async def test_a_judges_answer_is_a_completion_like_any_other(server: Loopback) -> None:
    """The model is the one that wrote the answer, and the usage is the sum over all requests."""
    server.on("alpha", Answer({"vendor": "Acne", "total": 1}, usage=(100, 20, 10)))
    server.on("bravo", Answer({"vendor": "ACME", "total": 2}, usage=(100, 30, 20)))
    server.on("judge", Answer({"reasoning": "Both are half right.", "answer": GOOD}, usage=(300, 50, 30)))
    ensemble = Ensemble(["openai/alpha", "openai/bravo"], Judge("openai/judge"))
    completion = await asked(ensemble.chat.completions.parse)
    assert completion.choices[0].message.parsed == Invoice(**GOOD)
    assert json.loads(completion.choices[0].message.content) == GOOD
    assert completion.model == "judge"
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (500, 100, 600)
    assert usage.prompt_tokens_details.cached_tokens == 60


async def test_the_model_is_the_one_whose_answer_was_taken(server: Loopback) -> None:
    """An application that logs ``completion.model`` logs who wrote the answer, as the vendor names it."""
    server.on("alpha", Answer({"vendor": "Acne", "total": 1}))
    server.on("bravo", Answer(GOOD, model="bravo-2026-11-01"))
    ensemble = Ensemble([Processor("openai/alpha"), Processor("openai/bravo", weight=2)])
    assert (await asked(ensemble.chat.completions.parse)).model == "bravo-2026-11-01"


async def test_the_result_is_on_the_completion_and_not_in_its_dumps(server: Loopback) -> None:
    """``.ensemble`` survives copying and pickling; a dump has the fields of an OpenAI completion, and no more."""
    server.on(MODEL, Answer(GOOD))
    async with of_openai(server) as parse:
        theirs = await asked(parse)
    ours = await asked(one().chat.completions.parse)
    assert isinstance(ours.ensemble, Result)
    assert ours.ensemble.output is ours.choices[0].message.parsed
    assert ours.model_copy().ensemble is ours.ensemble
    again = pickle.loads(pickle.dumps(ours))
    assert (again, again.ensemble) == (ours, ours.ensemble)
    assert ours.model_dump().keys() == theirs.model_dump(warnings=False).keys()
    assert ours.model_dump()["choices"] == theirs.model_dump(warnings=False)["choices"]
    assert json.loads(ours.model_dump_json())["choices"][0]["message"]["parsed"] == GOOD
    assert ours.to_dict()["choices"][0]["message"]["parsed"] == GOOD


async def test_every_completion_has_an_id_of_its_own(server: Loopback) -> None:
    """Logs can tell two completions apart, and from a vendor's."""
    server.on(MODEL, Answer(GOOD))
    first, second = [await asked(one().chat.completions.parse) for _ in range(2)]
    assert first.id != second.id
    assert first.id.startswith("ensemble-")


class Aliased(BaseModel):
    """A field that goes by another name on the wire."""

    grand_total: float = Field(alias="grandTotal")


@pytest.mark.parametrize(
    ("type_", "said", "content"),
    [
        (Aliased, {"grandTotal": 2.0}, '{"grandTotal": 2.0}'),
        (list[int], {"answer": [1, 2]}, "[1,2]"),
        (Literal["yes", "no"], {"answer": "yes"}, '"yes"'),
        (int | None, {"answer": None}, "null"),
    ],
)
async def test_the_content_is_the_answers_json_without_a_wrapper(
    server: Loopback, type_: Any, said: object, content: str
) -> None:
    """What stands around the answer on the wire is not the caller's business."""
    server.on(MODEL, Answer(said))
    message = (await asked(one().chat.completions.parse, response_format=type_)).choices[0].message
    assert message.content == content
    assert message.parsed is None or isinstance(message.parsed, Aliased | list | str)


async def test_prose_around_the_answer_is_not_in_the_content(server: Loopback) -> None:
    """The content is JSON, whatever the model wrote about it."""
    server.on(MODEL, Fenced(GOOD))
    message = (await asked(one().chat.completions.parse)).choices[0].message
    assert (json.loads(message.content), message.parsed) == (GOOD, Invoice(**GOOD))


async def test_reasoning_stays_on_the_result(server: Loopback) -> None:
    """``pass_reasoning`` and the other options of ``run`` are options here, too."""
    server.on(MODEL, Answer({"reasoning": "It says so.", "answer": GOOD}))
    completion = await asked(one().chat.completions.parse, pass_reasoning=True)
    assert json.loads(completion.choices[0].message.content) == GOOD
    assert completion.ensemble.candidates[0].reasoning == "It says so."


# -- when it fails ------------------------------------------------------------------------------------------------


async def test_a_failure_of_one_is_nobodys_exception(server: Loopback) -> None:
    """As long as one processor answers, the call site sees an answer."""
    server.on("alpha", Status(401))
    server.on("bravo", Answer(GOOD))
    ensemble = Ensemble(["openai/alpha", "openai/bravo"])
    assert (await asked(ensemble.chat.completions.parse)).choices[0].message.parsed == Invoice(**GOOD)


async def test_the_ensembles_own_error_is_the_cause(server: Loopback) -> None:
    """Behind the OpenAI client's exception stands who failed, and why."""
    server.on(MODEL, Status(429, retry_after=7))
    with pytest.raises(openai.RateLimitError) as raised:
        await asked(one().chat.completions.parse)
    assert raised.value.response.headers["retry-after"] == "7"
    assert isinstance(raised.value.__cause__, AllProcessorsFailed)
    assert raised.value.__cause__.exceptions[0].retry_after == 7


async def test_what_was_cut_off_is_on_the_exception(server: Loopback) -> None:
    """``LengthFinishReasonError.completion`` has the text and the usage of all requests."""
    server.on(MODEL, CutOff(GOOD))
    async with of_openai(server) as parse:
        with pytest.raises(openai.LengthFinishReasonError) as theirs:
            await asked(parse)
    with pytest.raises(openai.LengthFinishReasonError) as ours:
        await asked(Ensemble([Processor(n=2), Processor(name="other")]).chat.completions.parse)
    assert ours.value.completion.choices[0].message.content == theirs.value.completion.choices[0].message.content
    assert ours.value.completion.choices[0].finish_reason == "length"
    assert ours.value.completion.usage is not None
    assert ours.value.completion.usage.total_tokens == 100 + 2 * 20 + 100 + 20
    assert isinstance(ours.value.__cause__, AllProcessorsFailed)
    assert {type(error) for error in ours.value.__cause__.exceptions} == {Truncated}


async def test_where_all_refuse_the_refusals_are_on_the_completion(server: Loopback) -> None:
    """The most trusted model's words are the refusal; ``.refusals`` holds all of them, and nothing is raised."""
    server.on("alpha", Refusal("Not this."))
    server.on("bravo", Refusal(where="content_filter"))
    completion = await asked(Ensemble(["openai/alpha", "openai/bravo"], Judge("openai/judge")).chat.completions.parse)
    assert completion.choices[0].message.refusal == "Not this."
    assert completion.model == "alpha"
    assert completion.usage.total_tokens == 240
    assert {type(error) for error in completion.refusals.exceptions} == {Refused}
    assert not hasattr(completion, "ensemble")
    assert server.count("judge") == 0


async def test_different_failures_are_one_openai_error(server: Loopback) -> None:
    """A call site that catches ``openai.OpenAIError`` catches them, and can look at each."""
    server.on("alpha", Status(401))
    server.on("bravo", Text("no"))
    quick = RetryPolicy(attempts=1, reasks=0)
    ensemble = Ensemble([Processor("openai/alpha", retry=quick), Processor("openai/bravo", retry=quick)])
    with pytest.raises(openai.OpenAIError) as raised:
        await asked(ensemble.chat.completions.parse)
    assert isinstance(raised.value, AllProcessorsFailed)
    assert [type(error).__name__ for error in raised.value.exceptions] == ["ProviderError", "InvalidOutput"]
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)


async def test_failures_of_one_class_with_different_statuses_are_that_class(server: Loopback) -> None:
    """500 here and 503 there are an ``InternalServerError``, with the most trusted one's status."""
    server.on("alpha", Status(503))
    server.on("bravo", Status(500))
    quick = RetryPolicy(attempts=2, wait=wait_none())
    ensemble = Ensemble([Processor("openai/alpha", retry=quick), Processor("openai/bravo", retry=quick)])
    with pytest.raises(openai.InternalServerError) as raised:
        await asked(ensemble.chat.completions.parse)
    assert raised.value.status_code == 503


async def test_no_key_is_in_an_exception(server: Loopback) -> None:
    """The request and the response on it are stand-ins: no header of ours, no address, no prompt."""
    server.on(MODEL, Status(401, body={"error": {"message": f"Incorrect API key provided: {SECRET}"}}))
    with pytest.raises(openai.AuthenticationError) as raised:
        await asked(one(api_key=SECRET).chat.completions.parse, extra_headers={"authorization": f"Bearer {SECRET}"})
    error = raised.value
    assert isinstance(error.__cause__, AllProcessorsFailed)
    seen = [repr(error), str(error), error.message, repr(error.body), repr(error.request), repr(error.response)]
    seen += [repr(error.request.headers), repr(error.response.headers), error.response.text, repr(error.__cause__)]
    assert not [text for text in seen if SECRET in text or MESSAGES[0]["content"] in text]


def test_a_timeout_decides_on_what_is_there(server: Loopback) -> None:
    """``timeout`` is for the whole call, and an OpenAI ``Timeout`` object counts as its longest gap."""
    server.on("alpha", Answer(GOOD))
    server.on("bravo", Hang())
    ensemble = Ensemble(["openai/alpha", "openai/bravo"])
    completion = run_virtual(asked(ensemble.chat.completions.parse, timeout=openai.Timeout(1.0, connect=9.0)), server)
    assert completion.choices[0].message.parsed == Invoice(**GOOD)
    assert ensemble.deadline is None
    server.on("alpha", Hang())
    with pytest.raises(openai.APITimeoutError) as raised:
        run_virtual(asked(ensemble.chat.completions.parse, timeout=30), server)
    assert isinstance(raised.value.__cause__, DeadlineExceeded)


def test_processors_that_all_time_out_are_a_timeout(server: Loopback) -> None:
    """Each processor's own limit counts like that of the call."""
    server.on(MODEL, Hang())
    ensemble = Ensemble([Processor(retry=RetryPolicy(timeout=30))])
    with pytest.raises(openai.APITimeoutError) as raised:
        run_virtual(asked(ensemble.chat.completions.parse), server)
    assert isinstance(raised.value.__cause__, AllProcessorsFailed)


async def test_a_decision_that_cannot_be_made_stays_the_ensembles_own(server: Loopback) -> None:
    """Only an ensemble can have too few answers, so no exception of the OpenAI client stands for it."""
    server.on("alpha", Answer(GOOD))
    server.on("bravo", Status(401))
    ensemble = Ensemble(["openai/alpha", "openai/bravo"], min_candidates=2)
    with pytest.raises(DecisionError):
        await asked(ensemble.chat.completions.parse)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"response_format": None}, ConfigurationError, "response_format=None: .* give a type"),
        ({"response_format": {"type": "json_object"}}, ConfigurationError, "give a type"),
        ({"messages": []}, ConfigurationError, "messages is empty"),
        ({"model": None}, ConfigurationError, "no model"),
        ({"n": 0}, ConfigurationError, "n=0"),
        ({"timeout": 0}, ConfigurationError, "timeout=0"),
        ({"stream": True}, TypeError, "unexpected keyword argument 'stream'"),
    ],
)
async def test_a_call_that_cannot_run_says_so_before_any_request(
    server: Loopback, arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    """Nothing is sent, and the message says what to do."""
    with no_model_requests(), pytest.raises(error, match=words):
        await asked(one().chat.completions.parse, **arguments)
    assert server.count() == 0


async def test_a_judge_that_fails_is_no_exception(server: Loopback) -> None:
    """The vote decides, and the result says that the judge did not."""
    server.on("alpha", Answer(GOOD))
    server.on("bravo", Answer({"vendor": "Acne", "total": 1}))
    server.on("judge", Status(401))
    ensemble = Ensemble(["openai/alpha", "openai/bravo"], Judge("openai/judge"))
    completion = await asked(ensemble.chat.completions.parse)
    assert completion.choices[0].message.parsed == Invoice(**GOOD)
    assert "judge failed" in {reason.kind for reason in completion.ensemble.reasons}


def test_the_openai_package_is_imported_at_the_first_call() -> None:
    """Neither the library, nor an ensemble, nor its face loads it."""
    code = (
        "import sys; from ensemble_parse import Ensemble; parse = Ensemble().sync.chat.completions.parse;"
        "import ensemble_parse.openai; assert not {'openai', 'litellm', 'httpx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
