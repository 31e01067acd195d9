"""The loopback server, seen through the clients that the library and its users have."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import httpx
import litellm
import openai
import pytest
from litellm import exceptions
from litellm.llms.custom_httpx import async_client_cleanup
from pydantic import BaseModel, Field

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
    Recorded,
    Refusal,
    Reply,
    Reset,
    ResetMidBody,
    Status,
    Text,
    Trickle,
    Truncated,
    black_hole,
    content_policy,
    context_window,
    example,
)
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

MESSAGES = [{"role": "user", "content": "Read the invoice."}]
# One name per wire format, and two more that speak OpenAI's with a difference.
MODELS = {
    "openai": "openai/gpt-5-mini",
    "anthropic": "anthropic/claude-haiku-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "ollama": "ollama_chat/qwen3",
    "vllm": "hosted_vllm/qwen3",
    "mistral": "mistral/mistral-small-latest",
}
WIRES = ["openai", "anthropic", "gemini", "ollama"]
PROMPT, COMPLETION = 100, 20


class Line(BaseModel):
    """A row of an invoice."""

    name: str
    price: float


class Invoice(BaseModel):
    """What most answers here are."""

    number: str
    lines: list[Line]


INVOICE: dict[str, object] = {"number": "A-1", "lines": [{"name": "tea", "price": 2.5}]}
TOOL = {
    "type": "function",
    "function": {"name": "Invoice", "parameters": Invoice.model_json_schema()},
}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "Invoice"}},
    },
    "json_schema": {"response_format": Invoice},
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Keep one event loop for the module: LiteLLM caches its connections by loop."""
    return "asyncio"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Loopback]:
    """Serve the whole module, with LiteLLM pointed at the server by environment alone."""
    with Loopback() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        patch.setattr(litellm, "suppress_debug_info", True)
        yield server
        await async_client_cleanup.close_litellm_async_clients()  # type: ignore[no-untyped-call]


@pytest.fixture
def server(running: Loopback) -> Loopback:
    """Start each test with an empty record."""
    running.reset()
    return running


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """Give a server to a test that has an event loop of its own."""
    with Loopback() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


async def ask(model: str, **settings: object) -> Any:
    """Ask a model through LiteLLM, once."""
    return await litellm.acompletion(model=model, messages=MESSAGES, **{"num_retries": 0, "timeout": 60, **settings})


def content(completion: Any) -> str:
    """Take the text of the first choice, or the arguments of its function call."""
    message = completion.choices[0].message
    if message.tool_calls:
        return str(message.tool_calls[0].function.arguments)
    return str(message.content)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vendor", MODELS)
async def test_answers_in_the_form_asked_for(server: Loopback, vendor: str, form: str) -> None:
    """Every wire carries the same data back in each form, with its tokens."""
    model = MODELS[vendor]
    server.on(model.partition("/")[2], Answer(INVOICE))

    completion = await ask(model, **FORMS[form])

    assert json.loads(content(completion)) == INVOICE
    assert bool(completion.choices[0].message.tool_calls) == (form == "tools")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (100, 20)
    assert server.count() == server.count(model.partition("/")[2]) == 1


@pytest.mark.parametrize("form", ["tools", "json_schema"])
@pytest.mark.parametrize("vendor", MODELS)
async def test_makes_example_data_from_the_schema(server: Loopback, vendor: str, form: str) -> None:
    """Without a script the answer is example data that the caller's model accepts."""
    completion = await ask(MODELS[vendor], **FORMS[form])

    assert Invoice.model_validate_json(content(completion)).lines
    assert server.count() == 1


async def test_finds_the_schema_in_the_prompt(server: Loopback) -> None:
    """Where only the prompt holds the schema, it is read from there."""
    prompt = f"Answer {{in JSON}} like {{}} this:\n{json.dumps(Invoice.model_json_schema(), indent=2)}\n"
    completion = await litellm.acompletion(
        model=MODELS["openai"],
        messages=[{"role": "system", "content": prompt}],
        response_format={"type": "json_object"},
        num_retries=0,
    )

    assert Invoice.model_validate_json(content(completion)).lines
    assert server.requests[0].body["messages"][0]["content"] == prompt


