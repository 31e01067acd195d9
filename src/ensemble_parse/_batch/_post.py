"""Vendors' batches: handed in, waited for, and read as if the models had just answered.

The ensemble is gone through twice, as it is. The first time its client writes requests down instead of sending them;
those rows are handed in. The second time, when the vendors have answered, its client takes each answer from there.
Whatever has no row, such as a judge's question, or no answer, is asked as always.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ensemble_parse._batch._items import Reader
from ensemble_parse._batch._outbox import row_id, sending, sent
from ensemble_parse._batch._vendor import GONE, NOWHERE, Vendor
from ensemble_parse._budget import Spending
from ensemble_parse._client._protocol import Client, Job, RowAnswer
from ensemble_parse._errors import BudgetExceeded, ConfigurationError, EnsembleError, ProviderError
from ensemble_parse._processor import restless
from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Mapping

    from ensemble_parse._batch._items import Document, Input
    from ensemble_parse._batch._journal import Journal
    from ensemble_parse._batch._outbox import Handed
    from ensemble_parse._budget import Reservation
    from ensemble_parse._client._protocol import Fit, ModelCall, Reply
    from ensemble_parse._ensemble import Ensemble
    from ensemble_parse._format import ResponseFormat
    from ensemble_parse._models import Attempt, T, Usage

_log = logging.getLogger("ensemble_parse")


class Post:
    """Hands in what a run asks, and gives out what came back."""

    def __init__(
        self, ensemble: Ensemble, format_: ResponseFormat[Any], options: Mapping[str, Any], **settings: Any
    ) -> None:
        """Keep what is asked.

        Args:
            ensemble: who is asked.
            format_: what the answers must be.
            options: of the calls.
            settings: ``poll``, ``window`` and ``live``, as for ``Ensemble.batch``.
        """
        self._ensemble = ensemble
        self._format = format_
        self._options = options
        self._poll: float = settings["poll"]
        self._window: str = settings["window"]
        self.live: bool = settings["live"]
        self.client: Client = ensemble.client
        self._vendors: dict[str, Vendor | None] = {}
        self._handed: dict[str, Handed] = {}  # by row
        self._lost: set[str] = set()  # tags of those that never arrived
        self._over: dict[str, Job] = {}  # by tag
        self._answers: dict[str, RowAnswer] = {}
        self._reserved: dict[str, list[Reservation]] = {}

    async def collect(self, inputs: AsyncIterable[Input], journal: Journal) -> list[Input]:
        """Hand in what is not handed in yet, wait until all of it is over, and give back the inputs.

        Raises:
            ConfigurationError: no processor's vendor has batches; nothing was sent.
            ProviderError: a vendor will not take a batch, or the key is not good any more.
        """
        given = [each async for each in inputs]
        reader = Reader()
        documents = [reader.read(each) for each in given]
        wanted = [
            each
            for each in documents
            if not (each.problem or each.nameless or journal.find(each.id, each.digest()) is not None)
        ]
        for document in wanted:
            await self._write(document, journal)
        vendors = {name: vendor for name, vendor in self._vendors.items() if vendor}
        if wanted and not vendors:
            who = ", ".join(self._vendors)
            message = (
                f"batch: none of {who} can be asked in a batch: use map, which asks now, or add a model of OpenAI's"
            )
            raise ConfigurationError(message)
        for name, vendor in vendors.items():
            await self._hand_in(name, vendor, journal)
        await self._wait({handed.tag: handed for handed in self._handed.values()})
        return given

    def answering(self, document: Document) -> Ensemble:
        """The ensemble, as far as this document is concerned: over what came back."""
        processors = [
            restless(each) if self._vendors.get(each.name or "") else each for each in self._ensemble.processors
        ]
        return self._ensemble.exhaustive(_Answered(self, document), processors)

    def close(self) -> None:
        """Give back what was set aside for answers that were not read."""
        for reservations in self._reserved.values():
            for each in reservations:
                each.release()
        self._reserved.clear()

    # -- the first time through ---------------------------------------------------------------------------------------

    async def _write(self, document: Document, journal: Journal) -> None:
        writing = _Asked(self, document, journal)
        twin = self._ensemble.exhaustive(writing, [restless(each) for each in self._ensemble.processors])
        twin.deadline = None
        with contextlib.suppress(EnsembleError):  # nobody answers, so that it ends with all having failed
            await twin.run(document.messages, self._format, **self._options)
        if writing.problem:
            raise writing.problem

    async def note(self, document: Document, journal: Journal, call: ModelCall[Any]) -> None:
        """Write a request down, if it is not in a batch already."""
        if call.processor not in self._vendors:
            batches = await self.client.batches(call)
            # Another sample of the same processor may have been faster.
            self._vendors.setdefault(call.processor, Vendor(batches=batches, call=call) if batches else None)
        vendor = self._vendors[call.processor]
        if vendor is None:
            return
        name = row_id(document, call)
        handed = journal.outbox.find(name)
        if handed and await self._arrived(handed, vendor, journal):
            self._handed[name] = handed
            return
        row = await vendor.batches.row(call)
        if row is None:
            self._vendors[call.processor] = None
            return
        reserved = self._reserved.setdefault(name, [])
        try:
            for budget in call.budgets:
                reserved.append(budget.reserve(row.worst, processor=call.processor))
        except BudgetExceeded:
            for each in self._reserved.pop(name):
                each.release()
            raise
        line = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": row.body}
        vendor.lines[name] = json_bytes(line) + b"\n"

    async def _arrived(self, handed: Handed, vendor: Vendor, journal: Journal) -> bool:
        """Whether a batch is with its vendor; one of which that is not known is looked for, once."""
        if handed.id is None and handed.tag not in self._lost:
            handed.id = await vendor.find(handed.tag)
            if handed.id is None:
                self._lost.add(handed.tag)
            else:
                journal.write(sent(handed.tag, handed.id), durable=True)
        return handed.id is not None

    async def _hand_in(self, name: str, vendor: Vendor, journal: Journal) -> None:
        for part in vendor.parts():
            tag = uuid.uuid4().hex
            line = sending(tag, name, part)
            # Before it goes out: a process that dies now will look for the tag instead of handing in again.
            journal.write(line, durable=True)
            journal.outbox.read(line)
            handed = journal.outbox.find(part[0])
            assert handed is not None  # noqa: S101 - it was read a moment ago
            try:
                handed.id = await vendor.submit(part, window=self._window, tag=tag)
            except ProviderError as error:
                if not (self.live and error.status_code in NOWHERE):
                    raise
                _log.warning("%s: its server has no batches; it is asked live", name)
                self._vendors[name] = None
                for row in vendor.lines:
                    for each in self._reserved.pop(row, ()):
                        each.release()
                return
            journal.write(sent(tag, handed.id), durable=True)
            self._handed.update(dict.fromkeys(part, handed))
            _log.info("%s: %d requests handed in as batch %s", name, len(part), handed.id)
        vendor.lines.clear()

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def _wait(self, waiting: dict[str, Handed]) -> None:
        while waiting:
            for handed in [*waiting.values()]:
                vendor = self._vendors[handed.processor]
                job, came = await vendor.look(handed) if vendor and handed.id else (GONE, dict[str, RowAnswer]())
                self._answers.update({name: answer for name, answer in came.items() if name in self._handed})
                if job.over:
                    self._over[waiting.pop(handed.tag).tag] = job
            if waiting:
                await asyncio.sleep(self._poll)

    # -- the second time through --------------------------------------------------------------------------------------

    async def answer(self, document: Document, call: ModelCall[T]) -> Reply[T]:
        """Take a model's answer from its batch, or ask."""
        name = row_id(document, call)
        handed = self._handed.pop(name, None)
        vendor = self._vendors.get(call.processor)
        if handed is None or vendor is None:
            return await self.client.ask(call)
        came = self._answers.pop(name, None)
        if came is not None:
            counted = replace(call, record=self._counting(name, call))
            return await vendor.batches.read(counted, came, live=self.live)
        self._settle(name, call, Spending())
        if self.live:
            return await self.client.ask(call)
        job = self._over[handed.tag]
        why = f": {job.problem}" if job.problem else ""
        message = f"{call.processor}: batch {handed.id} is {job.status}, and has no answer to this{why}"
        raise ProviderError(message, processor=call.processor)

    def _counting(self, name: str, call: ModelCall[Any]) -> Callable[[Attempt], None]:
        """Record attempts, and settle what was set aside by the first, which is the batch's."""
        first = True

        def record(attempt: Attempt) -> None:
            nonlocal first
            if first:
                tokens = attempt.usage.total_tokens
                self._settle(name, call, Spending(usd=attempt.cost, tokens=tokens, calls=1))
            first = False
            call.record(attempt)

        return record

    def _settle(self, name: str, call: ModelCall[Any], spent: Spending) -> None:
        reserved = self._reserved.pop(name, None)
        if reserved is None and spent.calls:
            # An earlier process handed it in: the money is spent, whatever the budget says.
            mine: list[Reservation] = []
            for budget in call.budgets:
                with contextlib.suppress(BudgetExceeded):
                    mine.append(budget.reserve(spent, processor=call.processor))
            reserved = mine
        for each in reserved or ():
            each.settle(spent)


class _Asked(Client):
    """Writes down what is asked, for one document."""

    def __init__(self, post: Post, document: Document, journal: Journal) -> None:
        self._post, self._document, self._journal = post, document, journal
        self.problem: EnsembleError | None = None

    async def fit(self, call: ModelCall[Any]) -> Fit:
        return await self._post.client.fit(call)

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        try:
            await self._post.note(self._document, self._journal, call)
        except BudgetExceeded:
            raise
        except EnsembleError as error:
            self.problem = error
        message = f"{call.processor}: to be answered in a batch"
        raise ProviderError(message, processor=call.processor)


class _Answered(Client):
    """Answers what is asked from batches, for one document."""

    def __init__(self, post: Post, document: Document) -> None:
        self._post, self._document = post, document

    async def fit(self, call: ModelCall[Any]) -> Fit:
        return await self._post.client.fit(call)

    def price(self, call: ModelCall[Any], usage: Usage) -> float | None:
        return self._post.client.price(call, usage)

    async def ask(self, call: ModelCall[T]) -> Reply[T]:
        return await self._post.answer(self._document, call)
