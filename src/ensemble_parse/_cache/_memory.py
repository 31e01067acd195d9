"""Entries in memory, the least recently used of which go first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept, and for how long; ``None`` is no limit.

    Attributes:
        entries: how many.
        size: bytes of their texts and keys.
        age: seconds since an entry was written.
    """

    entries: int | None
    size: int | None
    age: float | None

    def exceeded(self, entries: int, size: int) -> bool:
        """Whether this is too much."""
        return (self.entries is not None and entries > self.entries) or (self.size is not None and size > self.size)

    def outlived(self, created: float) -> bool:
        """Whether an entry of that Unix time is too old, or of a clock that was as far ahead."""
        return self.age is not None and abs(time.time() - created) >= self.age


class Entry(NamedTuple):
    """A text, and when it was written."""

    text: str
    created: float

    @classmethod
    def now(cls, text: str) -> Entry:
        """Write a text now."""
        return cls(text, time.time())

    def size(self, key: bytes) -> int:
        """In bytes."""
        return len(key) + len(self.text.encode())


class Memory:
    """A store in this process; any thread may use it."""

    lost = 0

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self._limits = limits
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._size = 0

    def get(self, key: bytes) -> str | None:
        """Read an entry's text."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._limits.outlived(entry.created):
                self._drop(key)
                return None
            self._entries.move_to_end(key)
            return entry.text

    def put(self, key: bytes, text: str) -> None:
        """Keep a text, and drop what is too much."""
        entry = Entry.now(text)
        if self._limits.exceeded(1, entry.size(key)):
            return  # it would drop all others, and then itself
        with self._lock:
            if key in self._entries:
                self._drop(key)
            self._entries[key] = entry
            self._size += entry.size(key)
            while self._limits.exceeded(len(self._entries), self._size):
                self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        self._size -= self._entries.pop(key).size(key)

    def count(self) -> int:
        """How many entries there are."""
        return len(self._entries)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._entries.clear()
            self._size = 0

    def close(self) -> None:
        """Drop all; there is nothing else to close."""
        self.clear()
