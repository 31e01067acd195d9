"""Answers that are kept: what is found again, what is not, and what is never written."""

from __future__ import annotations

import asyncio
import gc
import json
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
from dataclasses import dataclass, replace
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
    Result,
    RetryPolicy,
    Truncated,
    Usage,
)
from ensemble_parse._cache._key import question
from ensemble_parse._format import response_format
from ensemble_parse.cache import Cache
from ensemble_parse.testing import FunctionClient, ScriptedClient
from tests.loopback import Answer, Answers, Hang, Loopback, Refusal, Status, Text
from tests.loopback import Truncated as Cut
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable
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
            del call
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
    refused = Status(400, body={"error": {"message": "Unsupported parameter: 'thoroughness'"}})
    server.on("custom", refused, Answer(ACME), refused)
    cache = Cache()
    asked = Processor("openai/custom", thoroughness="low")
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
    server.on("gpt-5-mini", Answers({"number": "a"}, {"number": "b"}), Answers({"number": "c"}, {"number": "d"}))
    with Cache(where) as cache:

        async def numbers(n: int) -> list[str]:
            result = await ensemble(cache, Processor("openai/gpt-5-mini", n=n)).run(PROMPT, Invoice)
            ledgers.append([each.cached for each in result.attempts])
            return [candidate.output.number for candidate in result.candidates]

        ledgers: list[list[bool]] = []
        assert await numbers(2) == ["a", "b"]
        assert await numbers(1) == ["a"]
        assert await numbers(4) == ["a", "b", "c", "d"]
        assert [request.body.get("n") for request in server.requests] == [2, 2]
        assert await numbers(4) == ["a", "b", "c", "d"]
        assert (server.count(), len(cache)) == (2, 4)
        assert ledgers == [[False], [True], [True, False], [True]]


async def test_processors_of_one_model_are_samples_of_it(where: Path | None) -> None:
    """The same model three times in an ensemble gives three answers, and the same three when it is asked again."""
    client = counting()
    with Cache(where, client=client) as cache:
        paying = ensemble(cache, "a/b", "a/b", Processor("a/b", n=2), "c/d")
        runs = [await paying.run(PROMPT, int) for _ in range(2)]
        assert [sorted(each.output for each in run.candidates) for run in runs] == [[1, 2, 3, 4, 5]] * 2
        first, second = ([each.output for each in run.candidates] for run in runs)
        assert first == second
        assert len(client.calls) == 5


async def test_what_is_kept_is_given_though_the_rest_fails(where: Path | None) -> None:
    """Of three samples two are kept and the third fails: two candidates and an error, and no error is kept."""
    said: list[Any] = [1, 2, ConnectionError(), ConnectionError(), 3]
    client = ScriptedClient({"any/model": said})
    with Cache(where, client=client) as cache:

        async def ask(n: int) -> tuple[list[int], int]:
            result = await ensemble(cache, Processor("any/model", n=n, retry=QUICK)).run(PROMPT, int)
            return [each.output for each in result.candidates], len(result.errors)

        assert await ask(2) == ([1, 2], 0)
        assert await ask(3) == ([1, 2], 1)
        assert await ask(3) == ([1, 2, 3], 0)
        assert await ask(3) == ([1, 2, 3], 0)
        assert len(client.calls) == 5


# -- what is not kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Refusal(), Refused),
        (Cut({"number": "1"}), Truncated),
        (Text("I would say 4"), InvalidOutput),
        (Status(400), ProviderError),
    ],
)
async def test_errors_are_not_kept(server: Loopback, where: Path | None, reply: Any, error: type[Exception]) -> None:
    """What is no valid answer is asked again the next time."""
    server.on("gpt-5-mini", reply, Answer(ACME))
    with Cache(where) as cache:
        paying = ensemble(cache, Processor("openai/gpt-5-mini", retry=QUICK))
        with pytest.raises(AllProcessorsFailed) as failed:
            await paying.parse(PROMPT, Invoice)
        assert isinstance(failed.value.errors[0], error)
        assert len(cache) == 0
        assert (await paying.parse(PROMPT, Invoice)).number == "1"


