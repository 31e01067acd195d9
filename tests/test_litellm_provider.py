"""Ensembles as models of LiteLLM, in this process: what goes in, what comes out, what is refused."""

from __future__ import annotations

import asyncio
import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import instructor
import litellm
import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel

from ensemble_parse import ConfigurationError, Ensemble, Processor, Vote
from ensemble_parse.integrations import litellm as integration
from ensemble_parse.integrations.litellm import EnsembleProvider, register
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.proxied import ENSEMBLES, INVOICE, NAMES, PROVIDER, Invoice, failing

if TYPE_CHECKING:
    from pathlib import Path

    from ensemble_parse import ModelCall
    from tests.loopback import Loopback

pytestmark = pytest.mark.anyio

LITELLM = tuple(map(int, metadata.version("litellm").split(".")[:2]))
MESSAGES = [{"role": "user", "content": "What does it say?"}]
SCHEMA = Invoice.model_json_schema()
TOOL = {"type": "function", "function": {"name": "Invoice", "parameters": SCHEMA}}
FORCED = {"type": "function", "function": {"name": "Invoice"}}


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give LiteLLM a handler of ours, and take it away again."""
    handler = EnsembleProvider(ENSEMBLES, response_formats=[Invoice])
    monkeypatch.setattr(litellm, "custom_provider_map", [{"provider": "ensemble", "custom_handler": handler}])
    monkeypatch.setattr(litellm, "suppress_debug_info", True)


async def ask(name: str, **given: Any) -> Any:
    """Ask an ensemble through LiteLLM."""
    return await litellm.acompletion(model=f"ensemble/{name}", messages=MESSAGES, **given)


@pytest.mark.parametrize(
    "wanted",
    [
        Invoice,
        {"type": "json_schema", "json_schema": {"name": "Invoice", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "Other", "schema": SCHEMA, "strict": True}},
        {"type": "json_schema", "json_schema": {"schema": to_strict_json_schema(Invoice)}},
        {"type": "json_object", "response_schema": SCHEMA},
        {"type": "json_object"},
    ],
)
async def test_a_typed_answer(wanted: Any) -> None:
    """A pydantic class or a JSON Schema comes back as the JSON that the vote decided on."""
    completion = await ask("invoices", response_format=wanted)
    (choice,) = completion.choices
    assert Invoice.model_validate_json(choice.message.content) == Invoice.model_validate(INVOICE)
    assert (choice.finish_reason, completion.model) == ("stop", "ensemble/invoices")
    told = completion.ensemble["verdicts"]["number"]
    assert (told["how"], told["supporters"]) == ("majority", ("a/a", "c/c"))
    assert completion.ensemble["status"] == "complete"


async def test_a_class_may_come_as_it_is() -> None:
    """LiteLLM turns classes into schemas before it calls; what calls the handler itself need not."""
    given: Any = {"optional_params": {"response_format": Invoice}, "logging_obj": ENSEMBLES["invoices"]}
    completion = await PROVIDER.acompletion("invoices", MESSAGES, litellm.ModelResponse(), **given)
    assert json.loads(completion.choices[0].message.content) == INVOICE


async def test_a_text_without_a_response_format() -> None:
    """Who asks for nothing in particular gets a text."""
    assert (await ask("texts")).choices[0].message.content == "Paris"
    assert (await ask("texts", response_format={"type": "text"})).choices[0].message.content == "Paris"
    assert (await ask("texts", tools=[TOOL], tool_choice="none")).choices[0].message.content == "Paris"


@pytest.mark.parametrize("choice", [FORCED, "required"])
async def test_a_forced_tool(choice: Any) -> None:
    """The answer is the arguments of the tool that has to be called."""
    completion = await ask("invoices", tools=[TOOL], tool_choice=choice)
    (call,) = completion.choices[0].message.tool_calls
    assert call.function.name == "Invoice"
    assert json.loads(call.function.arguments) == INVOICE
    assert completion.choices[0].message.content is None


async def test_a_registered_type_brings_its_validators() -> None:
    """A schema carries no validator; the type that is registered under its name does."""
    said = {"a/a": [{**INVOICE, "total": 1}], "b/b": [INVOICE], "c/c": [{**INVOICE, "total": 1}]}
    script = ScriptedClient(said)
    with_type = EnsembleProvider({"x": Ensemble(NAMES, client=script)}, response_formats=[Invoice])
    without = EnsembleProvider({"x": Ensemble(NAMES, client=script)})
    totals = []
    for handler in (with_type, without):
        litellm.custom_provider_map[0]["custom_handler"] = handler  # type: ignore[typeddict-item]
        completion = await ask("x", response_format=Invoice)
        totals.append(json.loads(completion.choices[0].message.content)["total"])
    assert totals == [120, 1]


async def test_another_type_of_the_same_name_is_not_taken_for_it() -> None:
    """What a request asks for is what it gets, whatever is registered under that name."""

    class Other(BaseModel):
        answer: int

    schema = {"type": "json_schema", "json_schema": {"name": "Invoice", "schema": Other.model_json_schema()}}
    register(numbers=Ensemble(["a/a"], client=FunctionClient(lambda _: {"answer": 3})))
    assert json.loads((await ask("numbers", response_format=schema)).choices[0].message.content) == {"answer": 3}


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.JSON])
async def test_instructor(mode: instructor.Mode) -> None:
    """Instructor gets its typed object, in each of its modes that say what they want."""
    client = instructor.from_litellm(litellm.acompletion, mode=mode)
    asked = client.chat.completions.create(model="ensemble/invoices", messages=MESSAGES, response_model=Invoice)  # type: ignore[arg-type,type-var]
    assert Invoice.model_validate((await asked).model_dump()) == Invoice.model_validate(INVOICE)


def test_synchronous_calls() -> None:
    """Code that does not await gets the same, streamed or not."""
    given: Any = {"model": "ensemble/invoices", "messages": MESSAGES, "response_format": Invoice}
    assert json.loads(litellm.completion(**given).choices[0].message.content) == INVOICE
    chunks = [chunk.choices[0].delta.content for chunk in litellm.completion(**given, stream=True)]
    assert json.loads("".join(filter(None, chunks))) == INVOICE


async def test_a_stream_is_one_chunk() -> None:
    """A client that streams gets the whole answer at once, usage and details included."""
    stream = await ask("invoices", response_format=Invoice, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert [json.loads(each) for each in said] == [INVOICE]
    assert chunks[0].ensemble["status"] == "complete"
    tools = await ask("invoices", tools=[TOOL], tool_choice=FORCED, stream=True)
    calls = [call async for chunk in tools for call in chunk.choices[0].delta.tool_calls or ()]
    assert [json.loads(call.function.arguments) for call in calls] == [INVOICE]


async def test_usage_and_cost_are_those_of_all(server: Loopback) -> None:
    """What LiteLLM logs as tokens and spend is the sum over the ensemble's requests, in a stream, too."""
    alone = await ENSEMBLES["models"].run(MESSAGES, dict[str, Any])
    server.reset()
    completion = await ask("models", response_format={"type": "json_object"})
    assert completion.ensemble["requests"] == server.count() == 2
    assert completion.usage.total_tokens == alone.usage.total_tokens > 0
    assert completion._hidden_params["response_cost"] == pytest.approx(alone.cost.known)
    cost = completion._hidden_params["response_cost"]
    assert cost == pytest.approx(completion.ensemble["cost"]["total"])
    assert cost > 0
    if LITELLM < (1, 105):
        return  # it does not read what a stream says that it cost
    stream = await ask("models", response_format={"type": "json_object"}, stream=True)
    whole = litellm.stream_chunk_builder([chunk async for chunk in stream])
    assert whole is not None
    assert whole._hidden_params["response_cost"] == pytest.approx(cost)


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("nobody", litellm.NotFoundError, 404),
        ("refusing", litellm.ContentPolicyViolationError, 400),
        ("invalid", litellm.BadGatewayError, 502),
        ("gone", litellm.ServiceUnavailableError, 503),
        ("late", litellm.Timeout, 408),
        ("spent", litellm.RateLimitError, 429),
        ("limited", litellm.RateLimitError, 429),
        ("forbidden", litellm.AuthenticationError, 401),
        ("mixed", litellm.ServiceUnavailableError, 503),
        ("few", litellm.UnprocessableEntityError, 422),
    ],
)
@pytest.mark.parametrize("retries", [None, 3])
async def test_failures_are_litellms_and_not_repeated(
    name: str, kind: type[Exception], status: int, retries: int | None
) -> None:
    """An error is the one of LiteLLM that means the same, and LiteLLM's own retries ask nobody again."""
    client = ENSEMBLES[name].client if name in ENSEMBLES else None
    before = len(client.calls) if isinstance(client, FunctionClient) else 0
    with pytest.raises(kind) as caught:
        await ask(name, response_format=Invoice, num_retries=retries)
    assert caught.value.status_code == status  # type: ignore[attr-defined]
    if isinstance(client, FunctionClient):
        asked = sum(each.retry.attempts if name == "gone" else 1 for each in ENSEMBLES[name].processors)  # type: ignore[union-attr]
        assert len(client.calls) - before == asked


