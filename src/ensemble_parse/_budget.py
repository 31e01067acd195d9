"""What may be spent: the worst case is set aside before a request goes out, and corrected when it is known."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self, TypeAlias, get_args

from ensemble_parse._errors import BudgetExceeded, ConfigurationError
from ensemble_parse._retry import is_positive, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

UnknownPrice: TypeAlias = Literal["refuse", "allow"]

_DECIMALS: Final = 9  # of a dollar; so rounded, sums are exact: 0.1 + 0.2 is 0.3, and what is given back leaves nothing


@dataclass(frozen=True, slots=True, init=False)
class Spending:
    """What requests cost, or may cost at worst.

    Attributes:
        usd: US dollars, as far as prices are known, to nine decimals; ``None`` may be given where the price is unknown.
        tokens: of prompts and answers together.
        calls: requests.
        unpriced: how many of these requests have no known price.

    Raises:
        ConfigurationError: a number is negative, not finite, or not whole where it must be.

    Examples:
        >>> Spending(usd=0.1, tokens=900, calls=1) + Spending(usd=None, tokens=100, calls=1)
        Spending(usd=0.1, tokens=1000, calls=2, unpriced=1)
    """

    usd: float
    tokens: int
    calls: int
    unpriced: int

    def __init__(self, *, usd: float | None = 0.0, tokens: int = 0, calls: int = 0, unpriced: int = 0) -> None:
        """Check and keep the numbers."""
        if usd is None:
            usd, unpriced = 0.0, max(1, calls, unpriced)
        wanted = {
            "usd": (usd == 0 or is_positive(usd), usd, "dollars, 0 or more, or None"),
            "tokens": (is_whole(tokens, least=0), tokens, "a whole number, 0 or more"),
            "calls": (is_whole(calls, least=0), calls, "a whole number, 0 or more"),
            "unpriced": (is_whole(unpriced, least=0), unpriced, "a whole number, 0 or more"),
        }
        for name, (holds, value, what) in wanted.items():
            if not holds:
                message = f"Spending({name}={value!r}): give {what}"
                raise ConfigurationError(message)
            object.__setattr__(self, name, round(float(value), _DECIMALS) if name == "usd" else value)

    def __add__(self, other: Spending) -> Spending:
        """Sum the two."""
        return Spending(
            usd=self.usd + other.usd,
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
            unpriced=self.unpriced + other.unpriced,
        )

    def __sub__(self, other: Spending) -> Spending:
        """Take away a part."""
        return Spending(
            usd=round(self.usd - other.usd, _DECIMALS),
            tokens=self.tokens - other.tokens,
            calls=self.calls - other.calls,
            unpriced=self.unpriced - other.unpriced,
        )


class Reservation:
    """What one request may cost at worst, set aside until its real cost is known.

    Ends once, by ``settle`` or ``release``, whichever comes first; what is called after that does nothing. As a
    context manager it ends with its block: what has not ended there, because of an error or a cancellation, is settled
    at the worst case.

    Attributes:
        worst: what was set aside.
    """

    __slots__ = ("_end", "worst")

    def __init__(self, worst: Spending, end: Callable[[Reservation, Spending], None]) -> None:
        """Keep what was set aside, and how to end it."""
        self.worst = worst
        self._end = end

    def settle(self, actual: Spending | None = None) -> None:
        """Charge what the request cost.

        Args:
            actual: what the vendor reported; ``None`` is the worst case, for a request that was sent and then cut off,
                or that failed, so that nobody knows what it cost. Where only the price is unknown, the worst price is
                charged. More than the worst case is charged as it is: it has been spent.
        """
        if actual is None:
            actual = self.worst
        elif actual.unpriced:
            actual = replace(actual, usd=max(actual.usd, self.worst.usd))
        self._end(self, actual)

    def release(self) -> None:
        """Give all of it back: nothing was sent."""
        self._end(self, Spending())

    def __enter__(self) -> Self:
        """Hold it while a request is under way."""
        return self

    def __exit__(self, *_: object) -> None:
        """Settle at the worst case what has not ended."""
        self.settle()


class Budget:
    """What may be spent, by one call or shared by any number of calls, ensembles, threads and event loops.

    The worst case of a request is set aside before it goes out; if that would pass a limit, it does not go out. So no
    limit is ever passed, as long as no request costs more than its worst case. Failed requests and re-asks count.

    Attributes:
        usd: US dollars, or ``None`` for no limit.
        tokens: tokens of prompts and answers together, or ``None`` for no limit.
        calls: requests, or ``None`` for no limit.
        unknown_price: what becomes of a request whose price is unknown where ``usd`` is limited: ``"refuse"``, or
            ``"allow"``, which counts it as 0 dollars and notes it in ``spent.unpriced``.

    Raises:
        ConfigurationError: there is no limit, or one that cannot be.

    Examples:
        >>> budget = Budget(usd=1.0, calls=100)
        >>> with budget.reserve(Spending(usd=0.25, tokens=900, calls=1)) as reservation:
        ...     print(budget.left)
        ...     reservation.settle(Spending(usd=0.1, tokens=400, calls=1))
        {'usd': 0.75, 'calls': 99}
        >>> budget
        Budget(usd=0.1 of 1.0, calls=1 of 100)
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        tokens: int | None = None,
        calls: int | None = None,
        unknown_price: UnknownPrice = "refuse",
    ) -> None:
        """Check and keep the limits."""
        given = {"usd": usd, "tokens": tokens, "calls": calls}
        wanted = {
            "usd": (usd is None or is_positive(usd), "dollars, more than 0"),
            "tokens": (tokens is None or is_whole(tokens, least=1), "a whole number, 1 or more"),
            "calls": (calls is None or is_whole(calls, least=1), "a whole number, 1 or more"),
        }
        for name, (holds, what) in wanted.items():
            if not holds:
                message = f"Budget({name}={given[name]!r}): give {what}, or None for no limit"
                raise ConfigurationError(message)
        if unknown_price not in get_args(UnknownPrice):
            message = f"Budget(unknown_price={unknown_price!r}): give 'refuse' or 'allow'"
            raise ConfigurationError(message)
        self._limits: Final = {name: limit for name, limit in given.items() if limit is not None}
        if not self._limits:
            message = "Budget(): give at least one limit: usd=, tokens= or calls="
            raise ConfigurationError(message)
        self.usd: Final = usd
        self.tokens: Final = tokens
        self.calls: Final = calls
        self.unknown_price: Final = unknown_price
        self._lock: Final = threading.Lock()
        self._open: Final = set[Reservation]()
        self._spent = Spending()
        self._reserved = Spending()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied: two of them would spend twice as much."""
        message = (
            "a Budget cannot be pickled: it holds over one process. Give the other process a function that builds the "
            "ensemble, with a budget for that process alone"
        )
        raise ConfigurationError(message)

    @property
    def spent(self) -> Spending:
        """What the requests that have ended cost."""
        return self._spent

    @property
    def reserved(self) -> Spending:
        """What the requests that are under way may cost at worst."""
        return self._reserved

    @property
    def left(self) -> dict[str, float]:
        """What is neither spent nor reserved, for each limit there is."""
        with self._lock:
            taken = self._spent + self._reserved
        return {name: max(0, round(limit - getattr(taken, name), _DECIMALS)) for name, limit in self._limits.items()}

    def reserve(self, worst: Spending, *, processor: str = "") -> Reservation:
        """Set aside what a request may cost at worst.

        Args:
            worst: its tokens with the longest answer, and their price; ``Spending(usd=None, ...)`` if that is unknown.
            processor: whose request it is, for the error.

        Raises:
            BudgetExceeded: a limit would be passed, or the price is unknown; nothing is set aside, nothing was sent.
        """
        with self._lock:
            problem = self._problem(worst)
            if problem:
                message = f"{processor}: {problem}" if processor else problem
                raise BudgetExceeded(message, processor=processor, spent=self._spent, needed=worst)
            self._reserved += worst
            reservation = Reservation(worst, self._end)
            self._open.add(reservation)
        return reservation

    def _problem(self, worst: Spending) -> str | None:
        if worst.unpriced and self.usd is not None and self.unknown_price == "refuse":
            return (
                f"its price is unknown, so that it cannot be kept within Budget(usd={self.usd}); "
                "give the processor input_cost_per_token= and output_cost_per_token=, limit tokens or calls instead, "
                "or count it as 0 with unknown_price='allow'"
            )
        after = self._spent + self._reserved + worst
        for name, limit in self._limits.items():
            spent, reserved, needed = (getattr(each, name) for each in (self._spent, self._reserved, worst))
            # A request that costs nothing of it, such as a local model's, passes no limit that others have passed.
            if needed and getattr(after, name) > limit:
                less = "" if name == "calls" else ", or set a smaller max_tokens"
                return (
                    f"Budget({name}={limit}) would be passed: {spent} spent, {reserved} reserved for requests under "
                    f"way, and this request needs {needed} at worst; raise the limit{less}"
                )
        return None

    def _end(self, reservation: Reservation, actual: Spending) -> None:
        with self._lock:
            if reservation in self._open:
                self._open.remove(reservation)
                self._reserved -= reservation.worst
                self._spent += actual

    def __repr__(self) -> str:
        """Show what is spent of each limit."""
        spent = self._spent
        limits = (f"{name}={getattr(spent, name)} of {limit}" for name, limit in self._limits.items())
        return f"Budget({', '.join(limits)})"
