"""What can go wrong on the way: frozen values, scripted like any other reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .ask import Trouble
    from .record import Recorded


@dataclass(frozen=True, slots=True)
class Status(Reply):
    """An error status with the body the vendor sends with it, or with ``body``."""

    code: int
    retry_after: float | str | None = None
    body: Mapping[str, object] | str | None = None
    trouble: Trouble = "status"


def context_window() -> Status:
    """Refuse the request for its length."""
    return Status(400, trouble="context_window")


def content_policy() -> Status:
    """Refuse the request for what it says."""
    return Status(400, trouble="content_policy")


@dataclass(frozen=True, slots=True)
class Garbage(Reply):
    """Status 200 with a body that is no JSON, although its content type says so."""

    body: str = "<html><body>upstream says hello</body></html>"


@dataclass(frozen=True, slots=True)
class Reset(Reply):
    """Read the request, then reset the connection."""


@dataclass(frozen=True, slots=True)
class ResetMidBody(Reply):
    """Send the headers and half of the body, then reset the connection."""


@dataclass(frozen=True, slots=True)
class Hang(Reply):
    """Never send anything."""


@dataclass(frozen=True, slots=True)
class HangBody(Reply):
    """Send the headers and then nothing."""


@dataclass(frozen=True, slots=True)
class Trickle(Reply):
    """Send the answer one byte per ``interval`` seconds."""

    data: object | Callable[[Recorded], object] = None
    interval: float = 0.5