async def test_old_claude_models_are_asked_by_tool(server: Loopback) -> None:
    """LiteLLM turns a schema for an older Claude into a forced tool, and gets its text back."""
    server.default(Answer(INVOICE))

    completion = await ask("anthropic/claude-3-haiku-20240307", **FORMS["json_schema"])

    assert json.loads(content(completion)) == INVOICE
    assert server.requests[0].body["tool_choice"]["name"] == "json_tool_call"


async def test_ollama_generates(server: Loopback) -> None:
    """LiteLLM's older ollama/ prefix uses /api/generate, and is answered there."""
    server.default(Answer(INVOICE))

    completion = await ask("ollama/qwen3", **FORMS["json_schema"])

    assert json.loads(content(completion)) == INVOICE
    assert "/api/generate" in [one.path for one in server.requests]


async def test_openai_client_parses_every_choice(server: Loopback) -> None:
    """The OpenAI client gets n typed choices from one request, the prompt counted once."""
    other = {"number": "B-2", "lines": []}
    server.default(Answers(INVOICE, other))

    async with openai.AsyncOpenAI() as client:
        completion = await client.chat.completions.parse(
            model="gpt-5-mini",
            messages=[{"role": "user", "content": "Read."}],
            response_format=Invoice,
            n=3,
        )

    numbers = [one.message.parsed.number for one in completion.choices if one.message.parsed]
    assert numbers == ["A-1", "B-2", "B-2"]
    assert completion.usage
    assert completion.usage.prompt_tokens == PROMPT
    assert completion.usage.completion_tokens == 3 * COMPLETION
    assert server.count("gpt-5-mini") == 1


async def test_gemini_gives_every_candidate(server: Loopback) -> None:
    """LiteLLM's n reaches Gemini as a candidate count."""
    server.default(Answers({"number": "A"}, Truncated(INVOICE)))

    completion = await ask(MODELS["gemini"], n=2, **FORMS["json_schema"])

    assert [one.finish_reason for one in completion.choices] == ["stop", "length"]
    assert completion.usage.completion_tokens == 2 * COMPLETION


async def test_follows_the_script(server: Loopback) -> None:
    """Replies come in order, the last one repeats, and other models are not touched."""
    server.on("gpt-5-mini", Text("one"), Text("two"))
    server.default(Text("other"))

    said = [content(await ask(MODELS["openai"])) for _ in range(3)]

    assert said == ["one", "two", "two"]
    assert content(await ask("openai/gpt-5")) == "other"
    assert (server.count("gpt-5-mini"), server.count("gpt-5"), server.count()) == (3, 1, 4)


async def test_answers_can_depend_on_the_request(server: Loopback) -> None:
    """A function sees the recorded request and gives the data."""
    server.default(Answer(lambda recorded: {"said": recorded.body["messages"][0]["content"]}))

    assert json.loads(content(await ask(MODELS["openai"]))) == {"said": "Read the invoice."}


async def test_usage_and_model_can_be_set(server: Loopback) -> None:
    """A reply may name its tokens, cached ones too, and the model it answers as."""
    server.default(Text("hi", usage=(1000, 7, 900), model="gpt-5-mini-2025-08-07"))

    for vendor in ("openai", "anthropic", "gemini"):
        completion = await ask(MODELS[vendor])
        usage = completion.usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 7)
        assert usage.prompt_tokens_details.cached_tokens == 900
    assert server.count() == 3


@pytest.mark.parametrize("vendor", WIRES)
@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, exceptions.BadRequestError),
        (401, exceptions.AuthenticationError),
        (404, exceptions.NotFoundError),
        (408, exceptions.Timeout),
        (429, exceptions.RateLimitError),
        (500, exceptions.InternalServerError),
    ],
)
async def test_statuses_are_the_vendors_own(server: Loopback, vendor: str, code: int, error: type[Exception]) -> None:
    """Each vendor's error body is known to LiteLLM for what it is, after one request."""
    server.default(Status(code, retry_after=7))

    with pytest.raises(error) as caught:
        await ask(MODELS[vendor])

    headers = caught.value.litellm_response_headers  # type: ignore[attr-defined]
    assert headers["retry-after"] == "7"
    assert [(one.status, one.outcome) for one in server.requests if one.model] == [(code, "failed")]


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "gemini", "vllm", "mistral"])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (context_window(), exceptions.ContextWindowExceededError),
        (content_policy(), exceptions.ContentPolicyViolationError),
    ],
)
async def test_refused_requests_are_told_apart(
    server: Loopback, vendor: str, reply: Reply, error: type[Exception]
) -> None:
    """Too long and not allowed have exceptions of their own (Ollama knows neither)."""
    server.default(reply)

    with pytest.raises(error):
        await ask(MODELS[vendor])


