"""A clock that jumps: what would wait for hours runs in no time, in the order in which it would have run."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.loopback import Loopback

T = TypeVar("T")

_POLL = 0.001  # seconds between two looks whether the server is still at work


class _Selector(selectors.DefaultSelector):
    """Waits for the server alone: where nobody has anything to do, it moves the clock to the next timer."""

    def __init__(self, server: Loopback | None) -> None:
        super().__init__()
        self.now = 0.0
        self._server = server

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._server and not self._server.is_quiet(_POLL):
            return super().select(0)
        # Once more: what it sent before it had nothing left to do is here by now.
        ready = super().select(0)
        if not ready and timeout is None:
            message = "everything waits, and nothing will ever happen"
            raise RuntimeError(message)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own, which starts at 0 and jumps from timer to timer.

    With a server, the clock stands still as long as that has requests to read or to answer, so that however slow the
    machine is, only what never comes is late. The server's own ``latency`` is real time.
    """

    def __init__(self, server: Loopback | None = None) -> None:
        """Start the clock."""
        self._clock = _Selector(server)
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._clock.now

    def forward(self, seconds: float) -> None:
        """Let time pass although the server is at work."""
        self._clock.now += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call it here: the clock would not wait for a thread."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it gets it
            future.set_exception(error)
        return future


def run_virtual(main: Coroutine[Any, Any, T], server: Loopback | None = None) -> T:
    """Run a coroutine on a virtual clock, which waits for a server that is given."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(server)) as runner:
        return runner.run(main)
