"""The clients without models, as users use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from tenacity import wait_none

from ensemble_parse import (
    AllProcessorsFailed,
    Client,
    ConfigurationError,
    Ensemble,
    InvalidOutput,
    Processor,
    ProcessorTimeout,
    ProviderError,
    Refused,
    Reply,
    RetryPolicy,
    Vote,
)
from ensemble_parse.testing import FunctionClient, ScriptedClient, no_model_requests
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from ensemble_parse import ModelCall

pytestmark = pytest.mark.anyio


class Point(BaseModel):
    """A place."""

    x: int
    y: int


@pytest.mark.parametrize("said", [Point(x=1, y=2), {"x": 1, "y": "2"}, '{"x": 1, "y": 2}', 'Here: {"x": 1, "y": 2}.'])
def test_what_a_function_may_say(said: object) -> None:
    """An object, data or a text as a model would write it."""
    assert Ensemble(["a/b"], client=FunctionClient(lambda _: said)).parse_sync("Go", Point) == Point(x=1, y=2)


def test_a_text_may_be_the_answer() -> None:
    """Where the response type is a text, a text is an answer."""
    assert Ensemble(["a/b"], client=FunctionClient(lambda _: "hello")).parse_sync("Go", str) == "hello"


async def test_the_function_sees_the_call() -> None:
    """It is given what the model would be sent, and may be a coroutine function."""

    async def answer(call: ModelCall[Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"x": len(call.messages), "y": call.params["temperature"]}

    client = FunctionClient(answer)
    ensemble = Ensemble([Processor("a/b", temperature=7, n=2)], client=client)
    result = await ensemble.run([{"role": "user", "content": "Go"}], Point)
    assert result.output == Point(x=1, y=7)
    assert [call.processor for call in client.calls] == ["a/b", "a/b"]


@pytest.mark.parametrize(
    ("said", "kind", "calls"),
    [
        (TimeoutError(), ProcessorTimeout, 1),
        (ConnectionError(), ProviderError, 3),
        (ProviderError("busy", retryable=True), ProviderError, 3),
        (ProviderError("no"), ProviderError, 1),
        (Refused("I would rather not"), Refused, 1),
    ],
)
async def test_failures_are_scripted(said: Exception, kind: type[Exception], calls: int) -> None:
    """Errors in a script go through the processor's own retry policy."""
    client = ScriptedClient({"a/b": [said]})
    ensemble = Ensemble([Processor("a/b", retry=RetryPolicy(wait=wait_none()))], client=client)
    with pytest.raises(AllProcessorsFailed) as failed:
        await ensemble.parse("Go", Point)
    assert isinstance(failed.value.errors[0], kind)
    assert len(client.calls) == calls


@pytest.mark.parametrize("said", [{"name": b"\xff"}, b"\xff", [b"\xff"], {"name": object()}])
async def test_what_no_text_can_say_is_that_processors_failure(said: Any) -> None:
    """Bytes that are no text, and objects of no type that JSON knows, are an invalid answer like any other."""

    class Named(BaseModel):
        name: str

    client = ScriptedClient({"a/1": [said], "b/2": [{"name": "b"}]})
    result = await Ensemble(["a/1", "b/2"], client=client).run("Go", Named)
    assert result.output == Named(name="b")
    (error,) = result.errors
    assert isinstance(error, InvalidOutput)
    assert error.processor == "a/1"


async def test_a_script_runs_on() -> None:
    """Answers come in order and the last one repeats; an invalid one is re-asked."""
    client = ScriptedClient({"a/b": [{"x": 1}, {"x": 1, "y": 1}, {"x": 2, "y": 2}]})
    ensemble = Ensemble(["a/b"], client=client)
    outputs = [(await ensemble.parse("Go", Point)).x for _ in range(3)]
    assert outputs == [1, 2, 2]
    assert len(client.calls) == 4
    assert "did not validate" in client.calls[1].messages[-1]["content"]


async def test_some_samples_fail() -> None:
    """The good samples of a processor are kept, the bad ones reported."""
    client = ScriptedClient({"a/b": [{"x": 1, "y": 1}, Refused("no"), {"x": 1, "y": 1}]})
    result = await Ensemble([Processor("a/b", n=3)], client=client).run("Go", Point)
    assert len(result.candidates) == 2
    assert [error.kind for error in result.errors] == ["Refused"]


async def test_a_client_of_ones_own_that_gives_nothing() -> None:
    """A reply without answers and errors is a failure of its own, and no reason to ask for ever."""

    class Nothing(Client):
        asked = 0

        async def ask(self, call: ModelCall[Any]) -> Reply[Any]:
            del call
            self.asked += 1
            return Reply(answers=[])

    client = Nothing()
    with pytest.raises(AllProcessorsFailed, match="holds no answer and no error"):
        await Ensemble(["any/model"], client=client).run("Go", int)
    assert client.asked == 1


def test_samples_stand_in_order() -> None:
    """Samples that a vendor is asked for one by one are in their own order, not in that of their arrival."""

    class OneByOne(Client):
        async def ask(self, call: ModelCall[Any]) -> Reply[Any]:
            await asyncio.sleep(5 - call.sample)
            return Reply(answers=[call.format.parse(str(call.sample))])

    async def main() -> list[tuple[str, int]]:
        ensemble = Ensemble([Processor("any/model", n=3)], Vote(stop="all"), client=OneByOne())
        result = await ensemble.run("Go", int)
        return [(each.name, each.output) for each in result.candidates]

    assert run_virtual(main()) == [("any/model#1", 0), ("any/model#2", 1), ("any/model#3", 2)]


def test_a_slow_function_is_cut_off() -> None:
    """The policy's timeout holds for functions too."""

    async def slow(_: ModelCall[Any]) -> None:
        await asyncio.sleep(500)

    async def main() -> float:
        ensemble = Ensemble([Processor("a/b", retry=RetryPolicy(timeout=10))], client=FunctionClient(slow))
        with pytest.raises(AllProcessorsFailed):
            await ensemble.parse("Go", Point)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("script", [{"a/b": []}, {"a/b": "text"}, {"c/d": [1]}])
async def test_a_script_that_cannot_answer(script: Any) -> None:
    """A script that is empty, or knows nobody who is asked, says so."""
    with pytest.raises(ConfigurationError):
        await Ensemble(["a/b"], client=ScriptedClient(script)).parse("Go", int)


async def test_no_model_requests() -> None:
    """While it is open, whoever would ask a model fails with what to do; nested, and across threads."""
    with no_model_requests(), no_model_requests():
        with pytest.raises(ConfigurationError, match="client="):
            await Ensemble(["openai/gpt-5-mini"]).parse("Go", int)
        with pytest.raises(ConfigurationError, match="client="):
            await asyncio.to_thread(Ensemble(["openai/gpt-5-mini"]).parse_sync, "Go", int)
        assert Ensemble(["a/b"], client=ScriptedClient({"a/b": [1]})).parse_sync("Go", int) == 1
