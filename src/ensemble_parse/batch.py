"""Many inputs: what ``Ensemble.map`` and ``Ensemble.batch`` give, what it tells on the way, and its journal as data.

async for item in ensemble.map(texts, Invoice, concurrency=16, journal="invoices.jsonl", progress=True):
    print(item.id, item.error or item.output)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast, overload

from pydantic_core import ValidationError

from ensemble_parse._batch._fingerprint import fingerprint
from ensemble_parse._batch._items import Input, Inputs, Item, Reader
from ensemble_parse._batch._journal import Journal, lines
from ensemble_parse._batch._post import Post
from ensemble_parse._batch._progress import Progress, watched
from ensemble_parse._errors import ConfigurationError, EnsembleError
from ensemble_parse._format import response_format as prepare
from ensemble_parse._messages import example_turns
from ensemble_parse._models import Result
from ensemble_parse._processor import check_params
from ensemble_parse._retry import is_positive, is_whole
from ensemble_parse._stored import error_from_dict, error_to_dict, json_data, to_dict
from ensemble_parse._sync import iterate_sync

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from ensemble_parse._batch._items import Document
    from ensemble_parse._ensemble import Ensemble
    from ensemble_parse._models import R

__all__ = ["Input", "Inputs", "Item", "Progress", "read_journal"]

_AHEAD: Final = (
    4  # with ``ordered``, inputs that are under way or wait for an earlier one, as a multiple of concurrency
)
_OPTIONS: Final = ("model", "pass_reasoning", "examples")
_SETTINGS: Final = ("inputs", "response_format", "concurrency", "ordered", "journal", "progress", *_OPTIONS)


def mapped(
    ensemble: Ensemble, inputs: Inputs, response_format: Any, **settings: Any
) -> AsyncGenerator[Item[Any], None]:
    """Do what ``Ensemble.map`` says; what is wrong with the settings is said at once."""
    run = _Run(ensemble, inputs, response_format, **settings)
    return run.items(inputs if isinstance(inputs, AsyncIterable) else _each(inputs))


def mapped_sync(
    ensemble: Ensemble, inputs: Inputs, response_format: Any, **settings: Any
) -> Generator[Item[Any], None, None]:
    """The same for code that does not await; an iterable is pulled in the caller's thread."""
    run = _Run(ensemble, inputs, response_format, **settings)
    return iterate_sync(run.items, inputs)


def batched(
    ensemble: Ensemble,
    inputs: Inputs,
    response_format: Any,
    *,
    poll: float = 30.0,
    window: str = "24h",
    live: bool = True,
    **settings: Any,
) -> AsyncGenerator[Item[Any], None]:
    """Do what ``Ensemble.batch`` says; what is wrong with the settings is said at once."""
    if not is_positive(poll):
        message = f"batch: poll={poll!r}; give seconds, more than 0"
        raise ConfigurationError(message)
    if settings.get("journal") is None:
        message = "batch: give journal= a path: without it, a run that ends early would pay for its batches again"
        raise ConfigurationError(message)
    vendors = {"poll": poll, "window": window, "live": live}
    run = _Run(ensemble, inputs, response_format, vendors=vendors, **settings)
    return run.items(inputs if isinstance(inputs, AsyncIterable) else _each(inputs))


