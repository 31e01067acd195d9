"""Batches through LiteLLM: OpenAI's wire format, where a file of requests is answered within a day at half the price.

A row is written by making the call and taking down what would have gone over the wire; an answer is read by making the
call again, with the row's answer in place of the wire. So a row is, to the letter, what would be sent live, and what is
made of its answer is what would be made of it live.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._budget import Spending
from ensemble_parse._client import _faults
from ensemble_parse._client._dialogue import Dialogue
from ensemble_parse._client._modes import plan
from ensemble_parse._client._prices import batch_price, longest, prompt_tokens
from ensemble_parse._client._protocol import Batches, Job, Row, RowAnswer
from ensemble_parse._errors import ProviderError
from ensemble_parse._models import T
from ensemble_parse._retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._client._libraries import Libraries
    from ensemble_parse._client._modes import Plan
    from ensemble_parse._client._protocol import ModelCall, Reply
    from ensemble_parse._errors import ProcessorError

PROVIDER: Final = "openai"

_PATH: Final = "/chat/completions"
_TAG: Final = "ensemble_parse"  # in a batch's metadata, to know it again
_TIMEOUT: Final = 600.0  # seconds; files are large
_PAGE: Final = 100
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})

_answer: ContextVar[RowAnswer | None] = ContextVar("ensemble_parse_answer")


class LiteLLMBatches(Batches):
    """The batches of OpenAI, and of every server that has them in its format."""

    most_rows = 50_000
    most_bytes = 190_000_000

    def __init__(self, libraries: Libraries) -> None:
        """Keep what is imported."""
        self._libraries = libraries

    async def row(self, call: ModelCall[Any]) -> Row | None:
        """Take down what would be sent."""
        return await _Writing(call, plan(self._libraries.litellm, call), self._libraries).row()

    async def submit(self, call: ModelCall[Any], lines: bytes, *, window: str, tag: str) -> str:
        """Upload a file and make a batch of it."""
        file = await self._sent("create_file", call, file=("batch.jsonl", lines), purpose="batch")
        batch = await self._sent(
            "create_batch",
            call,
            completion_window=window,
            endpoint="/v1/chat/completions",
            input_file_id=file.id,
            metadata={_TAG: tag},
        )
        return str(batch.id)

    async def find(self, call: ModelCall[Any], tag: str) -> str | None:
        """Go through the account's batches, the newest first."""
        after: str | None = None
        while True:
            page = await self._sent("list_batches", call, after=after, limit=_PAGE)
            for batch in page.data:
                marks: dict[str, str] = batch.metadata or {}
                if marks.get(_TAG) == tag:
                    return str(batch.id)
            if not (page.data and page.has_more):
                return None
            after = page.data[-1].id

    async def look(self, call: ModelCall[Any], batch: str) -> Job:
        """Retrieve it."""
        # Else LiteLLM downloads all answers behind our back each time, to log what they cost.
        quiet = {"litellm_metadata": {"batch_ignore_default_logging": True}}
        found = await self._sent("retrieve_batch", call, batch_id=batch, **quiet)
        files = tuple(each for each in (found.output_file_id, found.error_file_id) if each)
        counts = found.request_counts
        # "completed" may be said a moment before the files are there.
        late = found.status == "completed" and not files and bool(counts and counts.completed)
        said = [str(each.message) for each in (found.errors.data or () if found.errors else ())]
        return Job(
            over=found.status in _OVER and not late,
            status=found.status,
            problem=_faults.scrub("; ".join(said[:3]), call),
            files=files,
        )

    async def answers(self, call: ModelCall[Any], job: Job) -> Mapping[str, RowAnswer]:
        """Download the answers and the errors."""
        found: dict[str, RowAnswer] = {}
        for file in job.files:
            content = await self._sent("file_content", call, file_id=file)
            for line in content.content.splitlines():
                match _data(line):
                    case {"custom_id": str(name), "response": {"status_code": int(status), **said}} if status:
                        found[name] = RowAnswer(status=status, body=said.get("body"))
                    case _:  # expired, or no row at all: it counts as not answered
                        pass
        return found

    async def read(self, call: ModelCall[T], answer: RowAnswer, *, live: bool) -> Reply[T]:
        """Make the call, with the answer in place of the wire."""
        if not live:
            call = replace(call, policy=RetryPolicy(attempts=1, reasks=0, timeout=call.policy.timeout))
        plan_ = plan(self._libraries.litellm, call)
        return await _Reading(call, plan_, self._libraries, answer, live=live).run()

    async def _sent(self, name: str, call: ModelCall[Any], **asked: Any) -> Any:
        params = call.params
        where = {
            "api_base": params.get("api_base") or params.get("base_url"),
            "api_key": params.get("api_key"),
            "organization": params.get("organization"),
            "extra_headers": params.get("extra_headers"),
        }
        given = {name: value for name, value in where.items() if value}
        send = getattr(self._libraries.litellm, name)
        error: ProcessorError
        try:
            # In a thread: of the async twins each makes a client of its own that it does not close, and that fails
            # when it is collected after its event loop.
            return await asyncio.to_thread(
                send, custom_llm_provider=PROVIDER, max_retries=0, num_retries=0, timeout=_TIMEOUT, **given, **asked
            )
        except Exception as raised:  # noqa: BLE001 - whatever LiteLLM raises is the vendor's failure
            error = _faults.from_litellm(raised, call)
        raise error