@pytest.mark.parametrize("vendor", WIRES)
@pytest.mark.parametrize("reply", [Reset(), ResetMidBody(), Garbage()], ids=repr)
async def test_broken_answers_raise(server: Loopback, vendor: str, reply: Reply) -> None:
    """A reset connection and a body that is no JSON are API errors, whatever the vendor."""
    server.default(reply)

    with pytest.raises(openai.APIError):
        await ask(MODELS[vendor])

    assert server.requests[-1].finished_at is not None


@pytest.mark.parametrize("vendor", WIRES)
@pytest.mark.parametrize("reply", [Hang(), HangBody()], ids=repr)
def test_silence_times_out(apart: Loopback, vendor: str, reply: Reply) -> None:
    """A server that says nothing, or nothing after the headers, is a timeout."""

    async def main() -> float:
        with pytest.raises(exceptions.Timeout):
            await ask(MODELS[vendor], timeout=20)
        await apart.until_idle()
        return asyncio.get_running_loop().time()

    apart.default(reply)
    assert run_virtual(main(), apart) == pytest.approx(20, abs=0.1)
    assert apart.cancelled() == 1


async def test_a_trickle_passes_every_timeout(server: Loopback) -> None:
    """A body that comes byte by byte outlives a timeout that only bounds the gaps."""
    server.default(Trickle(INVOICE, interval=0.005))

    completion = await ask(MODELS["openai"], timeout=1)

    assert json.loads(content(completion)) == INVOICE
    (one,) = server.requests
    assert one.outcome == "answered"
    assert one.finished_at is not None
    assert one.finished_at - one.at > 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vendor", WIRES)
async def test_truncated_answers_say_so(server: Loopback, vendor: str, form: str) -> None:
    """An answer cut by the length limit is not whole, and finishes for length in plain text."""
    server.default(Truncated(INVOICE))

    completion = await ask(MODELS[vendor], **FORMS[form])

    assert len(content(completion)) < len(json.dumps(INVOICE))
    if form != "tools":
        assert completion.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("vendor", "where", "finish"),
    [
        ("openai", "refusal", "stop"),
        ("openai", "content_filter", "content_filter"),
        ("anthropic", "refusal", "content_filter"),
        ("gemini", "refusal", "content_filter"),
        ("gemini", "prompt", "content_filter"),
        ("ollama", "refusal", "stop"),
    ],
)
async def test_refusals_have_each_vendors_shape(
    server: Loopback,
    vendor: str,
    where: Literal["refusal", "content_filter", "prompt"],
    finish: str,
) -> None:
    """A refusal finishes the way the vendor finishes it."""
    server.default(Refusal("I will not.", where=where))

    completion = await ask(MODELS[vendor])

    assert completion.choices[0].finish_reason == finish


async def test_openai_refusals_are_not_content(server: Loopback) -> None:
    """The OpenAI client sees a refusal in its own place, and nothing parsed."""
    server.default(Refusal("I will not."))

    async with openai.AsyncOpenAI() as client:
        completion = await client.chat.completions.parse(
            model="gpt-5-mini",
            messages=[{"role": "user", "content": "Read."}],
            response_format=Invoice,
        )

    message = completion.choices[0].message
    assert (message.refusal, message.content, message.parsed) == ("I will not.", None, None)


@pytest.mark.parametrize("vendor", WIRES)
async def test_text_comes_as_it_is(server: Loopback, vendor: str) -> None:
    """Prose with a code fence, a bare fence and nothing at all arrive untouched."""
    server.on(MODELS[vendor].partition("/")[2], Fenced(INVOICE), Answer(INVOICE, fenced=True), Empty())

    prose, fence = [content(await ask(MODELS[vendor])) for _ in range(2)]
    nothing = (await ask(MODELS[vendor])).choices[0].message.content

    assert prose.startswith("Here is the answer:\n\n```json\n{")
    assert prose.endswith("}\n```\n\nLet me know if that helps!")
    assert fence == f"```json\n{json.dumps(INVOICE)}\n```"
    assert not nothing