async def test_the_router_does_not_repeat_either() -> None:
    """LiteLLM's router retries twice unless an error says that it is of no use."""
    router = litellm.Router([{"model_name": "gone", "litellm_params": {"model": "ensemble/gone"}}], retry_after=0)
    client = ENSEMBLES["gone"].client
    assert isinstance(client, FunctionClient)
    before = len(client.calls)
    with pytest.raises(litellm.ServiceUnavailableError):
        await router.acompletion("gone", MESSAGES)  # type: ignore[arg-type]
    assert len(client.calls) - before == 6


async def test_an_answer_that_was_cut_off_is_told_as_one() -> None:
    """Where the length limit cut off every answer, the caller sees what an OpenAI model would give."""
    completion = await ask("cut-off", response_format=Invoice)
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == '{"number": "20'
    assert completion.ensemble["status"] == "failed"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tools": [TOOL]}, "chooses no tools"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "chooses no tools"),
        ({"tools": [TOOL, {**TOOL, "function": {"name": "x"}}], "tool_choice": "required"}, "chooses no tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "chooses no tools"),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "chooses no tools"),
        ({"functions": [TOOL["function"]]}, "'functions' is not supported"),
        ({"response_format": {"type": "json_schema"}}, "not understood"),
        ({"response_format": {"type": "xml"}}, "not understood"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}},
            "'not' is not supported",
        ),
        ({"temprature": 1}, "did you mean 'temperature'"),
    ],
)
async def test_what_an_ensemble_cannot_do_is_a_bad_request(given: dict[str, Any], said: str) -> None:
    """A request that cannot be served is refused before anybody is asked."""
    with pytest.raises(litellm.BadRequestError, match=said):
        await ask("mirror", **given)