async def test_what_is_no_json_is_passed_through() -> None:
    """A message or a parameter that cannot be written cannot be recognised either."""
    client = counting()
    cache = Cache(client=client)
    bytes_ = [{"role": "user", "content": [{"type": "text", "text": b"?"}]}]
    for messages, params in [(bytes_, {}), (PROMPT, {"logger_fn": print}), (PROMPT, {"temperature": float("nan")})]:
        for _ in range(2):
            await ensemble(cache).parse(messages, int, **params)
    assert len(client.calls) == 6
    assert (len(cache), cache.stats.misses) == (0, 0)


async def test_age(where: Path | None) -> None:
    """What is too old is asked for anew."""
    client = counting()
    with Cache(where, client=client, max_age=1e-9) as cache:
        assert await ensemble(cache).parse(PROMPT, int) == 1
        await asyncio.sleep(0.02)
        assert await ensemble(cache).parse(PROMPT, int) == 2
    with Cache(where, client=client, max_age=1e9) as cache:
        assert await ensemble(cache).parse(PROMPT, int) == 3
        assert await ensemble(cache).parse(PROMPT, int) == 3


async def test_age_by_a_clock_that_was_ahead(tmp_path: Path) -> None:
    """What a clock wrote that has been set back since is not kept for as long as that clock was wrong."""
    path = tmp_path / "answers.sqlite"
    client = counting()
    with Cache(path, client=client) as cache:
        await ensemble(cache).parse(PROMPT, int)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE answers SET created = created + 1000")
    with Cache(path, client=client, max_age=60) as cache:
        assert await ensemble(cache).parse(PROMPT, int) == 2
        assert await ensemble(cache).parse(PROMPT, int) == 2
    with Cache(path, client=client, max_age=60) as cache:
        assert await ensemble(cache).parse(PROMPT, int) == 2


async def test_a_time_that_is_none(tmp_path: Path) -> None:
    """An entry that was edited by hand, so that nobody knows its age, is as good as absent."""
    path = tmp_path / "answers.sqlite"
    client = counting()
    with Cache(path, client=client) as cache:
        await ensemble(cache).parse(PROMPT, int)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE answers SET created = 'yesterday'")
    with Cache(path, client=client, max_age=60) as cache:
        assert [await ensemble(cache).parse(PROMPT, int) for _ in range(2)] == [2, 2]


async def test_no_letter_takes_more_room_than_it_needs(where: Path | None) -> None:
    """Texts are kept in UTF-8: a limit holds as many answers in one script as another's bytes allow."""
    client = FunctionClient(lambda _: "я" * 2000)  # 4,000 bytes, of which JSON's escapes would make 12,000
    with Cache(where, client=client, max_bytes=9_000) as cache:
        await ensemble(cache).parse(PROMPT, str)
        assert await ensemble(cache).parse(PROMPT, str) == "я" * 2000
    assert len(client.calls) == 1


@pytest.mark.parametrize("limits", [{"max_entries": 3}, {"max_bytes": 3 * 230}])
async def test_the_least_recently_used_go_first(where: Path | None, limits: dict[str, Any]) -> None:
    """A limit holds, and what was used lately stays."""
    client = counting()
    with Cache(where, client=client, **limits) as cache:
        for prompt in ["a", "b", "c", "a", "d"]:
            await ensemble(cache).parse(prompt, int)
            assert 0 < len(cache) <= 3  # waits for the disk, too
        assert [await ensemble(cache).parse(prompt, int) for prompt in ["a", "c", "d"]] == [1, 3, 4]
        assert await ensemble(cache).parse("b", int) == 5
        with Cache(where, client=FunctionClient(lambda _: "x" * 10_000), max_bytes=9_000) as small:
            assert len(await ensemble(small).parse("longer", str)) == 10_000
            assert len(small) == (3 if where else 0)  # it has not driven out what there was


