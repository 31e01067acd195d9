"""When a processor may be asked: not faster than its vendor allows, and not while it cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NoReturn

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._retry import is_positive, is_whole

_BRIEFLY: Final = 1.0  # seconds; the pause after a 429 that says nothing about waiting
_LONGEST: Final = 60.0  # seconds; no vendor pauses everybody for longer
_RECOVERY: Final = 0.25  # of the configured rate, won back by answers to as much as goes out in one period
_TICK: Final = 1e-6  # seconds; event loops fire timers up to their clock's resolution too early


@dataclass(slots=True, eq=False)
class Turn:
    """One request's place: in the queue, then in the period that it started in.

    Attributes:
        tokens: what the request was expected to use, and once it is settled, what it used.
        loop: the event loop that it waits in.
        started: event-loop time, or infinity while it waits.
        counted: whether it is among the starts of the current period.
        woken: set when its time may have come.
    """

    tokens: int
    loop: asyncio.AbstractEventLoop
    started: float = math.inf
    counted: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class RateLimit:
    """So many requests and tokens in any period, for all processors that are given this same object.

    It holds over all ensembles, threads and event loops of this process. Requests beyond it wait in the order in which
    they came. A 429 pauses them all and halves the rate, which answers win back. In no period of ``per`` seconds,
    wherever it begins, are there more starts, or more tokens of requests that started in it; the exception is a request
    that needs more tokens than the whole limit: it goes when there is nothing else, instead of never.

    Attributes:
        requests: requests in a period, or ``None`` for no limit.
        tokens: tokens of prompts and answers in a period, or ``None`` for no limit.
        per: the period, seconds.

    Raises:
        ConfigurationError: there is no limit, or one that cannot be.

    Examples:
        >>> limit = RateLimit(requests=500, tokens=200_000)
        >>> turn = await limit.acquire(900)  # now, or when there is room
        >>> limit.settle(turn, 640)  # it was answered, and used less
        >>> limit
        RateLimit(requests=500, tokens=200000, per=60.0)
    """

    def __init__(self, *, requests: int | None = None, tokens: int | None = None, per: float = 60.0) -> None:
        """Check and keep the limits."""
        given = {"requests": requests, "tokens": tokens, "per": per}
        wanted = {
            "requests": (requests is None or is_whole(requests, least=1), "a whole number, 1 or more, or None"),
            "tokens": (tokens is None or is_whole(tokens, least=1), "a whole number, 1 or more, or None"),
            "per": (is_positive(per), "seconds, more than 0"),
        }
        for name, (holds, what) in wanted.items():
            if not holds:
                message = f"RateLimit({name}={given[name]!r}): give {what}"
                raise ConfigurationError(message)
        if requests is None and tokens is None:
            message = "RateLimit(): give at least one limit: requests= or tokens="
            raise ConfigurationError(message)
        self.requests: Final = requests
        self.tokens: Final = tokens
        self.per: Final = per
        # Re-entrant: the garbage collector ends the tasks of a loop that is gone, perhaps in a thread that is in here.
        self._lock: Final = threading.RLock()
        self._queue: Final = deque[Turn]()
        self._starts: Final = deque[Turn]()  # of the current period, oldest first
        self._used = 0  # their tokens
        self._share = 1.0
        self._paused = -math.inf  # until then
        self._slowed = -math.inf  # when the rate was last halved

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied: two of them would let twice as much through."""
        message = (
            "a RateLimit cannot be pickled: it holds over one process. Give the other process a function that builds "
            "the ensemble, with a limit for that process alone"
        )
        raise ConfigurationError(message)

    @property
    def share(self) -> float:
        """How much of the configured rate is in force, from 0 to 1: less than 1 after a 429."""
        return self._share

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    async def acquire(self, tokens: int = 0) -> Turn:
        """Wait for the turn of one request, and count it.

        A call that is cancelled while it waits leaves nothing behind and holds nobody up.

        Args:
            tokens: what it is expected to use at most, prompt and answer together.

        Returns:
            What ``settle`` and ``slow_down`` take; a request of which neither is told counts in full for a period.
        """
        turn = Turn(tokens, asyncio.get_running_loop())
        with self._lock:
            self._queue.append(turn)
        try:
            while True:
                turn.woken.clear()  # before looking, so that no change is missed
                seconds = self._start(turn)
                if seconds == 0:
                    return turn
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if seconds is None else seconds + _TICK):
                        await turn.woken.wait()
        except BaseException:
            with self._lock:
                with contextlib.suppress(ValueError):
                    self._queue.remove(turn)
                self._wake()
            raise

    def settle(self, turn: Turn, used: int) -> None:
        """Count what an answered request used: the difference is given back, or charged.

        Args:
            turn: the request's.
            used: tokens, prompt and answer together.
        """
        with self._lock:
            if turn.counted:
                self._used += used - turn.tokens
            turn.tokens = used
            if turn.started > self._slowed:
                part = max(1 / self._requests_now(), used / self._tokens_now())
                self._share = min(1.0, self._share + _RECOVERY * min(1.0, part))
            self._wake()

    def slow_down(self, turn: Turn, retry_after: float | None = None) -> None:
        """After a 429: pause everybody, and halve the rate.

        Of requests that were under way together, the first 429 alone halves it: the others tell of the same burst.

        Args:
            turn: that of the request that was turned down.
            retry_after: seconds that the vendor asked to wait, at most 60 of which are heeded; ``None`` is one second.
        """
        pause = _BRIEFLY if retry_after is None else min(max(0.0, retry_after), _LONGEST)
        with self._lock:
            now = turn.loop.time()
            self._paused = max(self._paused, now + pause)
            if turn.started > self._slowed:
                self._share /= 2
                self._slowed = now

    def _start(self, turn: Turn) -> float | None:
        """Start a request; or say in how many seconds to look again, or ``None``: when it is woken."""
        with self._lock:
            if self._head() is not turn:
                return None
            now = turn.loop.time()
            if now < self._paused:
                return self._paused - now
            while self._starts and self._starts[0].started + self.per <= now:
                oldest = self._starts.popleft()
                oldest.counted = False
                self._used -= oldest.tokens
            if not self._fits(turn.tokens):
                return self._starts[0].started + self.per - now
            self._queue.popleft()
            turn.started, turn.counted = now, True
            self._starts.append(turn)
            self._used += turn.tokens
            self._wake()
            return 0

    def _fits(self, tokens: int) -> bool:
        allowed = self._tokens_now()
        return len(self._starts) < self._requests_now() and self._used + min(tokens, allowed) <= allowed

    def _requests_now(self) -> float:
        return math.inf if self.requests is None else max(1, int(self.requests * self._share))

    def _tokens_now(self) -> float:
        return math.inf if self.tokens is None else max(1, int(self.tokens * self._share))

    def _head(self) -> Turn | None:
        while self._queue and self._queue[0].loop.is_closed():
            self._queue.popleft()
        return self._queue[0] if self._queue else None

    def _wake(self) -> None:
        head = self._head()
        if head is not None:
            with contextlib.suppress(RuntimeError):  # its loop was closed by another thread, just now
                head.loop.call_soon_threadsafe(head.woken.set)

    def __repr__(self) -> str:
        """Show the limits."""
        return f"RateLimit(requests={self.requests}, tokens={self.tokens}, per={self.per})"