@pytest.mark.parametrize("vendor", WIRES)
def test_cancelling_is_seen_at_once(apart: Loopback, vendor: str) -> None:
    """A cancelled call closes its connection, and the record has it before any time has passed."""

    async def main() -> None:
        call = asyncio.create_task(ask(MODELS[vendor], timeout=10))
        await apart.until_asked(1)
        started = asyncio.get_running_loop().time()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await apart.until_idle()
        assert asyncio.get_running_loop().time() - started < 0.1

    apart.default(Hang())
    run_virtual(main(), apart)
    assert apart.cancelled() == apart.cancelled(MODELS[vendor].partition("/")[2]) == 1
    assert [one.outcome for one in apart.requests if one.model] == ["cancelled"]


async def test_waits_as_long_as_told(server: Loopback) -> None:
    """Latency is served."""
    server.default(Answer(latency=0.1))

    await asyncio.gather(*(ask(MODELS["openai"]) for _ in range(5)))

    assert [one.finished_at is not None and one.finished_at - one.at >= 0.1 for one in server.requests] == [True] * 5


async def test_holds_back_what_it_is_told_to(server: Loopback) -> None:
    """An answer waits for what it was told to wait for, and holds up no other one."""
    server.default(Held(Answer(1), lambda: server.count() == 5))

    await asyncio.gather(*(ask(MODELS["openai"]) for _ in range(5)))

    assert server.count() == 5


@pytest.mark.parametrize("vendor", WIRES)
def test_the_clock_waits_for_the_server(apart: Loopback, vendor: str) -> None:
    """On a virtual clock an answer comes in no time, however long the server takes; a timer goes off after it."""

    async def main() -> float:
        call = asyncio.create_task(ask(MODELS[vendor], timeout=10))
        await asyncio.wait([call, asyncio.create_task(asyncio.sleep(5))], return_when=asyncio.FIRST_COMPLETED)
        assert call.done()
        return asyncio.get_running_loop().time()

    apart.default(Answer(INVOICE, latency=0.05))
    assert run_virtual(main(), apart) < 5


async def test_counts_connections() -> None:
    """Connections are counted as they come, and seen to go."""
    with Loopback() as server:
        for number in (1, 2):
            async with httpx.AsyncClient() as client:
                for _ in range(3):
                    await client.post(f"{server.openai_base}/chat/completions", json=request_body())
                assert (server.connections, server.open_connections) == (number, 1)
            await server.until_idle(connections=True)

        assert [one.connection for one in server.requests] == [1, 1, 1, 2, 2, 2]


def request_body(**more: object) -> dict[str, object]:
    """Make the least that an OpenAI request needs."""
    return {"model": "m", "messages": MESSAGES, **more}


def test_records_what_was_sent() -> None:
    """A record has the path, the headers in lower case, the body and the times."""
    with Loopback() as server:
        httpx.post(f"{server.openai_base}/chat/completions", json=request_body(), headers={"X-Test": "1"})
        (one,) = server.requests

    assert isinstance(one, Recorded)
    assert (one.number, one.vendor, one.path) == (1, "openai", "/v1/chat/completions")
    assert (one.model, one.status, one.outcome) == ("m", 200, "answered")
    assert one.headers["x-test"] == "1"
    assert one.body["messages"] == MESSAGES
    assert one.finished_at is not None
    assert one.at <= one.finished_at <= time.monotonic()


def test_two_servers_say_the_same() -> None:
    """Nothing in an answer depends on the clock or on chance."""
    bodies = []
    for _ in range(2):
        with Loopback() as server:
            url = f"{server.openai_base}/chat/completions"
            bodies.append([httpx.post(url, json=request_body()).content for _ in range(2)])

    assert bodies[0] == bodies[1]
    assert bodies[0][0] != bodies[0][1]


