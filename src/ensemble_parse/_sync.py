"""The async implementation for callers that do not await: one private event loop in a thread, for the process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable

R = TypeVar("R")

_PATIENCE: Final = 2.0  # seconds that the end of the process waits for what is still under way


@dataclass(frozen=True, slots=True)
class _Loop:
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


_lock = threading.Lock()
_loops: dict[int, _Loop] = {}  # by process: a forked child has no use for its parent's thread


def run_sync(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end and return its result.

    One loop serves every call, since a model client keeps its connections per loop. Interrupting the caller cancels the
    coroutine.
    """
    running = _running()
    if asyncio._get_running_loop() is running.loop:  # noqa: SLF001 - the public twin raises where there is none
        coroutine.close()
        message = "a synchronous call inside a synchronous call would wait for itself: await parse() or run() there"
        raise ConfigurationError(message)
    future = asyncio.run_coroutine_threadsafe(coroutine, running.loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def run_apart(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine in the private loop, for a caller whose own loop may stand still meanwhile."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, _running().loop))


def iterate_sync(
    begin: Callable[[AsyncIterable[Any]], AsyncGenerator[R, None]], inputs: Iterable[Any] | AsyncIterable[Any]
) -> Generator[R, None, None]:
    """Give what an asynchronous generator makes of inputs.

    An iterable is pulled in the caller's thread, while the caller waits for something: it may be bound to that thread,
    as a database's cursor is, and when it blocks, what is under way goes on.

    Args:
        begin: makes the generator.
        inputs: what it takes.
    """
    calling = _Calling()
    source = iter(()) if isinstance(inputs, AsyncIterable) else iter(inputs)
    run_sync(calling.begin(begin(inputs if isinstance(inputs, AsyncIterable) else calling)))
    try:
        while (event := run_sync(calling.event())) is not None:
            if event is _WANTED:
                run_sync(calling.give(next(source, _NO_MORE)))
            else:
                yield event[0]
    finally:
        run_sync(calling.end())


_WANTED: Final = object()
_NO_MORE: Final = object()


class _Calling:
    """Inputs of another thread's, for this loop; and what is made of them, for that thread."""

    def __init__(self) -> None:
        # Of one place, so that no more is made than is taken.
        self._events: asyncio.Queue[Any] = asyncio.Queue(1)
        self._given: asyncio.Queue[Any] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        await self._events.put(_WANTED)
        given = await self._given.get()
        if given is _NO_MORE:
            raise StopAsyncIteration
        return given

    async def begin(self, items: AsyncGenerator[Any, None]) -> None:
        self._making = asyncio.create_task(self._make(items))

    async def _make(self, items: AsyncGenerator[Any, None]) -> None:
        async with contextlib.aclosing(items):
            async for item in items:
                await self._events.put((item,))

    async def event(self) -> Any:
        """What the caller has to do next: give an input, take an item, or, with ``None``, end."""
        getting = asyncio.create_task(self._events.get())
        try:
            await asyncio.wait({getting, self._making}, return_when=asyncio.FIRST_COMPLETED)
            return await getting if getting.done() or not self._events.empty() else self._making.result()
        finally:
            getting.cancel()

    async def give(self, value: Any) -> None:
        self._given.put_nowait(value)

    async def end(self) -> None:
        self._making.cancel()
        await asyncio.gather(self._making, return_exceptions=True)


def _running() -> _Loop:
    with _lock:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            # A daemon: a call that is still under way must not keep the interpreter from ending.
            thread = threading.Thread(target=_serve, args=(loop,), name="ensemble-parse", daemon=True)
            thread.start()
            _loops[os.getpid()] = _Loop(loop, thread)
            atexit.register(_stop, _loops[os.getpid()])
        return _loops[os.getpid()]


def _stop(running: _Loop) -> None:
    # A daemon thread that is frozen in the middle of an import, as the interpreter ends, holds the lock that LiteLLM's
    # finalizers then wait for, for ever.
    if not running.thread.is_alive():
        return  # a forked child inherits the handler, not the thread
    with contextlib.suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(_wind_up(), running.loop).result(_PATIENCE)
    running.loop.call_soon_threadsafe(running.loop.stop)
    running.thread.join(_PATIENCE)


async def _wind_up() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        # Code of the user's that exits ends its own call, which it is raised from, and not everybody's loop.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()
            return