async def test_a_request_does_not_say_where_requests_go() -> None:
    """Who may ask an ensemble may not have its keys sent elsewhere, whichever of these LiteLLM lets through."""
    given: Any = {"model_response": litellm.ModelResponse(), "logging_obj": ENSEMBLES["mirror"]}
    with pytest.raises(litellm.BadRequestError, match="'base_url' says where requests go"):
        await PROVIDER.acompletion("mirror", MESSAGES, **given, optional_params={"base_url": "http://127.0.0.1:9"})


async def test_parameters_go_to_the_models() -> None:
    """What is a model's parameter reaches the processors, and what is LiteLLM's does not."""
    given: Any = {"temperature": 0.5, "seed": 3, "top_k": 4, "max_retries": 2, "pass_reasoning": False}
    completion = await ask("mirror", response_format={"type": "json_object"}, **given)
    seen = json.loads(completion.choices[0].message.content)
    assert seen["params"] == {"temperature": "0.5", "seed": "3", "top_k": "4"}
    assert seen["messages"] == MESSAGES


async def test_timeout_is_for_the_whole_call() -> None:
    """LiteLLM enforces no timeout on custom providers: the ensemble does."""

    async def slow(call: ModelCall[Any]) -> str:
        await asyncio.sleep(30)
        return "late"

    register(
        slow=Ensemble(["a/a"], client=FunctionClient(slow)),
        patient=Ensemble(["a/a"], deadline=0.05, client=FunctionClient(slow)),
    )
    with pytest.raises(litellm.Timeout):
        await ask("slow", timeout=0.05)
    with pytest.raises(litellm.Timeout):
        await ask("patient")


async def test_an_ensemble_may_ask_another() -> None:
    """An ensemble is a model, so it can be a processor."""
    completion = await ask("inner", response_format=Invoice)
    assert json.loads(completion.choices[0].message.content) == INVOICE