async def test_clear_and_close(where: Path | None) -> None:
    """What is cleared is asked again; what is closed says so."""
    client = counting()
    with Cache(where, client=client) as cache:
        await ensemble(cache).parse(PROMPT, int)
        cache.clear()
        assert (len(cache), bool(cache)) == (0, True)
        assert await ensemble(cache).parse(PROMPT, int) == 2
        cache.close()
        cache.close()
        if where:
            with pytest.raises(ConfigurationError, match="is closed"):
                await ensemble(cache).parse(PROMPT, int)


@pytest.mark.parametrize(
    "settings",
    [
        {"path": 1},
        {"path": ""},
        {"client": "openai/gpt-5"},
        {"max_entries": 0},
        {"max_bytes": 1.5},
        {"max_age": 0},
        {"path": "/no/such/folder/answers.sqlite"},
    ],
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    """What cannot work is refused where it is written."""
    with pytest.raises(ConfigurationError, match=next(iter(str(each) for each in settings.values())) or "path"):
        Cache(**settings)


# -- the key ---------------------------------------------------------------------------------------------------------


def call_of(**changes: Any) -> ModelCall[Any]:
    """A question, and what is different about it."""
    wanted: dict[str, Any] = {
        "processor": "p",
        "model": "openai/gpt-5-mini",
        "messages": ({"role": "user", "content": PROMPT},),
        "format": response_format(Invoice),
        "policy": RetryPolicy(),
        "record": print,
        "params": {"temperature": 1, "api_base": "http://one/v1"},
    }
    return ModelCall(**wanted | changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CONTENT = st.text(min_size=1) | st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url"]), "text": st.text(), "image_url": JSON}),
    min_size=1,
    max_size=3,
)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": CONTENT}),
    min_size=1,
    max_size=3,
)
PARAMS = st.dictionaries(
    st.sampled_from(["temperature", "top_p", "seed", "stop", "tools", "extra_body", "logit_bias", "api_version"]),
    JSON.filter(lambda value: not any(word in json.dumps(value).lower() for word in SECRETIVE)),
    max_size=3,
)
SECRETIVE = ("key", "token", "secret", "password", "credential", "auth", "cookie", "signature")
FORMATS = st.sampled_from([int, str, bool, list[int], Invoice, Point]).flatmap(
    lambda type_: st.booleans().map(lambda reasoning: response_format(type_, reasoning=reasoning))
)
CALLS = st.builds(
    call_of,
    model=st.sampled_from(["openai/a", "openai/b", "a"]),
    messages=TURNS,
    params=PARAMS,
    format=FORMATS,
    mode=st.sampled_from(["auto", "tools"]),
)


def written(call: ModelCall[Any]) -> list[Any]:
    """Everything that matters about a question, as JSON."""
    form = call.format
    params = sorted((name, json.dumps(value)) for name, value in call.params.items())
    return [
        call.model,
        call.mode,
        form.name,
        json.dumps(form.schema),
        json.dumps(call.messages, sort_keys=True),
        params,
    ]


@given(CALLS, CALLS)
def test_different_questions_have_different_keys(one: ModelCall[Any], other: ModelCall[Any]) -> None:
    """Two questions have the same key if, and only if, all that matters is the same."""
    assert (question(one) == question(other)) == (written(one) == written(other))


@given(CALLS, st.data())
def test_one_change_is_another_key(one: ModelCall[Any], data: st.DataObject) -> None:
    """Two questions that differ in one place alone have different keys."""
    other = data.draw(CALLS)
    for name in ["model", "mode", "messages", "params", "format"]:
        changed = replace(one, **{name: getattr(other, name)})
        assert (question(one) == question(changed)) == (written(one) == written(changed))


