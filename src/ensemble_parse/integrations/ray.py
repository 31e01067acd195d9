"""Rows of a Ray ``Dataset`` answered by ensembles, one in each actor.

    answered = documents.map_batches(
        EnsembleMapper,
        fn_constructor_kwargs={"ensemble": "ensembles.toml", "response_format": Invoice, "messages": "text"},
        batch_size=64,
        compute=ray.data.ActorPoolStrategy(size=4),
    )

Every row comes out again, with the answer and what is to be said about it in new columns; what fails is a row's
``error``.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import ConfigurationError, DegradedResult
from ensemble_parse._format import response_format as prepare
from ensemble_parse._messages import example_turns
from ensemble_parse._models import Cost, Usage
from ensemble_parse._processor import check_params, is_text
from ensemble_parse._retry import is_whole
from ensemble_parse._stored import decision_to_dict, json_bytes
from ensemble_parse._sync import run_apart
from ensemble_parse.integrations._columns import answer_column, answer_data, array, arrow, plain_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._client._protocol import Client
    from ensemble_parse._models import Attempt, Messages, Result

__all__ = ["EnsembleMapper"]

Source: TypeAlias = "Ensemble | Callable[[], Ensemble] | str | os.PathLike[str] | Mapping[str, Any]"

_ANSWER: Final = "answer"
# What is said about an answer, beside it.
_ABOUT: Final = {
    "status": "string",
    "error": "string",
    "reasons": "string",
    "cost": "float64",
    "tokens": "int64",
    "verdicts": "string",
}
_OPTIONS: Final = ("model", "pass_reasoning", "examples")
_SETTINGS: Final = (
    *("ensemble", "response_format", "messages", "name", "client", "concurrency", "fields", "columns"),
    *_OPTIONS,
)
_UNFIT: Final = "the answer has a value that its column cannot hold, such as a whole number of more than 64 bits"


class EnsembleMapper:
    """A class for ``Dataset.map_batches``: it adds answers to the rows of a batch.

    The new columns are

    * ``answer``: as its type dumps it, or null. Records are structs and lists are lists; dicts with free keys, tuples
      and unions are JSON text. The types of the columns follow from the response type alone.
    * ``status``: ``"complete"``, ``"degraded"``, or ``"failed"`` where there is no answer.
    * ``error``: why there is none, or null.
    * ``reasons``: what makes it degraded, a line each, or null.
    * ``cost``: US dollars of all requests, also where they failed; null where that is unknown.
    * ``tokens``: of all requests, likewise.
    * ``verdicts``: JSON text: how every path was decided, as in ``Result.to_dict()``.

    Args:
        ensemble: a function without arguments that builds one; a configuration file, or the mapping that ``to_config``
            gives; or an ensemble, which is copied to every actor by pickle. Every actor has one of its own, with
            limits of its own.
        response_format: as for ``Ensemble.parse``.
        messages: the column that holds a text or a list of messages; or a function that makes either of a row, which
            is a dict.
        name: which ensemble of a configuration.
        client: how an ensemble of a configuration reaches models, such as a ``Cache`` in a file.
        concurrency: how many rows are asked about at a time in each actor, of all its batches together.
        fields: give each field of the answer a column of its own, under its name, instead of ``answer``.
        columns: other names for the new columns; ``None`` leaves one out. A field is ``"answer.<field>"`` there.
        options: as for ``parse``: ``model``, ``pass_reasoning``, ``examples`` and model parameters.

    Raises:
        ConfigurationError: it could not run as asked; nothing was asked of a model.

    Examples:
        >>> from ensemble_parse import Ensemble
        >>> mapper = EnsembleMapper(Ensemble(["openai/gpt-5-mini"]), int, columns={"answer": "total", "verdicts": None})
        >>> mapper
        EnsembleMapper(Ensemble(['openai/gpt-5-mini'], decision_maker=Vote()), messages='messages', concurrency=16)
    """

    def __init__(
        self,
        ensemble: Source,
        response_format: Any,
        *,
        messages: str | Callable[[dict[str, Any]], Messages] = "messages",
        name: str | None = None,
        client: Client | None = None,
        concurrency: int = 16,
        fields: bool = False,
        columns: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> None:
        """Build the ensemble, and check that everybody can be asked: Ray tells of it before any row is read."""
        if not is_whole(concurrency, least=1):
            message = f"EnsembleMapper: concurrency={concurrency!r}; give a whole number, 1 or more"
            raise ConfigurationError(message)
        if not (callable(messages) or is_text(messages)):
            message = f"EnsembleMapper: messages={messages!r}; give the name of a column, or a function of a row"
            raise ConfigurationError(message)
        check_params({key: value for key, value in options.items() if key not in _OPTIONS}, "EnsembleMapper", _SETTINGS)
        self._format = prepare(response_format, reasoning=bool(options.get("pass_reasoning")))
        self._answer = answer_column(self._format)
        self._answers = self._columns_of_answer(fields=fields)
        self._names = _names({**self._answers, **{name: name for name in _ABOUT}}, columns or {})
        self._ensemble = _built(ensemble, name, client)
        example_turns(options.get("examples") or self._ensemble.examples, self._format)
        # It also imports what the first call would.
        self._ensemble.check_sync(self._format, model=options.get("model"))
        self._messages = messages
        self._concurrency = concurrency
        self._options = options
        self._room = asyncio.Semaphore(concurrency)

    def __repr__(self) -> str:
        """Show who asks; no option, since keys are among them."""
        return f"EnsembleMapper({self._ensemble!r}, messages={self._messages!r}, concurrency={self._concurrency})"

    async def __call__(self, batch: Any) -> Any:
        """Answer the rows of a batch, in their order; of several batches at a time where Ray gives them.

        Args:
            batch: in any of Ray's batch formats.

        Returns:
            A ``pyarrow.Table`` with the batch's columns and the new ones.

        Raises:
            ConfigurationError: there is no such column to read, or there is one already that would be written.
        """
        table = batch if isinstance(batch, arrow().Table) else _table(batch)
        if isinstance(self._messages, str):
            if self._messages not in table.column_names:
                message = f"there is no column {self._messages!r} to read from; there is {_list(table.column_names)}"
                raise ConfigurationError(message)
            given = table.column(self._messages).to_pylist()
        else:
            given = table.to_pylist()
        twice = [name for name in self._names.values() if name in table.column_names]
        if twice:
            message = f"there is a column {twice[0]!r} already: give another name in columns="
            raise ConfigurationError(message)
        # Not in Ray's event loop, which stands still while nobody takes the batches that are done.
        rows = await run_apart(self._rows(given))
        for name, values in self._arrays(rows):
            table = table.append_column(name, values)
        return table

    def _columns_of_answer(self, *, fields: bool) -> dict[str, str]:
        if not fields:
            return {_ANSWER: _ANSWER}
        if self._answer.fields is None:
            message = "EnsembleMapper: fields=True is for answers whose fields are known beforehand, such as a model's"
            raise ConfigurationError(message)
        return {f"{_ANSWER}.{name}": name for name in self._answer.fields}

    async def _rows(self, given: Sequence[Any]) -> list[dict[str, Any]]:
        return await asyncio.gather(*map(self._row, given))

    async def _row(self, given: Any) -> dict[str, Any]:
        async with self._room:
            try:
                messages = _plain(given if isinstance(self._messages, str) else self._messages(given))
                result = await self._ensemble.run(messages, self._format, **self._options)
                return self._told(result)
            except Exception as error:  # noqa: BLE001 - Ray would end the run, and forget what was paid for
                return _failed(error)

    def _told(self, result: Result[Any]) -> dict[str, Any]:
        return {
            _ANSWER: answer_data(self._format, result.output),
            "status": result.status,
            "reasons": "\n".join(f"{each.kind}: {each.detail}" for each in result.reasons) or None,
            "cost": result.cost.total,
            "tokens": result.usage.total_tokens,
            "verdicts": json_bytes(decision_to_dict(result.decision)["verdicts"]).decode(),
        }

    def _arrays(self, rows: list[dict[str, Any]]) -> list[tuple[str, Any]]:
        whole, unfit = array(self._answer, [row.get(_ANSWER) for row in rows])
        for place in unfit:
            rows[place] |= {"status": "failed", "error": _UNFIT}
        arrays = [whole] if _ANSWER in self._answers else whole.flatten()
        made = dict(zip(self._answers, arrays, strict=True))
        for name, kind in _ABOUT.items():
            made[name], _ = array(plain_column(kind), [row.get(name) for row in rows])
        return [(self._names[name], values) for name, values in made.items() if name in self._names]


def _built(source: Source, name: str | None, client: Client | None) -> Ensemble:
    if isinstance(source, str | os.PathLike | Mapping):
        return Ensemble.from_config(cast("Mapping[str, Any]", source), name, client=client)
    if name is not None or client is not None:
        message = "EnsembleMapper: name= and client= are for a configuration: build the ensemble with them"
        raise ConfigurationError(message)
    built: object = source() if callable(source) else source
    if not isinstance(built, Ensemble):
        what = "ensemble() gave" if callable(source) else "ensemble is"
        message = (
            f"EnsembleMapper: {what} a {type(built).__name__}: give an Ensemble, a function that builds one, or a "
        )
        raise ConfigurationError(message + "configuration")
    return built


def _names(own: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Map each new column to the name it goes under; those that are left out are not in it."""
    unknown = [name for name in given if name not in own]
    if unknown:
        message = f"EnsembleMapper: columns={{{unknown[0]!r}: ...}}; there is {_list([*own])}"
        raise ConfigurationError(message)
    names = {name: called for name, usual in own.items() if (called := given.get(name, usual)) is not None}
    twice = [each for each in names.values() if [*names.values()].count(each) > 1]
    if twice:
        message = f"EnsembleMapper: two columns are called {twice[0]!r}: give one another name in columns="
        raise ConfigurationError(message)
    return names


