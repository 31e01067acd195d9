"""What was handed in to vendors, as the journal has it: so that nothing is handed in, and paid for, twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ensemble_parse._batch._items import Document, Id
    from ensemble_parse._client._protocol import ModelCall


@dataclass(slots=True, kw_only=True)
class Handed:
    """One batch.

    Attributes:
        tag: what it is marked with at the vendor's.
        processor: whose model answers it.
        id: the vendor's name for it, or ``None`` where its arrival was never confirmed.
    """

    tag: str
    processor: str
    id: str | None = None


class Outbox:
    """Which row is in which batch."""

    def __init__(self) -> None:
        """Begin with nothing handed in."""
        self._batches: dict[str, Handed] = {}
        self._rows: dict[str, dict[str, str]] = {}  # item -> row -> tag

    def read(self, line: Mapping[str, Any]) -> bool:
        """Take note of a line of the journal; say whether it is about a batch."""
        if "batch" not in line:
            # What is over needs no answer any more; what failed is handed in again.
            self._rows.pop(_mark(line["id"]), None)
            return False
        tag = line["batch"]
        if "rows" in line:
            self._batches[tag] = Handed(tag=tag, processor=line["processor"])
            for row in line["rows"]:
                self._rows.setdefault(row.partition(".")[0], {})[row] = tag
        elif tag in self._batches:  # else somebody has taken out the line of its rows
            self._batches[tag].id = line["name"]
        return True

    def find(self, row: str) -> Handed | None:
        """The batch that a row is in."""
        tag = self._rows.get(row.partition(".")[0], {}).get(row)
        return None if tag is None else self._batches[tag]


def sending(tag: str, processor: str, rows: Sequence[str]) -> dict[str, Any]:
    """The line that stands in the journal before a batch is handed in."""
    return {"batch": tag, "processor": processor, "rows": [*rows]}


def sent(tag: str, name: str) -> dict[str, Any]:
    """The line that follows when the vendor has given it a name."""
    return {"batch": tag, "name": name}


def row_id(document: Document, call: ModelCall[Any]) -> str:
    """A name for a row that tells it from every other: by item, processor, conversation and sample.

    Not the item's id itself: vendors bound the length, and the same id may come again with another input.
    """
    asked = hashlib.sha256(json_bytes([call.processor, call.n, call.messages])).hexdigest()[:24]
    return f"{_mark(document.id)}.{asked}#{call.sample}"


def _mark(id_: Id) -> str:
    return hashlib.sha256(json_bytes(id_)).hexdigest()[:16]