class Rest:
    """Leaves a processor that cannot be reached alone for a while, and then tries it with one call.

    Whoever was let through by ``may_ask`` reports exactly once how the call ended: ``answered``, ``failed`` or
    ``cancelled``. All times are event-loop times.

    It begins when a call failed and nothing was answered since that call began: while others are answered, one slow
    request proves nothing, and a vendor that is down costs one time-out, whoever is alone with it.
    """

    def __init__(self, seconds: float) -> None:
        """Take how long a rest is; 0 is none at all."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answered = -math.inf
        self._began: float | None = None  # when it was left alone, if it is
        self._probing = False

    def __reduce__(self) -> tuple[type[Rest], tuple[float]]:
        """A copy in another process finds out for itself."""
        return type(self), (self._seconds,)

    def resting(self, now: float) -> bool:
        """Whether it is left alone, apart from the one call that finds out."""
        with self._lock:
            return self._began is not None and (self._probing or now < self._began + self._seconds)

    def may_ask(self, now: float) -> bool:
        """Whether to ask; after a rest, the first to look is let through, and the others wait for how that ends."""
        with self._lock:
            if self._began is None:
                return True
            if self._probing or now < self._began + self._seconds:
                return False
            self._probing = True
            return True

    def answered(self, now: float) -> None:
        """There was an answer, whatever it says: an error such as 400 is one, too."""
        with self._lock:
            self._answered = max(self._answered, now)
            self._began, self._probing = None, False

    def failed(self, started: float, now: float) -> None:
        """It could not be reached.

        Args:
            started: when the call was let through, or later.
            now: when it failed.
        """
        with self._lock:
            if self._seconds and started >= self._answered and self._probes(started):
                self._began, self._probing = now, False

    def cancelled(self, started: float) -> None:
        """Nobody knows: the call was cut off, or nothing was sent.

        Args:
            started: when the call was let through, or later.
        """
        with self._lock:
            if self._probes(started):
                self._probing = False

    def _probes(self, started: float) -> bool:
        """Whether a call can be what a rest waits for: those that were under way when it began are not."""
        return self._began is None or started > self._began