def _table(batch: Any) -> Any:
    """Turn what Ray gives, arrays by name or a data frame, into what Ray would make of it."""
    block = importlib.import_module("ray.data.block").BlockAccessor
    if isinstance(batch, Mapping):
        batch = {name: _listed(values) for name, values in cast("Mapping[str, Any]", batch).items()}
    return block.for_block(block.batch_to_block(batch)).to_arrow()


def _listed(values: Any) -> Any:
    """Make lists of arrays of records, such as messages: Ray would keep them as pickled objects."""
    if not _of_objects(values):
        return values
    return [each.tolist() if _of_objects(each) else each for each in values]


def _of_objects(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", None) == "O"


def _plain(value: Any) -> Any:
    """Undo what a table does to messages: all of its records have the same keys, with null where there was none."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: _plain(each) for key, each in items if each is not None}
    return [_plain(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def _failed(error: Exception) -> dict[str, Any]:
    told: dict[str, Any] = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
    attempts = _paid(error)
    if attempts is not None:
        told["cost"] = Cost.of(attempts).total
        told["tokens"] = sum((attempt.usage for attempt in attempts), Usage()).total_tokens
    return told


def _paid(error: Exception) -> Sequence[Attempt] | None:
    """The ledger of a call that failed, or ``None`` where nobody kept it."""
    if isinstance(error, DegradedResult):
        return error.result.attempts
    return () if isinstance(error, ConfigurationError) else getattr(error, "attempts", None)


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
