"""Tell whether an event loop of another thread has nothing left to do."""

from __future__ import annotations

import selectors
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_FAR = 60.0  # seconds; a timer beyond them is none of a reply's, but of a connection that is kept


class Quiet(selectors.DefaultSelector):
    """A loop's selector, which can be asked from outside."""

    def __init__(self) -> None:
        """Begin with nobody who asks."""
        super().__init__()
        self._asking: deque[threading.Event] = deque()

    def reached(self, loop: AbstractEventLoop, patience: float) -> bool:
        """Wait so many seconds for a moment, after this call, in which ``loop`` had nothing to do."""
        answer = threading.Event()
        self._asking.append(answer)
        loop.call_soon_threadsafe(lambda: None)  # wakes it
        return answer.wait(patience)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what happens, having told who asked."""
        asking = len(self._asking)  # before the look: what they sent before they asked is seen by it
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or timeout > _FAR:
            for _ in range(asking):
                self._asking.popleft().set()
        return super().select(timeout)