def _data(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


class _Taken(BaseException):
    """What would have gone over the wire."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__()
        self.url, self.body = url, body


class _Writing(Dialogue[Any]):
    """A call of which the first request is written down, and not sent."""

    _row: Row | None = None

    async def row(self) -> Row | None:
        """Write it down."""
        try:
            await self.run()
        except _Written:
            return self._row
        raise AssertionError  # pragma: no cover - the first attempt raises one error or another

    async def _attempt(self, request: dict[str, Any]) -> Any:
        call, litellm = self._call, self._libraries.litellm
        token = _answer.set(None)
        error: ProcessorError | None = None
        try:
            await litellm.acompletion(**request, client=_no_wire())
        except _Taken as taken:
            if taken.url.endswith(_PATH):
                tokens = prompt_tokens(request), (longest(litellm, call, request) or 0) * call.n
                usage = litellm.Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1], total_tokens=sum(tokens))
                worst = Spending(usd=batch_price(litellm, call, usage), tokens=sum(tokens), calls=1)
                self._row = Row(body=json.loads(taken.body), worst=worst)
            raise _Written from None
        except Exception as raised:  # noqa: BLE001 - as for every request
            error = _faults.from_litellm(raised, replace(call, messages=request["messages"]))
        finally:
            _answer.reset(token)
        assert error is not None  # noqa: S101 - nobody can answer without a wire
        raise error


class _Written(Exception):
    """The request is written down."""


class _Reading(Dialogue[T]):
    """A call whose first request has been answered."""

    def __init__(self, call: ModelCall[T], plan_: Plan, libraries: Libraries, answer: RowAnswer, *, live: bool) -> None:
        super().__init__(call, plan_, libraries)
        self._given: RowAnswer | None = answer
        self._live = live
        self._said: ProcessorError | None = None

    async def _attempt(self, request: dict[str, Any]) -> Any:
        call, litellm = self._call, self._libraries.litellm
        given, self._given = self._given, None
        if given is None:
            if self._said and not self._live:
                raise self._said
            return await super()._attempt(request)
        started = time.perf_counter()
        token = _answer.set(given)
        try:
            completion = await litellm.acompletion(**request, client=_no_wire())
        except Exception as raised:  # noqa: BLE001 - as for every request
            self._said = error = _faults.from_litellm(raised, replace(call, messages=request["messages"]))
        else:
            completion._hidden_params["response_cost"] = batch_price(litellm, call, completion.usage)  # noqa: SLF001 - where the price is read
            self._record(started, completion=completion)
            return completion
        finally:
            _answer.reset(token)
        self._failed += 1
        status = error.status_code if isinstance(error, ProviderError) else None
        self._record(started, error=error.kind, status=status or given.status)
        raise error


@functools.cache
def _no_wire() -> Any:
    """An OpenAI client without a wire: each request is answered with what is set, or taken down."""
    import httpx
    import openai

    class NoWire(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            given = _answer.get()
            if given is None:
                raise _Taken(request.url.path, await request.aread())
            return httpx.Response(given.status, json=given.body)

    return openai.AsyncOpenAI(
        api_key="none", base_url="http://batch", max_retries=0, http_client=httpx.AsyncClient(transport=NoWire())
    )
