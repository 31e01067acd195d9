"""The async implementation for callers that do not await: one private event loop in a thread, for the process."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

R = TypeVar("R")

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a forked child has no use for its parent's thread


def run_sync(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end and return its result.

    One loop serves every call, since a model client keeps its connections per loop. Interrupting the caller cancels the
    coroutine.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            # A daemon: a call that is still under way must not keep the interpreter from ending.
            threading.Thread(target=loop.run_forever, name="ensemble-parse", daemon=True).start()
        return loop
