"""The async implementation for callers that do not await: one private event loop in a thread, for the process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

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
    future = asyncio.run_coroutine_threadsafe(coroutine, _running().loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _running() -> _Loop:
    with _lock:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            # A daemon: a call that is still under way must not keep the interpreter from ending.
            thread = threading.Thread(target=loop.run_forever, name="ensemble-parse", daemon=True)
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
