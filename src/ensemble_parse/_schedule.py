"""Who is asked when, and when the asking ends."""

from __future__ import annotations

import asyncio
import statistics
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import ProcessorTimeout
from ensemble_parse._models import Event
from ensemble_parse._seats import Answered

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ensemble_parse._models import Candidate, Pace
    from ensemble_parse._seats import Seat

_GRACE: Final = 0.05  # seconds for processors to hand over, at the deadline, what they have
_HEDGED: Final = 2  # are asked at once with ``pace="hedged"``, where one alone may be enough
_FIRST_PATIENCE: Final = 1.0  # seconds, until enough is known of the latencies
_KNOWN: Final = 4


class Patience:
    """How long one waits for those who were asked before one asks the next: the third quartile of recent latencies."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._recent: deque[float] = deque(maxlen=100)

    def saw(self, seconds: float) -> None:
        """Take note of how long an answer took."""
        self._recent.append(seconds)

    @property
    def seconds(self) -> float:
        """So long."""
        if len(self._recent) < _KNOWN:
            return _FIRST_PATIENCE
        return statistics.quantiles(self._recent, n=4)[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a panel is asked.

    Attributes:
        pace: ``"parallel"``: all at once; ``"thrifty"``: as few as may be enough, and more only where they disagree;
            ``"hedged"``: the same, but two at least, and the next one also after a while. Whoever fails is followed
            by the next one at once.
        fewest: how many candidates may be enough if they agree.
        settled: whether what there is will do, whatever those may say who have not answered.
        hopeless: whether it will not do, although those who are asked say what leads now, before the rest is asked.
        patience: for ``"hedged"``.
        deadline: event-loop time at which whoever has not answered is cut off.
        tell: takes what happens.
    """

    pace: Pace
    fewest: int
    settled: Callable[[Sequence[Candidate[Any]], Sequence[Seat], Sequence[Seat]], bool]
    hopeless: Callable[[Sequence[Candidate[Any]], Sequence[Seat], Sequence[Seat]], bool]
    patience: Patience
    deadline: float | None = None
    tell: Callable[[Event], None]

    def at_once(self, seats: Sequence[Seat]) -> int:
        """How many are asked to begin with."""
        if self.pace == "parallel":
            return len(seats)
        wanted = max(_HEDGED, self.fewest) if self.pace == "hedged" else self.fewest
        count = candidates = 0
        while count < len(seats) and candidates < wanted:
            candidates += seats[count].n
            count += 1
        return count


async def ask_all(
    seats: Sequence[Seat], ask: Callable[[Seat], Coroutine[Any, Any, Answered]], plan: Plan
) -> list[Answered]:
    """Ask a panel until all have answered, the answers suffice, or time is up.

    Returns:
        In order of trust, whatever order they finished in; those that were never asked, or cancelled because the
        answers of others suffice, are left out.
    """
    panel = _Panel(seats, ask, plan)
    panel.start(plan.at_once(seats))
    try:
        while panel.asking:
            came = await panel.hear()
            if panel.late() or panel.settled():
                break
            failed = sum(not each.candidates for each in came)
            # Patience at its end, or nobody left to wait for: that is disagreement.
            panel.start(panel.lacking(failed or int(not came or not panel.asking)))
    finally:
        await panel.leave()
    return [panel.answered[seat] for seat in sorted(panel.answered)]


class _Panel:
    """Who was asked, who has answered, and who is still to be asked."""

    def __init__(self, seats: Sequence[Seat], ask: Callable[[Seat], Coroutine[Any, Any, Answered]], plan: Plan) -> None:
        self._ask, self._plan = ask, plan
        self._loop = asyncio.get_running_loop()
        self._todo = deque(seats)
        self._since: dict[Seat, float] = {}
        self.asking: dict[asyncio.Task[Answered], Seat] = {}
        self.answered: dict[Seat, Answered] = {}

    def start(self, count: int) -> None:
        """Ask the next so many; nobody any more once time is up."""
        if self._plan.deadline is not None and self._loop.time() >= self._plan.deadline:
            return
        for _ in range(min(count, len(self._todo))):
            seat = self._todo.popleft()
            self._plan.tell(Event(kind="asked", processor=seat.name))
            self._since[seat] = self._loop.time()
            self.asking[self._loop.create_task(self._ask(seat))] = seat

    async def hear(self) -> list[Answered]:
        """Wait until somebody has answered; nobody has where patience or time is at its end."""
        until = [] if self._plan.deadline is None else [self._plan.deadline + _GRACE]
        if self._plan.pace == "hedged" and self._todo:
            until.append(max(map(self._since.__getitem__, self.asking.values())) + self._plan.patience.seconds)
        left = max(0.0, min(until) - self._loop.time()) if until else None
        done, _ = await asyncio.wait(self.asking, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        in_order = sorted(done, key=self.asking.__getitem__)
        return [self._take(self.asking.pop(task), task.result()) for task in in_order]

    def _take(self, seat: Seat, answered: Answered) -> Answered:
        self.answered[seat] = answered
        for candidate in answered.candidates:
            self._plan.tell(Event(kind="answered", processor=seat.name, candidate=candidate))
        for error in answered.errors:
            self._plan.tell(Event(kind="failed", processor=seat.name, error=error))
        if answered.candidates:
            self._plan.patience.saw(self._loop.time() - self._since[seat])
        return answered

    @property
    def _there(self) -> list[Candidate[Any]]:
        return [candidate for seat in sorted(self.answered) for candidate in self.answered[seat].candidates]

    def lacking(self, least: int) -> int:
        """How many more it takes for certain: to wait for others before they are asked would save no request."""
        there, asked, unasked = self._there, [*self.asking.values()], [*self._todo]
        if there:
            while least < len(unasked) and self._plan.hopeless(there, [*asked, *unasked[:least]], unasked[least:]):
                least += 1
        return least

    def settled(self) -> bool:
        """Whether the answers suffice although there are more to be had."""
        there = self._there
        if not there or not (self.asking or self._todo):
            return False
        if not self._plan.settled(there, [*self.asking.values()], [*self._todo]):
            return False
        self._plan.tell(Event(kind="settled"))
        return True

    def late(self) -> bool:
        """Whether time is up for those who have not answered."""
        return self._plan.deadline is not None and self._loop.time() >= self._plan.deadline + _GRACE

    async def leave(self) -> None:
        """Cancel who has not answered, and wait until everything of theirs is closed."""
        for task, seat in self.asking.items():
            task.cancel()
            self._plan.tell(Event(kind="cancelled", processor=seat.name))
        await asyncio.gather(*self.asking, return_exceptions=True)
        if self.late():
            for seat in self.asking.values():
                self.answered[seat] = Answered(errors=(ProcessorTimeout.by_deadline(seat.name),))
