"""One piece of work that several callers wait for."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ensemble_parse._errors import ProcessorError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ensemble_parse._client._protocol import ModelCall
    from ensemble_parse._models import Attempt

R = TypeVar("R")


class Flight(Generic[R]):
    """A call under way, for all who ask the same.

    It goes on as long as one of them waits, and is cancelled with the last one. What it costs is told to the first who
    still waits.
    """

    def __init__(
        self,
        work: Callable[[Callable[[Attempt], None]], Coroutine[None, None, R]],
        *,
        deadline: float | None,
        over: Callable[[Flight[R]], None],
    ) -> None:
        """Start.

        Args:
            work: what is done once; it is given what takes the attempts.
            deadline: that of the first who asks, which the work keeps.
            over: called when nobody may join any more.
        """
        self.deadline = deadline
        self._over = over
        self._waiting: list[Callable[[Attempt], None]] = []
        self._joined = 0
        self._task = asyncio.get_running_loop().create_task(work(self._tell))
        self._task.add_done_callback(self._done)

    async def join(self, record: Callable[[Attempt], None]) -> tuple[R, bool]:
        """Wait for the end.

        Args:
            record: takes the attempts, if it is this caller who pays.

        Returns:
            What came of it, and whether this caller was told of its attempts.

        Raises:
            Exception: whatever the work raises.
        """
        waiting = self._waiting
        told = self._joined == 0  # who starts it needs no other word of it
        self._joined += 1

        def mine(attempt: Attempt) -> None:
            nonlocal told
            told = True
            record(attempt)

        waiting.append(mine)
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            if waiting == [mine]:
                self._over(self)  # who comes now shall not join what is being cancelled
                self._task.cancel()
                await asyncio.wait({self._task})
            waiting.remove(mine)
            raise
        return self._task.result(), told

    def _tell(self, attempt: Attempt) -> None:
        self._waiting[0](attempt)

    def _done(self, task: asyncio.Task[R]) -> None:
        self._over(self)
        if not task.cancelled():
            task.exception()  # seen, also where nobody is left to see it


def could_wait(error: ProcessorError, deadline: float | None, call: ModelCall[Any]) -> bool:
    """Whether the vendor asked for a pause for which the first caller had no time, and this one has."""
    pause = error.retry_after if isinstance(error, ProviderError) else None
    if pause is None or deadline is None or pause > call.policy.longest_wait:
        return False
    end = asyncio.get_running_loop().time() + pause
    return end >= deadline and (call.deadline is None or end < call.deadline)


def copy_of(error: ProcessorError) -> ProcessorError:
    """An error of one's own, since a caller notes its attempts on it."""
    copied = copy.copy(error)
    vars(copied).update(vars(error))  # some of it does not pickle, and so is not copied
    return copied