class Other(BaseModel):
    """The same properties in another order, which is the order in which a model thinks."""

    b: int
    a: int


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"params": {"api_base": "http://one/v1", "temperature": 1}}, True),
        ({"params": {"temperature": 1.5, "api_base": "http://one/v1"}}, False),
        ({"params": {"temperature": 1, "api_base": "http://two/v1"}}, False),
        ({"params": {"temperature": 1, "api_base": f"http://me:{SECRET}@one/v1"}}, True),
        ({"messages": [{"content": PROMPT, "role": "user"}]}, True),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]}, False),
        ({"format": response_format(Invoice, reasoning=True)}, False),
        ({"format": response_format(create_model("Other", a=(int, ...), b=(int, ...)))}, False),
        ({"processor": "q", "policy": QUICK, "deadline": 3.0, "strict": True, "record": id, "n": 2}, True),
        *(({"extra": {name: value}}, False) for name, value in [
            ("api_version", "2026-01-01"),
            ("deployment_id", "ours"),
            ("max_tokens", 100),
            ("stop_token_ids", [1]),
            ("extra_headers", {"anthropic-beta": "long"}),
            ("extra_body", {"guided": True}),
            ("tools", [{"type": "function", "function": {"parameters": {"properties": {"api_key": {}}}}}]),
        ]),
        *(({"extra": {name: value}}, True) for name, value in [
            ("api_key", SECRET),
            ("organization", "org-1"),
            ("user", "u-1"),
            ("metadata", {"trace": 1}),
            ("aws_secret_access_key", SECRET),
            ("aws_access_key_id", SECRET),
            ("azure_ad_token_provider", lambda: SECRET),
        ]),
        *(({"extra": {"extra_headers": {name: SECRET}}, "against": {"extra_headers": {}}}, True) for name in [
            "Authorization", "x-api-key", "X-Goog-Api-Key", "Cookie", "X-Auth-Token", "traceparent", "X-Request-ID",
        ]),
        ({"extra": {"extra_body": {"n": [{"api_key": SECRET}]}}, "against": {"extra_body": {"n": [{}]}}}, True),
    ],
)  # fmt: skip
def test_what_is_in_the_key(changes: dict[str, Any], same: bool) -> None:  # noqa: FBT001
    """What another answer comes of is in it; who asks, who pays and every secret are not."""
    base = dict(call_of().params)
    against = call_of(params=base | changes.pop("against", {}))
    if "extra" in changes:
        changes = {"params": base | changes["extra"]}
    assert question(call_of(**changes)) is not None
    assert (question(call_of(**changes)) == question(against)) is same


def test_the_order_of_properties_is_in_the_key() -> None:
    """A model writes properties in the schema's order, so that another order is another question."""
    one, other = (response_format(create_model("Same", **dict.fromkeys(names, (int, ...)))) for names in ["ab", "ba"])
    assert question(call_of(format=one)) != question(call_of(format=other))