@pytest.mark.parametrize(
    ("path", "body", "code", "says"),
    [
        ("/v1/chat/completions", {"model": "m", "stream": True}, 400, "streaming"),
        ("/v1/chat/completions", {}, 400, "cannot read"),
        ("/v1/nothing", {}, 404, "/v1/nothing is not served"),
    ],
)
def test_says_what_it_does_not_serve(path: str, body: dict[str, object], code: int, says: str) -> None:
    """A request the server cannot serve fails with a reason, and is on the record."""
    with Loopback() as server:
        response = httpx.post(f"{server.url}{path}", json=body)

        assert response.status_code == code
        assert says in response.json()["error"]["message"]
        assert [one.outcome for one in server.requests] == ["failed"]


def test_side_requests_are_not_questions() -> None:
    """Asking about models is on the record, but is not counted as asking a model."""
    with Loopback() as server:
        assert httpx.get(f"{server.openai_base}/models").status_code == 200
        assert httpx.post(f"{server.url}/api/show", json={"name": "qwen3"}).status_code == 200

        assert server.count() == 0
        assert [one.vendor for one in server.requests] == ["openai", "ollama"]


def test_many_threads_may_use_it() -> None:
    """Clients in several threads, each with its own loop, are all answered and counted."""
    with Loopback() as server:
        url = f"{server.openai_base}/chat/completions"

        async def post() -> None:
            async with httpx.AsyncClient() as client:
                await asyncio.gather(*(client.post(url, json=request_body()) for _ in range(10)))

        threads = [threading.Thread(target=asyncio.run, args=(post(),)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

        assert server.count("m") == 40
        assert [one.number for one in server.requests] == list(range(1, 41))


def test_remembers_no_more_than_told() -> None:
    """With a bound on the record the counts still cover everything."""
    with Loopback(keep=2) as server:
        for _ in range(5):
            httpx.post(f"{server.openai_base}/chat/completions", json=request_body())

        assert [one.number for one in server.requests] == [4, 5]
        assert server.count() == 5


def test_wait_idle_says_what_is_open() -> None:
    """Waiting in vain raises, naming the numbers."""
    with Loopback() as server, httpx.Client() as client:
        server.default(Hang())
        with pytest.raises(httpx.ReadTimeout):
            client.post(f"{server.openai_base}/chat/completions", json=request_body(), timeout=0.05)
        server.wait_idle(connections=True)
        client.get(f"{server.openai_base}/models")

        with pytest.raises(TimeoutError, match="0 requests in flight, 1 connections open"):
            server.wait_idle(0.05, connections=True)


def test_close_leaves_nothing() -> None:
    """After closing, with a request still hanging, no thread, socket or file is left."""
    files, threads = open_files(), threading.active_count()
    server = Loopback().start()
    server.default(Hang())
    body = json.dumps(request_body())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as hanging:
        hanging.sendall((head + body).encode())
        while not server.count():
            time.sleep(0.001)
        server.close()
        server.close()

        assert hanging.recv(1) == b""
    assert server.cancelled() == 1
    assert (open_files(), threading.active_count()) == (files, threads)
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_close_refuses_whom_it_has_not_met() -> None:
    """A connection that comes while the server closes is ended, too."""
    for _ in range(20):
        server = Loopback().start()
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 5) as late:
            server.close()
            with contextlib.suppress(ConnectionResetError):
                assert late.recv(1) == b""


def open_files() -> int:
    """Count the open files of this process."""
    return len(list(Path("/dev/fd").iterdir()))


def broken(_recorded: Recorded) -> object:
    """Fail, as a scripted function may."""
    raise ZeroDivisionError


@pytest.mark.parametrize(("reply", "error"), [(Answer(broken), ZeroDivisionError), (Reply(), TypeError)])
def test_errors_in_scripts_come_out(reply: Reply, error: type[Exception]) -> None:
    """A scripted reply that raises fails the request, and then whoever closes the server."""
    server = Loopback().start()
    server.default(reply)
    assert httpx.post(f"{server.openai_base}/chat/completions", json=request_body()).is_error

    with pytest.raises(ExceptionGroup) as caught:
        server.close()
    assert caught.group_contains(error)


def test_starts_once() -> None:
    """A running server cannot be started again; a closed one can."""
    server = Loopback()
    with server, pytest.raises(RuntimeError, match="already running"):
        server.start()
    with server:
        assert httpx.get(f"{server.url}/api/tags").is_success


def test_scripts_must_say_something() -> None:
    """An empty script and an answer with no choice are refused where they are written."""
    with pytest.raises(ValueError, match="no replies given for 'm'"):
        Loopback().on("m")
    with pytest.raises(ValueError, match="at least one"):
        Answers()


def test_black_hole_swallows_connections() -> None:
    """Connecting to the black hole neither succeeds nor fails."""
    with black_hole() as url, httpx.Client() as client, pytest.raises(httpx.ConnectTimeout):
        client.get(url, timeout=0.1)


@pytest.mark.parametrize("end", ["stdin", "sigterm"])
def test_serves_as_a_process(end: str) -> None:
    """As a process it prints its URL, answers as told, and ends when told."""
    command = [sys.executable, "-m", "tests.loopback", "--answer", json.dumps(INVOICE)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        url = process.stdout.readline().strip()
        answer = httpx.post(f"{url}/v1/chat/completions", json=request_body()).json()
        assert json.loads(answer["choices"][0]["message"]["content"]) == INVOICE
        assert httpx.get(f"{url}/loopback").json()["requests"] == 1
        if end == "stdin":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


class Tree(BaseModel):
    """A type that contains itself."""

    name: str
    left: Tree | None = None
    children: list[Tree] = []


class Rich(BaseModel):
    """One field for each kind of schema."""

    day: dt.date
    at: dt.datetime
    wait: dt.timedelta
    key: UUID
    kind: Literal["a", "b"]
    flag: bool
    count: Annotated[int, Field(gt=3, le=10)]
    even: Annotated[int, Field(multiple_of=4, ge=7)]
    share: Annotated[float, Field(ge=0, lt=1)]
    code: Annotated[str, Field(min_length=9, max_length=12)]
    short: Annotated[str, Field(max_length=2)]
    tags: Annotated[list[str], Field(min_length=3)]
    pair: tuple[int, str]
    maybe: str | None
    either: Line | int
    table: dict[str, int]
    sample: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]
    tree: Tree


def test_example_data_satisfies_its_schema() -> None:
    """Formats, bounds, unions, tuples, references and recursion come out valid."""
    rich = Rich.model_validate(example(Rich.model_json_schema()))

    assert (rich.day, rich.sample) == (dt.date(2024, 1, 15), "EUR")
    assert rich.key == UUID("00000000-0000-4000-8000-000000000001")
    assert rich.tree.left is not None
    assert example(Rich.model_json_schema()) == example(Rich.model_json_schema())


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}, {"n": 1}),
        ({"type": ["null", "string"]}, "example"),
        ({"const": 7}, 7),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "null"}, None),
        ({"items": {"type": "number"}}, [1.5]),
        (
            {
                "allOf": [
                    {"$ref": "#/$defs/A"},
                    {"properties": {"b": {"type": "boolean"}}, "type": "object"},
                ],
                "$defs": {"A": {"properties": {"a": {"type": "string"}}}},
            },
            {"a": "example", "b": True},
        ),
        ({"type": "number", "exclusiveMinimum": 2, "exclusiveMaximum": 3}, 2.5),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 0.4}, 0.2),
        ({"type": "number", "exclusiveMinimum": 8}, 8.5),
        ({"type": "number", "maximum": -2}, -2.5),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "exclusiveMaximum": -4}, -5),
        ({"type": "integer", "minimum": 7, "multipleOf": 4}, 8),
        ({"type": "number", "multipleOf": 0.25, "maximum": 0.6}, 0.5),
    ],
)
def test_example_data_by_schema(schema: dict[str, object], value: object) -> None:
    """Each keyword gives the plainest value there is."""
    assert example(schema) == value


def test_environment_points_at_the_server() -> None:
    """The variables name this server or are plainly no real key."""
    server = Loopback(port=1)
    names = server.environment()

    for name, value in names.items():
        if "_BASE" in name:
            assert value.startswith("http://127.0.0.1:1"), name
        elif "KEY" in name:
            assert value == "sk-loopback"
    assert names["OPENAI_BASE_URL"] == server.openai_base
    assert names["ANTHROPIC_API_BASE"] == server.anthropic_base
    assert names["GEMINI_API_BASE"] == server.gemini_base
    assert names["OLLAMA_API_BASE"] == server.ollama_base
