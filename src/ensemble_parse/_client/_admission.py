"""What a request must pass before it goes out, and what is told when it is over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from ensemble_parse._budget import Spending
from ensemble_parse._errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ensemble_parse._budget import Reservation
    from ensemble_parse._client._protocol import ModelCall
    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._limits import Turn

_LIMITED = 429


class Admission:
    """One request's way out: its place among the processor's requests, its turn under the vendor's rate, its money.

    In that order: what waits has nothing set aside, and whose turn it is goes at once. What no budget holds does not
    wait at all. What is neither ``answered`` nor ``refused`` nor ``unsent`` when
    the block ends was cut off, and is charged what it may have cost by then.

    Attributes:
        worst: what the request may cost at worst; asked for only where there is a budget.
        expected: the tokens that it is expected to use; asked for only where tokens are limited.
        cut_off: what it may have cost when it is cut off.
    """

    def __init__(
        self,
        call: ModelCall[Any],
        *,
        worst: Callable[[], Spending],
        expected: Callable[[], int],
        cut_off: Callable[[], Spending],
    ) -> None:
        """Keep whom to ask."""
        self._call = call
        self._worst, self._expected, self._cut_off = worst, expected, cut_off
        self._inside = contextlib.AsyncExitStack()
        self._reserved: list[Reservation] = []
        self._turn: Turn | None = None

    async def __aenter__(self) -> Self:
        """Wait for all that must be waited for, and set the worst case aside.

        Raises:
            BudgetExceeded: a budget does not hold it; nothing goes out.
        """
        call = self._call
        try:
            if call.budgets and (call.gate or call.rate_limit):
                self._set_aside()
                self.unsent()
            if call.gate:
                await self._inside.enter_async_context(call.gate())
            if call.rate_limit:
                limited = call.rate_limit.tokens is not None
                self._turn = await call.rate_limit.acquire(self._expected() if limited else 0)
            self._set_aside()
        except BaseException:
            self.unsent()
            await self._inside.aclose()
            raise
        return self

    def _set_aside(self) -> None:
        worst = self._worst() if self._call.budgets else Spending()
        for budget in self._call.budgets:
            self._reserved.append(budget.reserve(worst, processor=self._call.processor))

    def answered(self, spent: Spending) -> None:
        """Tell what an answered request cost."""
        if self._turn and self._call.rate_limit:
            self._call.rate_limit.settle(self._turn, spent.tokens)
        self._settle(spent)

    def refused(self, error: ProcessorError) -> None:
        """The vendor answered with an error: it counts as a call, and costs nothing."""
        if self._turn and self._call.rate_limit and isinstance(error, ProviderError) and error.status_code == _LIMITED:
            self._call.rate_limit.slow_down(self._turn, error.retry_after)
        self._settle(Spending(calls=1))

    def unsent(self) -> None:
        """Nothing went out."""
        for each in self._reserved:
            each.release()
        self._reserved.clear()

    def _settle(self, spent: Spending) -> None:
        for each in self._reserved:
            each.settle(spent)
        self._reserved.clear()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one in."""
        del kind, error, trace
        if self._reserved:
            self._settle(self._cut_off())
        await self._inside.aclose()
