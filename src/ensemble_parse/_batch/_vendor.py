"""One processor's batches at its vendor: handed in once, looked for, looked at."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._client._protocol import Job
from ensemble_parse._errors import ProviderError
from ensemble_parse._retry import with_retries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ensemble_parse._batch._outbox import Handed
    from ensemble_parse._client._protocol import Batches, ModelCall, RowAnswer

_log = logging.getLogger("ensemble_parse")

GONE: Final = Job(over=True, status="gone")
_UNKNOWN: Final = Job(over=False, status="unknown")
NOWHERE: Final = frozenset({404, 405, 501})
"""What a server says that has models and no batches."""


@dataclass(slots=True, kw_only=True)
class Vendor:
    """One processor's batches.

    Attributes:
        batches: how they are reached.
        call: any call to the processor, for its key and address.
        lines: rows that are to be handed in, by name, as they stand in a file.
    """

    batches: Batches
    call: ModelCall[Any]
    lines: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def parts(self) -> Iterator[list[str]]:
        """Divide the rows into files that the vendor takes."""
        part: list[str] = []
        size = 0
        for name, line in self.lines.items():
            if part and (len(part) == self.batches.most_rows or size + len(line) > self.batches.most_bytes):
                yield part
                part, size = [], 0
            part.append(name)
            size += len(line)
        if part:
            yield part

    async def submit(self, part: list[str], *, window: str, tag: str) -> str:
        """Hand in a part of the rows, and return the batch's id."""
        lines = b"".join(self.lines[row] for row in part)
        failed = False

        async def attempt() -> str:
            nonlocal failed
            # What failed may have arrived all the same.
            found = await self.batches.find(self.call, tag) if failed else None
            failed = True
            return found or await self.batches.submit(self.call, lines, window=window, tag=tag)

        return await with_retries(self.call.policy, attempt)

    async def find(self, tag: str) -> str | None:
        """The id of the batch with this tag, if there is one."""
        try:
            return await self.batches.find(self.call, tag)
        except ProviderError as error:
            if error.status_code in NOWHERE:
                return None
            raise

    async def look(self, handed: Handed) -> tuple[Job, Mapping[str, RowAnswer]]:
        """Ask how far a batch is, and fetch what it answered if it is over."""
        came: Mapping[str, RowAnswer] = {}
        try:
            job = await self.batches.look(self.call, str(handed.id))
            _log.info("%s: batch %s is %s", handed.processor, handed.id, job.status)
            if job.over:
                came = await self.batches.answers(self.call, job)
        except ProviderError as error:
            if error.status_code in NOWHERE:
                return GONE, {}
            if not error.retryable:
                raise
            return _UNKNOWN, {}  # a day is long enough for a vendor to be out of order for a while
        return job, came
