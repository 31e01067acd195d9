"""A client that keeps answers, so that nothing is paid for twice.

    ensemble = Ensemble(["openai/gpt-5-mini"], client=Cache("answers.sqlite"))

A question that was answered before, in this process or another that shares the file, is answered from there: no request
is sent, and the ledger says so.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Self

from ensemble_parse._cache._disk import Disk
from ensemble_parse._cache._entry import Kept, Price, read, write
from ensemble_parse._cache._flight import Flight, copy_of, could_wait
from ensemble_parse._cache._key import credentials, question, sample_key
from ensemble_parse._cache._memory import Limits, Memory
from ensemble_parse._client._litellm import LiteLLMClient
from ensemble_parse._client._protocol import Client, Fit, ModelCall, Reply
from ensemble_parse._errors import ConfigurationError, ProcessorError
from ensemble_parse._models import Attempt, T, Usage
from ensemble_parse._retry import is_positive, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType


__all__ = ["Cache", "CacheStats"]

_ENTRIES: Final = 100_000
_BYTES: Final = 256 * 1024 * 1024
_NOTHING: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a cache did since it was made, in this process.

    Attributes:
        hits: answers that were kept, or that another caller was already waiting for.
        misses: answers that had to be asked for.
        entries: answers that are kept now, of all processes.
        lost: answers that could not be written, since the disk was full or the file locked.
        saved: the usage that the hits would have been.
        saved_cost: US dollars that the hits would have cost, as far as prices are known.
    """

    hits: int = 0
    misses: int = 0
    entries: int = 0
    lost: int = 0
    saved: Usage = field(default_factory=Usage)
    saved_cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Came(Generic[T]):
    """What came of a request.

    Attributes:
        kept: each answer; with the text that is kept of it, if any.
        errors: one for each sample that is none.
        failed: why there is no answer at all.
    """

    kept: Sequence[tuple[Kept[T], str | None]] = ()
    errors: Sequence[ProcessorError] = ()
    failed: ProcessorError | None = None