def test_the_server_that_the_environment_names_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no address is given, it is the environment that says whose answers these are."""
    keys: set[bytes | None] = set()
    for url in ["http://one", "http://two", f"http://me:{SECRET}@two"]:
        monkeypatch.setenv("OLLAMA_API_BASE", url)
        keys.add(question(call_of(model="ollama_chat/qwen3", params={})))
    assert len(keys) == 2


def test_the_file_holds_no_secret_and_no_prompt(server: Loopback, tmp_path: Path) -> None:
    """No key, header, address or prompt is anywhere in the file's bytes; the answer's text is, and so it is private."""
    server.on("gpt-5-mini", Answer(ACME))
    path = tmp_path / "answers.sqlite"
    asked = Processor(
        "openai/gpt-5-mini",
        api_key=SECRET,
        api_base=server.openai_base,
        organization="org-nobodys-business",
        extra_headers={"X-Api-Key": SECRET},
    )
    with Cache(path) as cache:
        ensemble(cache, asked).parse_sync(PROMPT, Invoice)
        len(cache)
        beside = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    for data in (beside, path.read_bytes()):
        assert b"2.5" in data
        for secret in (SECRET, PROMPT, "owe us", server.openai_base, "org-nobodys-business", "X-Api-Key"):
            assert secret.encode() not in data
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0


# -- at the same time ------------------------------------------------------------------------------------------------


class Slow(FunctionClient):
    """Answers, or fails, when it is told to."""

    def __init__(self, *said: Any) -> None:
        """Answer in this order, the last one from then on."""
        super().__init__(self._wait)
        self.said = list(said)
        self.go = asyncio.Event()
        self.cancelled = 0

    async def _wait(self, call: ModelCall[Any]) -> Any:
        del call
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, Exception):
            raise said
        return said


async def asking(cache: Cache, times: int, type_: Any = Invoice) -> list[asyncio.Task[Any]]:
    """Ask the same so many times, and let all of them wait."""
    tasks = [asyncio.create_task(ensemble(cache).run(PROMPT, type_)) for _ in range(times)]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


async def test_the_same_question_is_sent_once(server: Loopback, where: Path | None) -> None:
    """Ten callers, one request; one of them is told what it cost, and each has an object of its own."""
    server.on("gpt-5-mini", Answer(ACME, latency=0.05))
    with Cache(where) as cache:
        paying = ensemble(cache, "openai/gpt-5-mini")
        results = await asyncio.gather(*(paying.run(PROMPT, Invoice) for _ in range(10)))
        assert server.count() == 1
        assert [result.output for result in results] == [Invoice(**ACME)] * 10
        assert len({id(result.output) for result in results}) == 10
        assert sorted(attempt.cached for result in results for attempt in result.attempts) == [False] + [True] * 9
        assert sum(result.usage.requests for result in results) == 1
        stats = cache.stats
        assert (stats.hits, stats.misses, stats.entries, stats.saved.requests) == (9, 1, 1, 9)


async def test_who_leaves_first_takes_nothing_along() -> None:
    """The first caller is cancelled: the call goes on for the others, and the next one is told what it cost."""
    client = Slow(ACME)
    cache = Cache(client=client)
    before = asyncio.all_tasks()
    first, second, third = await asking(cache, 3)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    client.go.set()
    assert [[each.cached for each in (await task).attempts] for task in (second, third)] == [[False], [True]]
    assert (len(client.calls), client.cancelled) == (1, 0)
    assert asyncio.all_tasks() == before


async def test_nobody_fails_by_the_key_of_another() -> None:
    """Two ask the same at once, one with a key that is turned down: the other one has an answer."""
    came = asyncio.Event()
    turned_down = ProviderError("turned down", processor="m/0", status_code=401)

    async def say(call: ModelCall[Any]) -> Any:
        if call.params["extra_headers"]["X-Api-Key"] == "spent":
            await came.wait()
            raise turned_down
        came.set()
        return ACME

    cache = Cache(client=FunctionClient(say))
    keys = ("spent", "good", "good")
    asked = [Ensemble([Processor("m/0", extra_headers={"X-Api-Key": key})], client=cache) for key in keys]
    bad, *good = await asyncio.gather(*(each.run(PROMPT, Invoice) for each in asked), return_exceptions=True)
    assert isinstance(bad, AllProcessorsFailed)
    assert [isinstance(each, Result) and each.output for each in good] == [Invoice(**ACME)] * 2
    assert cache.stats.misses == 2


async def test_when_all_leave_the_call_is_cancelled() -> None:
    """Nothing is left of a call that nobody waits for, and who comes later asks anew."""
    client = Slow(ACME)
    cache = Cache(client=client)
    before = asyncio.all_tasks()
    tasks = await asking(cache, 3)
    for task in tasks:
        task.cancel()
    late = asyncio.create_task(ensemble(cache).run(PROMPT, Invoice))
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    client.go.set()
    assert (await late).output == Invoice(**ACME)
    assert (len(client.calls), client.cancelled, len(cache)) == (2, 1, 1)
    assert asyncio.all_tasks() == before


async def test_a_cancelled_call_closes_its_socket(server: Loopback) -> None:
    """The only caller goes, and so does the request."""
    server.on("gpt-5-mini", Hang())
    task = asyncio.create_task(ensemble(Cache(), "openai/gpt-5-mini").run(PROMPT, Invoice))
    while not server.count():  # noqa: ASYNC110 - the server has a loop of its own
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    await server.until_idle()
    assert server.cancelled() == 1


async def test_an_error_goes_to_all_and_is_not_kept() -> None:
    """Each caller has the error, with a ledger of its own; the next one asks again."""
    refused = Refused("any/model: no", processor="any/model", refusal="I would rather not")
    client = Slow(refused, ACME)
    cache = Cache(client=client)
    tasks = await asking(cache, 3)
    client.go.set()
    await asyncio.wait(tasks)
    failed = [task.exception() for task in tasks]
    errors = [each.errors[0] for each in failed if isinstance(each, AllProcessorsFailed)]
    assert [type(error) for error in errors] == [Refused] * 3
    assert [getattr(error, "refusal", None) for error in errors] == ["I would rather not"] * 3
    assert [[(each.cached, each.error) for each in error.attempts] for error in errors] == [
        [(False, "Refused")],
        [(True, "Refused")],
        [(True, "Refused")],
    ]
    assert (await ensemble(cache).parse(PROMPT, Invoice)) == Invoice(**ACME)
    assert len(client.calls) == 2


async def test_what_does_not_validate_is_told_to_all() -> None:
    """The error of a wrong answer says to each caller what was wrong with it."""
    client = Slow({"number": 7, "total": "much"})
    tasks = await asking(Cache(client=client), 2)
    client.go.set()
    await asyncio.wait(tasks)
    for task in tasks:
        with pytest.raises(AllProcessorsFailed) as failed:
            task.result()
        (error,) = failed.value.errors
        assert isinstance(error, InvalidOutput)
        assert error.validation_error is not None


async def test_a_bug_goes_to_all() -> None:
    """What is no error of a processor is raised as it is."""
    client = Slow(KeyError("bug"))
    tasks = await asking(Cache(client=client), 2)
    client.go.set()
    await asyncio.wait(tasks)
    assert [type(task.exception()) for task in tasks] == [KeyError, KeyError]


async def test_other_questions_do_not_wait() -> None:
    """Of one question, another sample and a caller with another patience are calls of their own; the rest is shared."""
    client = Slow(1)
    cache = Cache(client=client)
    patient = Processor("any/model", retry=RetryPolicy(timeout=99))
    tasks = [asyncio.create_task(ensemble(cache, each).run(PROMPT, int)) for each in ("any/model", patient)]
    tasks.append(asyncio.create_task(ensemble(cache, "any/model", "any/model").run(PROMPT, int)))
    client.go.set()
    await asyncio.wait(tasks)
    assert len(client.calls) == 3


@pytest.mark.parametrize("deadlines", [(1, 100), (100, 1)])
def test_each_has_a_deadline_of_its_own(deadlines: tuple[float, float]) -> None:
    """Whoever has no more time goes, first or not; the other one has the answer of the same call."""

    async def main() -> None:
        async def answer(call: ModelCall[Any]) -> int:
            del call
            await asyncio.sleep(10)
            return 7

        client = FunctionClient(answer)
        cache = Cache(client=client)
        loop = asyncio.get_running_loop()

        async def ask(deadline: float) -> tuple[Any, float]:
            try:
                said: Any = await ensemble(cache, deadline=deadline).parse(PROMPT, int)
            except TimeoutError as error:
                said = type(error).__name__
            return said, round(loop.time())

        got = await asyncio.gather(*map(ask, deadlines))
        assert dict(zip(deadlines, got, strict=True)) == {1: ("DeadlineExceeded", 1), 100: (7, 10)}
        assert len(client.calls) == 1

    run_virtual(main())


def test_a_pause_that_one_has_no_time_for() -> None:
    """A vendor asks to wait for longer than the first caller can: the second, who can, is not given that error."""

    async def main() -> None:
        busy = ProviderError("any/model: busy", status_code=429, retry_after=20, retryable=True)
        said: list[Any] = [busy, busy, 7]
        client = ScriptedClient({"any/model": said})
        cache = Cache(client=client)
        hasty = asyncio.create_task(ensemble(cache, deadline=5).parse(PROMPT, int))
        patient = asyncio.create_task(ensemble(cache, deadline=100).parse(PROMPT, int))
        await asyncio.wait([hasty, patient])
        assert isinstance(hasty.exception(), AllProcessorsFailed)
        assert patient.result() == 7
        assert len(client.calls) == 3

    run_virtual(main())


def test_any_thread_may_ask(where: Path | None) -> None:
    """Threads with event loops of their own share what is kept."""
    client = counting()
    with Cache(where, client=client) as cache:
        first = ensemble(cache).parse_sync(PROMPT, int)
        got: list[int] = []

        def ask() -> None:
            got.append(asyncio.run(ensemble(cache).parse(PROMPT, int)))
            asyncio.run(ensemble(cache).parse(f"{threading.get_ident()}", int))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [first] * 8
        assert len(cache) == 1 + len({thread.ident for thread in threads})


# -- the file --------------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, os, sys
from ensemble_parse import Ensemble
from ensemble_parse.cache import Cache
from ensemble_parse.testing import FunctionClient

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = FunctionClient(lambda call: int(call.messages[0]["content"]))
print("started", flush=True)
with Cache(path, client=client) as cache:
    async def main():
        for number in range(first, last):
            assert await Ensemble(["any/model"], client=cache).parse(str(number), int) == number
            if number == first:
                len(cache)  # waits until it is written
                print("writing", flush=True)
    asyncio.run(main())
print(len(client.calls), flush=True)
"""


