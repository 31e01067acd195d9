"""What happens during a call, as it happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from ensemble_parse._models import Event


async def told(call: Callable[[Callable[[Event], None]], Coroutine[Any, Any, object]]) -> AsyncGenerator[Event]:
    """Run a call and yield what it tells, as it happens; raise what it raises after everything that led to it."""
    heard: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.ensure_future(call(heard.put_nowait))
    task.add_done_callback(lambda _: heard.put_nowait(None))
    try:
        while (event := await heard.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