class Cache(Client):
    """Keeps the valid answers of a client, in memory or in a file.

    An answer belongs to the model, the server, the messages, the response format, the mode, the parameters and the
    number of the sample; not to keys. Errors, refusals and answers that were cut off are not kept. What is read is
    validated again; where it does not validate any more, the model is asked. Several threads, event loops and processes
    may share a file. The same question that is asked by several at the same time is sent once.

    Args:
        path: an SQLite file, made where there is none; ``None`` keeps answers in memory, as long as this process lives.
        client: who is asked for the rest; ``None`` is LiteLLM, as without a cache.
        max_entries: above so many answers the least recently used go; ``None`` is no limit.
        max_bytes: above so many bytes of answers the least recently used go; ``None`` is no limit.
        max_age: seconds after which an answer is asked for anew; ``None`` is never.

    Raises:
        ConfigurationError: a setting cannot work; or the file is damaged, another program's or another version's.

    Examples:
        >>> from ensemble_parse import Ensemble
        >>> from ensemble_parse.testing import FunctionClient
        >>> cache = Cache(client=FunctionClient(lambda call: 42))
        >>> ensemble = Ensemble(["any/model"], client=cache)
        >>> [ensemble.run_sync("6 * 7?", int).usage.requests for _ in range(2)]
        [1, 0]
        >>> len(cache)
        1
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        client: Client | None = None,
        max_entries: int | None = _ENTRIES,
        max_bytes: int | None = _BYTES,
        max_age: float | None = None,
    ) -> None:
        """Check the settings and open the file."""
        wanted = {
            "path": (path, path is None or _is_path(path), "the name of a file, or None for memory"),
            "client": (client, client is None or isinstance(client, Client), "a Client, or None for LiteLLM"),
            "max_entries": (max_entries, max_entries is None or is_whole(max_entries, least=1), "1 or more, or None"),
            "max_bytes": (max_bytes, max_bytes is None or is_whole(max_bytes, least=1), "1 or more, or None"),
            "max_age": (max_age, max_age is None or is_positive(max_age), "seconds, more than 0, or None"),
        }
        for name, (value, holds, what) in wanted.items():
            if not holds:
                message = f"Cache({name}={value!r}): give {what}"
                raise ConfigurationError(message)
        self._settings = {"max_entries": max_entries, "max_bytes": max_bytes, "max_age": max_age}
        self._client = LiteLLMClient() if client is None else client
        limits = Limits(entries=max_entries, size=max_bytes, age=max_age)
        # Absolute, so that a process that changes its folder stays with its file.
        self._path = None if path is None else Path(path).absolute()
        self._store = Memory(limits) if self._path is None else Disk(self._path, limits)
        self._counts = CacheStats()
        self._counting = threading.Lock()
        self._flights: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, Flight[Any]]] = (
            weakref.WeakKeyDictionary()
        )

    def __repr__(self) -> str:
        """Show where it is."""
        return f"Cache({str(self._path)!r})" if self._path else "Cache()"

    def __reduce__(self) -> tuple[Any, ...]:
        """Open the same file in another process; what is in memory stays here."""
        return _again, (self._path, self._client, self._settings)

    def __len__(self) -> int:
        """How many answers are kept; waits for those that are being written."""
        return self._store.count()

    def __bool__(self) -> bool:
        """Be there, also where it is empty."""
        return True

    def __enter__(self) -> Self:
        """Be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def stats(self) -> CacheStats:
        """What it did so far; waits, as ``len`` does, for what is being written."""
        return replace(self._counts, entries=len(self), lost=self._store.lost)

    def clear(self) -> None:
        """Drop every answer, also of other processes that share the file."""
        self._store.clear()

    def close(self) -> None:
        """Write what is still to be written and close the file; forget what is in memory."""
        self._store.close()

    async def fit(self, call: ModelCall[Any]) -> Fit:
        """Say how a call would go out, as the client below does."""
        return await self._client.fit(call)

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        """Answer from what is kept, and ask for the rest.

        Of ``n`` samples the first ones that are kept are taken, and all after them asked for in one request.

        Raises:
            ProcessorError: no sample is kept, and none of the client's is a valid answer.
            ConfigurationError: the file turns out to be damaged, or the cache is closed.
        """
        started = time.perf_counter()
        asked = question(call)
        if asked is None:
            return await self._client.ask(call)
        found: list[Kept[T]] = []
        while len(found) < call.n and (kept := self._kept(call, asked, len(found))):
            found.append(kept)
        if found:
            self._hit(call, started, found)
        if len(found) == call.n:
            return Reply(answers=[kept.parsed for kept in found])
        rest = replace(call, sample=call.sample + len(found), n=call.n - len(found))
        try:
            reply = await self._shared(rest, asked)
        except ProcessorError as error:
            if not found:
                raise
            return Reply(answers=[kept.parsed for kept in found], errors=[error] * rest.n)
        return Reply(answers=[*(kept.parsed for kept in found), *reply.answers], errors=reply.errors)

    def _kept(self, call: ModelCall[T], asked: bytes, offset: int) -> Kept[T] | None:
        text = self._store.get(sample_key(asked, call.sample + offset))
        kept = None if text is None else read(call.format, text)
        # Where a vendor must take every parameter, an answer without one of them is none.
        return None if kept and kept.price.dropped and call.strict else kept

    async def _shared(self, call: ModelCall[T], asked: bytes) -> Reply[T]:
        started = time.perf_counter()
        flights = self._flights.setdefault(asyncio.get_running_loop(), {})
        # With what differs between two callers and shows in an error, or makes them give up at different times.
        # Who pays for a call is told what it cost, and nobody else goes without because they lack the money, or because
        # their key is turned down.
        payers = (*credentials(call), *map(id, call.budgets))
        same = (asked, call.sample, call.n, call.format, call.processor, repr(call.policy), call.strict, payers)

        def over(flight: Flight[Any]) -> None:
            if flights.get(same) is flight:
                del flights[same]

        while True:
            flight = flights.get(same)
            if flight is None:
                work = partial(self._asked, call, asked)
                flight = flights[same] = Flight(work, deadline=call.deadline, over=over)
            came, told = await flight.join(call.record)
            if came.failed and could_wait(came.failed, flight.deadline, call):
                continue
            if told:
                if came.failed:
                    raise came.failed
                return Reply(answers=[kept.parsed for kept, _ in came.kept], errors=came.errors)
            if came.failed:
                _record(call, started, Price(), error=came.failed.kind)
                raise copy_of(came.failed)
            # Read anew, so that no two callers are given the same object.
            mine = [(text and read(call.format, text)) or kept for kept, text in came.kept]
            self._hit(call, started, mine)
            return Reply(answers=[kept.parsed for kept in mine], errors=[copy_of(error) for error in came.errors])

    async def _asked(self, call: ModelCall[T], asked: bytes, record: Callable[[Attempt], None]) -> _Came[T]:
        attempts: list[Attempt] = []

        def both(attempt: Attempt) -> None:
            attempts.append(attempt)
            record(attempt)

        self._count(misses=call.n)
        try:
            reply = await self._client.ask(replace(call, record=both))
        except ProcessorError as error:
            return _Came(failed=error)
        price = Price.of(attempts)
        kept: list[tuple[Kept[T], str | None]] = []
        for number, answer in enumerate(reply.answers):
            text = write(call.format, answer, price)
            if text is not None:
                self._store.put(sample_key(asked, call.sample + number), text)
            kept.append((Kept(answer, price), text))
            price = price.further()
        return _Came(kept=kept, errors=reply.errors)

    def _hit(self, call: ModelCall[Any], started: float, kept: Sequence[Kept[Any]]) -> None:
        _record(call, started, kept[0].price)
        saved = sum((each.price.usage for each in kept), Usage())
        self._count(hits=len(kept), saved=saved, cost=sum(each.price.cost for each in kept))

    def _count(self, *, hits: int = 0, misses: int = 0, saved: Usage = _NOTHING, cost: float = 0.0) -> None:
        with self._counting:
            counts = self._counts
            self._counts = CacheStats(
                hits=counts.hits + hits,
                misses=counts.misses + misses,
                saved=counts.saved + saved,
                saved_cost=counts.saved_cost + cost,
            )


def _again(path: Path | None, client: Client, settings: dict[str, Any]) -> Cache:
    return Cache(path, client=client, **settings)


def _is_path(path: object) -> bool:
    return isinstance(path, str | Path) and str(path) != ""


def _record(call: ModelCall[Any], started: float, price: Price, *, error: str | None = None) -> None:
    call.record(
        Attempt(
            processor=call.processor,
            model=call.model,
            seconds=time.perf_counter() - started,
            cost=0.0,
            error=error,
            answered_by=price.answered_by,
            dropped=price.dropped,
            cached=True,
        )
    )