def worker(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    """Ask so many questions in another process."""
    command = [sys.executable, "-c", WORKER, str(path), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def calls_of(process: subprocess.Popen[str]) -> int:
    """How many calls a worker made."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return int(out.split()[-1])


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Three make the file and write to it at the same time; nothing is lost, and another one asks nothing any more."""
    path = tmp_path / "answers.sqlite"
    workers = [worker(path, first, first + 200) for first in (0, 150, 300)]
    made = [calls_of(each) for each in workers]
    assert 500 <= sum(made) <= 600  # who comes first asks what two of them have in common
    assert calls_of(worker(path, 0, 500)) == 0
    with Cache(path) as cache:
        assert len(cache) == 500


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill -9")
def test_a_killed_process_leaves_a_readable_file(tmp_path: Path) -> None:
    """Three processes are killed in the middle of writing: what they had written is there, and whole."""
    path = tmp_path / "answers.sqlite"
    for round_ in range(3):
        with worker(path, round_ * 100_000, (round_ + 1) * 100_000) as process:
            assert process.stdout is not None
            for _ in range(2):
                process.stdout.readline()
            time.sleep(0.1 * round_)
            process.kill()
    with Cache(path) as cache:
        kept = len(cache)
        assert kept >= 3
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert (
            db.execute("SELECT count(*), sum(size) FROM answers").fetchone()
            == db.execute("SELECT entries, size FROM totals").fetchone()
        )
    assert calls_of(worker(path, 0, 1)) == 0


FORKING = """
import os, sys
from ensemble_parse import Ensemble
from ensemble_parse.cache import Cache
from ensemble_parse.testing import FunctionClient
import asyncio

client = FunctionClient(lambda call: 1)
cache = Cache(sys.argv[1], client=client)
ask = lambda prompt: asyncio.run(Ensemble(["any/model"], client=cache).parse(prompt, int))
ask("parent")
len(cache)
child = os.fork()
ask("parent")
ask(str(child))
assert len(cache) >= 2 and len(client.calls) == 2, client.calls
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(cache) == 3
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_goes_on(tmp_path: Path) -> None:
    """A server that forks its workers after the cache was made has one that works in all of them."""
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path / "answers.sqlite")], check=True)


def test_it_goes_to_other_processes(tmp_path: Path) -> None:
    """Pickled, it opens the same file with the same settings; in memory, it begins anew."""
    with Cache(tmp_path / "a.sqlite", max_entries=1) as cache, pickle.loads(pickle.dumps(cache)) as other:
        assert repr(other) == repr(cache)
        assert other.__reduce__()[1][2] == cache.__reduce__()[1][2]
    assert repr(pickle.loads(pickle.dumps(Cache()))) == "Cache()"


async def test_a_forgotten_cache_writes_and_closes(tmp_path: Path) -> None:
    """Without close() nothing is lost, and no connection is left; a warning about one would fail this test."""
    client = counting()
    for _ in range(2):
        assert await ensemble(Cache(tmp_path / "answers.sqlite", client=client)).parse(PROMPT, int) == 1
        gc.collect()
        for thread in threading.enumerate():
            if thread.name == "ensemble-parse-cache":
                thread.join()
    gc.collect()


async def test_a_locked_file_holds_nobody_up(tmp_path: Path) -> None:
    """While another program writes for long, answers come, are found again, and are written when it has ended."""
    path = tmp_path / "answers.sqlite"
    client = counting()
    with Cache(path, client=client) as cache:
        with closing(sqlite3.connect(path, isolation_level=None)) as program:
            program.execute("BEGIN EXCLUSIVE")
            assert [await ensemble(cache).parse(PROMPT, int) for _ in range(2)] == [1, 1]
            assert program.in_transaction
        assert (len(cache), cache.stats.lost) == (1, 0)
        assert await ensemble(cache).parse(PROMPT, int) == 1


async def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """A full disk costs an entry, and no answer."""
    path = tmp_path / "answers.sqlite"
    client = FunctionClient(lambda _: "x" * 1_000_000)
    with Cache(path, client=client) as cache:
        cache._store._writer.execute("PRAGMA max_page_count = 10")  # type: ignore[union-attr]
        assert len(await ensemble(cache).parse(PROMPT, str)) == 1_000_000
        assert (len(cache), cache.stats.lost) == (0, 1)


def old(path: Path) -> None:
    """Make a file of another version."""
    Cache(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def another(path: Path) -> None:
    """Make a file of another program."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (data)")


def garbage(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(b"not a database, however long it is made " * 50)


def cut(path: Path) -> None:
    """Make a file that was cut off."""
    Cache(path).close()
    path.write_bytes(path.read_bytes()[:4096])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (old, "of version 99, and this library writes version 1: name another file, or delete it"),
        (another, "database of another program: name another file"),
        (garbage, "could not be opened: file is not a database: delete it"),
        (cut, "delete it"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    """The message says what to do, and the file is left as it was."""
    path = tmp_path / "answers.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=says):
        len(Cache(path))
    assert path.read_bytes() == before


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Nobody is told to delete a folder."""
    with pytest.raises(ConfigurationError, match="it is a folder; name a file in it"):
        Cache(tmp_path)


async def test_damage_is_told_before_money_is_spent(tmp_path: Path) -> None:
    """A page that cannot be read is an error, and no reason to ask and pay again."""
    path = tmp_path / "answers.sqlite"
    client = FunctionClient(lambda _: "x" * 3000)
    with Cache(path, client=client) as cache:
        for number in range(20):
            await ensemble(cache).parse(str(number), str)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with Cache(path, client=client) as cache:
        with pytest.raises(ConfigurationError, match=r"is damaged: .*: delete it"):
            await ensemble(cache).parse("3", str)
        assert len(client.calls) == 20


async def test_a_row_that_says_nothing_is_asked_again(tmp_path: Path) -> None:
    """What somebody wrote into the file by hand is no answer."""
    path = tmp_path / "answers.sqlite"
    client = counting()
    with Cache(path, client=client) as cache:
        for text, wanted in [("{", 2), ('{"price": {}}', 3), ("[]", 4)]:
            await ensemble(cache).parse(PROMPT, int)
            len(cache)
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("UPDATE answers SET text = ?", (text,))
            assert await ensemble(cache).parse(PROMPT, int) == wanted
