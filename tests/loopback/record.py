"""What the server remembers of each request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .ask import Body, Vendor

Outcome: TypeAlias = Literal["answered", "failed", "cancelled", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request as it came in, and what became of it.

    ``model`` is ``""`` for requests that ask no model. ``outcome`` is ``"answered"`` when the
    reply went out whole with status 200, ``"failed"`` for an error status or a cut connection,
    ``"cancelled"`` when the client went away first. Times are ``time.monotonic()``.
    """

    number: int
    vendor: Vendor
    path: str
    model: str
    headers: Mapping[str, str]
    body: Body
    at: float
    connection: int
    status: int | None = None
    outcome: Outcome = "open"
    finished_at: float | None = None


class Journal:
    """The requests and connections so far; written by the server, read by any thread."""

    def __init__(self, keep: int | None) -> None:
        """Start empty, to remember the last ``keep`` requests; the counts cover all."""
        self._changed = threading.Condition()
        self._keep = keep
        self._requests: dict[int, Recorded] = {}
        self._asked: Counter[str] = Counter()
        self._cancelled: Counter[str] = Counter()
        self._number = 0
        self._cleared_at = 0
        self._in_flight = 0
        self._accepted = 0
        self._open_connections = 0

    def opened(
        self,
        *,
        vendor: Vendor,
        path: str,
        model: str,
        headers: Mapping[str, str],
        body: Body,
        connection: int,
    ) -> Recorded:
        """Enter a request."""
        with self._changed:
            self._number += 1
            recorded = Recorded(
                number=self._number,
                vendor=vendor,
                path=path,
                model=model,
                headers=headers,
                body=body,
                at=time.monotonic(),
                connection=connection,
            )
            self._requests[recorded.number] = recorded
            if self._keep is not None and len(self._requests) > self._keep:
                del self._requests[next(iter(self._requests))]
            self._in_flight += 1
            if model:
                self._asked[model] += 1
        return recorded

    def finished(self, recorded: Recorded, outcome: Outcome, status: int | None = None) -> None:
        """Enter what became of a request."""
        done = replace(recorded, outcome=outcome, status=status, finished_at=time.monotonic())
        with self._changed:
            self._in_flight -= 1
            if recorded.number in self._requests:
                self._requests[recorded.number] = done
            # A request that was open across a reset is not part of the new record.
            if outcome == "cancelled" and recorded.model and recorded.number > self._cleared_at:
                self._cancelled[recorded.model] += 1
            self._changed.notify_all()

    def connected(self) -> int:
        """Enter a connection and number it."""
        with self._changed:
            self._accepted += 1
            self._open_connections += 1
            return self._accepted

    def disconnected(self) -> None:
        """Enter the end of a connection."""
        with self._changed:
            self._open_connections -= 1
            self._changed.notify_all()

    def requests(self) -> list[Recorded]:
        """List the requests in the order they came."""
        with self._changed:
            return list(self._requests.values())

    def asked(self, model: str | None) -> int:
        """Count the requests that asked ``model``, or any model."""
        return self._count(self._asked, model)

    def cancelled(self, model: str | None) -> int:
        """Count those of them that the client gave up."""
        return self._count(self._cancelled, model)

    def _count(self, counts: Counter[str], model: str | None) -> int:
        with self._changed:
            return counts.total() if model is None else counts[model]

    def counts(self) -> dict[str, int]:
        """Sum up, for whoever runs the server as a process."""
        return {
            "requests": self.asked(None),
            "cancelled": self.cancelled(None),
            "in_flight": self._in_flight,
            "connections": self._accepted,
            "open_connections": self._open_connections,
        }

    @property
    def accepted(self) -> int:
        """Connections accepted since the last reset."""
        return self._accepted

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return self._open_connections

    def clear(self) -> None:
        """Forget the requests and count connections from nought; open ones stay open."""
        with self._changed:
            self._requests = {}
            self._asked.clear()
            self._cancelled.clear()
            self._cleared_at = self._number
            self._accepted = 0

    def idle(self, *, connections: bool) -> bool:
        """Say whether no request, and on demand no connection, is open."""
        return not (self._in_flight or (connections and self._open_connections))

    def wait_idle(self, timeout: float, *, connections: bool) -> None:
        """Wait until ``idle`` holds, or raise ``TimeoutError``."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.idle(connections=connections), timeout):
                message = f"still {self._in_flight} requests in flight, {self._open_connections} connections open"
                raise TimeoutError(message)