def test_circles_are_refused_when_they_are_made() -> None:
    """An ensemble that would ask itself, by way of another or of its judge, is never asked at all."""
    with pytest.raises(ConfigurationError, match="one -> one"):
        register(one=Ensemble(["a/a", "ensemble/one"]))
    with pytest.raises(ConfigurationError, match="two -> three -> two"):
        register({"two": Ensemble(["ensemble/three"]), "three": Ensemble(["a/a"], "ensemble/two")})
    with pytest.raises(ConfigurationError, match="give an Ensemble"):
        register(four=Vote())  # type: ignore[arg-type]
    assert litellm.custom_provider_map[0]["custom_handler"].ensembles.keys() == ENSEMBLES.keys()  # type: ignore[attr-defined]


async def test_who_asks_is_told_to_what_may_lead_back(server: Loopback) -> None:
    """A request to what may be a proxy says which ensemble asked, beside its other headers; others do not."""
    back: dict[str, Any] = {"api_base": f"{server.url}/v1", "extra_headers": {"x-own": "1"}}
    register({"a,b": Ensemble([Processor("openai/gpt-5-mini", **back)]), "away": Ensemble(["openai/gpt-5-mini"])})
    await ask("a,b", seed=1)
    await ask("away", seed=1)
    told, untold = ({name.lower(): value for name, value in each.headers.items()} for each in server.requests)
    assert (told["x-ensemble-parse-trail"], told["x-own"]) == ("a%2Cb", "1")
    assert "x-ensemble-parse-trail" not in untold


async def test_circles_that_nobody_can_see_end_at_once() -> None:
    """An ensemble that finds its way back to itself while it runs asks nobody twice."""
    asked: list[str] = []

    async def back(call: ModelCall[Any]) -> str:
        asked.append(call.processor)
        return str((await ask("hidden")).choices[0].message.content)

    register(hidden=Ensemble([Processor("a/a")], client=FunctionClient(back)))
    with pytest.raises(litellm.BadRequestError, match="would ask itself: hidden -> hidden"):
        await ask("hidden")
    assert asked == ["a/a"]


async def test_register_adds_to_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps other providers and earlier ensembles, replaces by name, and says what they can do."""
    monkeypatch.setattr(litellm, "custom_provider_map", [{"provider": "other", "custom_handler": object()}])
    register(first=Ensemble(["a/a"], client=FunctionClient(lambda _: "1")))
    register({"second": failing(TimeoutError())}, first=Ensemble(["a/a"], client=FunctionClient(lambda _: "2")))
    assert [each["provider"] for each in litellm.custom_provider_map] == ["other", "ensemble"]
    assert (await ask("first")).choices[0].message.content == "2"
    assert litellm.supports_response_schema("ensemble/second")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("tests.proxied:ENSEMBLES", {*ENSEMBLES}),
        ("tests.proxied:PROVIDER", {*ENSEMBLES}),
        ("tests.proxied:ONE", {"invoices"}),
        ("ensembles.toml", {"x", "y"}),
    ],
)
def test_the_proxys_ensembles_come_from_the_environment(
    value: str, names: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mapping, one ensemble under its own name, a whole provider, or a file."""
    (tmp_path / "ensembles.toml").write_text(
        "[ensembles.x]\nprocessors = ['openai/gpt-5']\n[ensembles.y]\nprocessors = 3"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_PARSE_ENSEMBLES", value)
    assert {*integration.proxy.ensembles} == names


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "name a configuration file"),
        ("tests.proxied", "name a configuration file"),
        ("nowhere.toml", "nowhere.toml"),
        ("tests.nowhere:X", "No module named"),
        ("tests.proxied:NOTHING", "no attribute"),
        ("tests.proxied:INVOICE", "give an Ensemble"),
        ("tests.proxied:NAMES", "it is a tuple"),
    ],
)
def test_what_is_wrong_there_is_said_at_the_start(
    value: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that serves nothing does not start."""
    monkeypatch.delenv("ENSEMBLE_PARSE_ENSEMBLES", raising=False)
    if value is not None:
        monkeypatch.setenv("ENSEMBLE_PARSE_ENSEMBLES", value)
    with pytest.raises(ConfigurationError, match=said):
        _ = integration.proxy
    with pytest.raises(AttributeError, match="no attribute 'proxies'"):
        _ = integration.proxies
