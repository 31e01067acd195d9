"""How far a run over many inputs is: for a callback, for a terminal, and as lines where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import DegradedResult
from ensemble_parse._models import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from rich.table import Table

    from ensemble_parse._batch._items import Item
    from ensemble_parse._models import Attempt

_FRAMES: Final = 4  # pictures of the bar in a second
_FAST: Final = 10  # items a second whose fractions nobody wants to know
_PAUSE: Final = 10.0  # seconds between lines
_LONGEST, _SHORTEST = 24, 8  # characters of the bar
_LEAST: Final = ("tokens", "rate", "from the journal", "cost", "undecided", "left")  # missed least first


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is; tokens, dollars and rate are of this run alone, without what was resumed.

    Attributes:
        total: how many inputs there are, or ``None`` where that is not known.
        done: items with a result, those from the journal included.
        failed: items with an error.
        undecided: of those done, how many have an undecided path.
        resumed: of those done, how many came from the journal.
        usage: tokens and requests.
        cost: US dollars, as far as prices are known.
        priced: whether every price is known.
        seconds: since the start.
    """

    total: int | None
    done: int
    failed: int
    undecided: int
    resumed: int
    usage: Usage
    cost: float
    priced: bool
    seconds: float

    @property
    def rate(self) -> float:
        """Items a second that were asked about."""
        return (self.done + self.failed - self.resumed) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the end, at this rate; ``None`` where it cannot be told."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done - self.failed) / self.rate

    def __str__(self) -> str:
        """Say it in one line."""
        return ", ".join(self._told().values())

    def within(self, width: int) -> str:
        """Say it in a line of so many characters, if need be without what is missed least."""
        told = self._told()
        for name in _LEAST:
            if len(", ".join(told.values())) > width:
                told.pop(name, None)
        return ", ".join(told.values())

    def _told(self) -> dict[str, str]:
        told = {"done": f"{self.done:,}{'' if self.total is None else f' of {self.total:,}'} done"}
        rare = {"from the journal": self.resumed, "failed": self.failed, "undecided": self.undecided}
        told |= {word: f"{count:,} {word}" for word, count in rare.items() if count}
        told["tokens"] = f"{self.usage.total_tokens:,} tokens"
        told["cost"] = f"{'' if self.priced else 'at least '}${self.cost:.4f}"
        told["rate"] = f"{_clock(self.seconds)} so far"
        if self.rate:
            told["rate"] = f"{self.rate:,.{0 if self.rate >= _FAST else 2}f} a second"
        if self.seconds_left is not None:
            told["left"] = f"{_clock(self.seconds_left)} left" if self.seconds_left else f"in {_clock(self.seconds)}"
        return told


class Tally:
    """Counts items as they end."""

    def __init__(self, total: int | None) -> None:
        """Begin now, at nothing."""
        self._total = total
        self.clock = asyncio.get_running_loop().time  # also for a thread that draws
        self._started = self.clock()
        self._done = self._failed = self._undecided = self._resumed = 0
        self._tokens = [0, 0, 0, 0, 0]
        self._cost = 0.0
        self._priced = True

    def count(self, item: Item[Any]) -> None:
        """Count an item."""
        if item.result is None:
            self._failed += 1
            self._spend(_attempts(item.error))
            return
        self._done += 1
        self._undecided += any(reason.kind == "undecided" for reason in item.result.reasons)
        if item.resumed:
            self._resumed += 1
        else:
            self._spend(item.result.attempts)

    def _spend(self, attempts: Sequence[Attempt]) -> None:
        tokens = self._tokens
        for attempt in attempts:
            usage = attempt.usage
            tokens[0] += usage.input_tokens
            tokens[1] += usage.output_tokens
            tokens[2] += usage.cached_tokens
            tokens[3] += usage.reasoning_tokens
            tokens[4] += usage.requests
            if attempt.cost is None:
                self._priced = False
            else:
                self._cost += attempt.cost

    def snapshot(self) -> Progress:
        """Say how far it is."""
        read, written, cached, reasoning, requests = self._tokens
        return Progress(
            total=self._total,
            done=self._done,
            failed=self._failed,
            undecided=self._undecided,
            resumed=self._resumed,
            usage=Usage(
                input_tokens=read,
                output_tokens=written,
                cached_tokens=cached,
                reasoning_tokens=reasoning,
                requests=requests,
            ),
            cost=self._cost,
            priced=self._priced,
            seconds=self.clock() - self._started,
        )


@contextlib.contextmanager
def watched(
    progress: bool | Callable[[Progress], object] | None,  # noqa: FBT001 - what ``map`` was given
    total: int | None,
) -> Generator[Callable[[Item[Any]], None] | None]:
    """Show how far a run is, as long as this is open; yields what is told of every item, if anybody wants to know."""
    if not progress:
        yield None
        return
    tally = Tally(total)
    if callable(progress):
        tell = progress

        def told(item: Item[Any]) -> None:
            tally.count(item)
            tell(tally.snapshot())

        yield told
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal or not (console.is_terminal or console.is_jupyter):
        with _lines(tally) as counted:
            yield counted
        return
    from rich.live import Live

    # What the program prints goes above the bar where both go to the same terminal, and nowhere else where not.
    with Live(
        get_renderable=lambda: _bar(tally.snapshot(), console.width),
        console=console,
        refresh_per_second=_FRAMES,
        redirect_stdout=sys.stdout.isatty(),
    ):
        yield tally.count


@contextlib.contextmanager
def _lines(tally: Tally) -> Generator[Callable[[Item[Any]], None]]:
    due = tally.clock() + _PAUSE
    said = False

    def counted(item: Item[Any]) -> None:
        nonlocal due, said
        tally.count(item)
        said = tally.clock() >= due
        if said:
            due = tally.clock() + _PAUSE
            _say(tally.snapshot())

    try:
        yield counted
    finally:
        if not said:
            _say(tally.snapshot())


def _say(now: Progress) -> None:
    # A run goes on where nobody reads this: there may be no standard error, as in a service, or a pipe that was closed.
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"{now}\n")
        sys.stderr.flush()


def _bar(now: Progress, width: int) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    text = now.within(width - _SHORTEST - 1)
    long = max(_SHORTEST, min(_LONGEST, width - len(text) - 1))
    bar = ProgressBar(total=now.total or None, completed=now.done + now.failed, width=long, pulse=now.total is None)
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(bar, text)
    return row


def _attempts(error: object) -> Sequence[Attempt]:
    if isinstance(error, DegradedResult):
        return error.result.attempts
    return getattr(error, "attempts", ())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
