"""Who is asked when, and when the asking ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import ProcessorTimeout
from ensemble_parse._processor import Answered

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ensemble_parse._models import Candidate


_GRACE: Final = 0.05  # for processors to hand over, at the deadline, what they have


async def ask_all(
    names: Sequence[str],
    ask: Callable[[int], Coroutine[Any, Any, Answered]],
    *,
    settled: Callable[[Sequence[Candidate[Any]]], bool] | None = None,
    deadline: float | None = None,
) -> list[Answered]:
    """Ask processors until all have answered, the answers suffice, or time is up.

    Args:
        names: the processors, in order of trust.
        ask: asks the processor at a position.
        settled: whether what there is will do; where given, the next processor is asked only while it will not.
        deadline: event-loop time at which whoever has not answered is cancelled.

    Returns:
        In order of trust, whatever order they finished in; processors that were never asked are left out.
    """
    loop = asyncio.get_running_loop()
    answered: dict[int, Answered] = {}
    asking: dict[asyncio.Task[Answered], int] = {}
    todo = list(range(len(names)))
    at_once = 1 if settled else len(todo)
    try:
        while todo or asking:
            while todo and len(asking) < at_once:
                position = todo.pop(0)
                asking[loop.create_task(ask(position))] = position
            left = None if deadline is None else max(0.0, deadline + _GRACE - loop.time())
            done, _ = await asyncio.wait(asking, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for task in done:
                answered[asking.pop(task)] = task.result()  # a bug is an exception, and ends the call
            if settled and settled([c for each in answered.values() for c in each.candidates]):
                break
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    for position in asking.values():
        error = ProcessorTimeout(f"{names[position]}: cut off by the deadline", processor=names[position])
        answered[position] = Answered(errors=(error,))
    return [answered[position] for position in sorted(answered)]