class _Run:
    """One ``map`` or ``batch``: a task that pulls inputs, one for each that is asked about, and who takes the items."""

    def __init__(
        self,
        ensemble: Ensemble,
        inputs: Inputs,
        response_format: Any,
        *,
        concurrency: int = 8,
        ordered: bool = False,
        journal: str | os.PathLike[str] | None = None,
        progress: bool | Callable[[Progress], object] | None = None,
        vendors: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Check the settings; nothing is opened and nobody is asked before the first item is wanted."""
        if not is_whole(concurrency, least=1):
            message = f"map: concurrency={concurrency!r}; give a whole number, 1 or more"
            raise ConfigurationError(message)
        if isinstance(inputs, str | bytes | Mapping) or not isinstance(inputs, Iterable | AsyncIterable):
            kind = type(cast("object", inputs)).__name__
            message = f"map: inputs is a {kind}; give a list or another iterable of inputs"
            raise ConfigurationError(message)
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            message = f"map: progress={progress!r}; give True, or a function that takes a Progress"
            raise ConfigurationError(message)
        who, own = ("batch", (*_SETTINGS, *vendors)) if vendors else ("map", _SETTINGS)
        check_params({name: value for name, value in options.items() if name not in _OPTIONS}, who, own)
        format_ = prepare(response_format, reasoning=bool(options.get("pass_reasoning")))
        example_turns(options.get("examples") or ensemble.examples, format_)
        self._ensemble = ensemble
        self._format = format_
        self._options = options
        self._ordered = ordered
        self._progress = progress
        self._path = journal
        self._total = len(inputs) if isinstance(inputs, Sized) else None
        self._seats = asyncio.Semaphore(concurrency)  # for those who are asked about
        # For all that were pulled, until they are given: it bounds the memory, and a slow consumer stops the pulling.
        self._room = asyncio.Semaphore(concurrency * _AHEAD if ordered else concurrency)
        self._ready: asyncio.Queue[Item[Any] | asyncio.Task[Any]] = asyncio.Queue()
        self._asking: set[asyncio.Task[Item[Any]]] = set()
        self._pulled = 0
        self._journal: Journal | None = None
        self._tell: Callable[[Item[Any]], None] | None = None
        self._post = None if vendors is None else Post(ensemble, format_, options, **vendors)

    async def items(self, inputs: AsyncIterable[Input]) -> AsyncGenerator[Item[Any], None]:
        """Give the items; however it ends, nothing is left under way."""
        await self._ensemble.check(self._format, model=self._options.get("model"))
        with contextlib.ExitStack() as stack:
            if self._path is not None:
                told = fingerprint(self._ensemble, self._format, self._options)
                # In a thread, since every line of a long journal is read.
                self._journal = stack.enter_context(await asyncio.to_thread(Journal, self._path, told))
            if self._post and self._journal:
                stack.callback(self._post.close)
                inputs = _each(await self._post.collect(inputs, self._journal))
            self._tell = stack.enter_context(watched(self._progress, self._total))
            pulling = asyncio.create_task(self._pull(inputs))
            pulling.add_done_callback(self._ready.put_nowait)
            given = 0
            waiting: dict[int, Item[Any]] = {}
            try:
                while not (pulling.done() and given == self._pulled):
                    ready = await self._ready.get()
                    if ready is pulling:
                        pulling.result()  # a bug in the inputs ends the run
                        continue
                    item = ready if isinstance(ready, Item) else ready.result()
                    waiting[item.position] = item
                    at = given if self._ordered else item.position
                    while at in waiting:
                        self._room.release()
                        yield waiting.pop(at)
                        given, at = given + 1, at + 1
                pulling.result()
            finally:
                for task in (pulling, *self._asking):
                    task.cancel()
                await asyncio.gather(pulling, *self._asking, return_exceptions=True)

    async def _pull(self, inputs: AsyncIterable[Input]) -> None:
        async with contextlib.AsyncExitStack() as stack:
            source = aiter(inputs)
            if isinstance(source, AsyncGenerator):
                await stack.enter_async_context(contextlib.aclosing(source))
            await self._pull_from(source)

    async def _pull_from(self, source: AsyncIterator[Input]) -> None:
        reader = Reader()
        while True:
            await self._room.acquire()
            try:
                given = await anext(source)
            except StopAsyncIteration:
                return
            self._pulled += 1
            document = reader.read(given)
            item = self._at_once(document)
            if item:
                self._ready.put_nowait(item)
                continue
            await self._seats.acquire()
            task = asyncio.create_task(self._ask(document))
            self._asking.add(task)
            task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[Item[Any]]) -> None:
        self._asking.discard(task)
        self._seats.release()
        if not task.cancelled():
            task.exception()  # of several bugs one is raised; asyncio shall not report the others as forgotten
        self._ready.put_nowait(task)

    def _at_once(self, document: Document) -> Item[Any] | None:
        """The item of an input that nobody has to be asked about."""
        if document.problem:
            return self._over(document, error=document.problem)
        stored = self._journal.find(document.id, document.digest()) if self._journal else None
        if stored is None or not stored.get("exact", True):  # JSON could not hold what was said
            return None
        try:
            result = Result.from_dict(stored, self._format)
        except ValidationError:  # the type's own validators have become stricter
            return None
        item = Item(id=document.id, position=document.position, result=result, resumed=True)
        if self._tell:
            self._tell(item)
        return item

    async def _ask(self, document: Document) -> Item[Any]:
        ensemble = self._post.answering(document) if self._post else self._ensemble
        try:
            result = await ensemble.run(document.messages, self._format, **self._options)
        except EnsembleError as error:
            # A value needs no traceback: its frames would keep the request as long as the item lives.
            return self._over(document, error=error.with_traceback(None))
        return self._over(document, result=result)

    def _over(self, document: Document, **came: Any) -> Item[Any]:
        """Write down what came of an input, then tell of it: nothing is given that is not in the journal."""
        item: Item[Any] = Item(id=document.id, position=document.position, **came)
        if self._journal and not document.nameless:
            line: dict[str, Any] = {
                "id": item.id,
                "position": item.position,
                "input": None if document.problem else document.digest(),
            }
            if item.result:
                line["result"] = to_dict(item.result, self._format)
            elif item.error:
                line["error"] = error_to_dict(item.error, self._format)
            self._journal.write(line)
        if self._tell:
            self._tell(item)
        return item


async def _each(inputs: Iterable[Input]) -> AsyncGenerator[Input, None]:
    for each in inputs:
        yield each


@overload
def read_journal(path: str | os.PathLike[str], response_format: type[R]) -> Iterator[Item[R]]: ...
@overload
def read_journal(path: str | os.PathLike[str], response_format: Any) -> Iterator[Item[Any]]: ...
def read_journal(path: str | os.PathLike[str], response_format: Any) -> Iterator[Item[Any]]:
    """Read a journal as data, in the order of the inputs; also while a run writes to it.

    Args:
        path: of the file that ``Ensemble.map`` was given as ``journal``.
        response_format: the type that was asked for.

    Returns:
        What came of each input at last, all of them with ``resumed``; of inputs that are not in the journal, nothing.
        An answer that JSON could not hold, such as a secret, is a ``ConfigurationError`` as its item's ``error``.

    Raises:
        ConfigurationError: it is no journal, was damaged, or was written by another version.
        ValidationError: an answer in it is none of this type.
    """
    format_ = prepare(response_format)
    last = {line["id"]: (line["position"], place) for place, _, line in lines(path) if place and "id" in line}
    with Path(path).open("rb") as file:
        for position, place in sorted(last.values()):
            file.seek(place)
            line = json_data(file.readline())
            result: Result[Any] | None = None
            error: EnsembleError | None = None
            try:
                if "result" in line:
                    result = Result.from_dict(line["result"], format_)
                else:
                    error = error_from_dict(line["error"], format_)
            except ConfigurationError as problem:
                stored = line["result"] if "result" in line else line["error"].get("result", {})
                if stored.get("exact", True):
                    raise
                error = problem
            yield Item(id=line["id"], position=position, result=result, error=error, resumed=True)
