"""The nouns of many inputs: what one may be, and what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, cast

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._messages import conversation
from ensemble_parse._stored import json_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from ensemble_parse._errors import EnsembleError
    from ensemble_parse._models import Message, Messages, Result

T = TypeVar("T")

Id: TypeAlias = "str | int"
Input: TypeAlias = "Messages | Mapping[str, Any]"
Inputs: TypeAlias = "Iterable[Input] | AsyncIterable[Input]"

_MESSAGES: Final = ("messages", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Generic[T]):
    """What came of one input.

    Attributes:
        id: the input's own id, or its position where it has none.
        position: its place among the inputs, from 0.
        result: everything about its answer, or ``None`` where there is none.
        error: why there is none, or ``None``.
        resumed: whether it was read from the journal, and nothing was asked.
    """

    id: Id
    position: int
    result: Result[T] | None = None
    error: EnsembleError | None = None
    resumed: bool = False

    @property
    def output(self) -> T:
        """The answer.

        Raises:
            EnsembleError: there is none; it is the item's ``error``.
        """
        if self.result is None:
            raise cast("EnsembleError", self.error)
        return self.result.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One input as it was read.

    Attributes:
        id: as in ``Item``.
        position: as in ``Item``.
        messages: the conversation.
        problem: why it cannot be asked about, or ``None``.
        nameless: whether its id is another's, or no id, so that the journal has no name for it.
    """

    id: Id
    position: int
    messages: tuple[Message, ...] = ()
    problem: ConfigurationError | None = None
    nameless: bool = False

    def digest(self) -> str:
        """Tell it from another input under the same id."""
        return hashlib.sha256(json_bytes(self.messages)).hexdigest()[:32]


class Reader:
    """Reads inputs in turn; what is wrong with one is that one's affair."""

    def __init__(self) -> None:
        """Begin at position 0."""
        self._next = 0
        self._named: bool | None = None
        self._ids: set[Id] = set()  # of inputs that have one: positions cannot meet twice

    def read(self, given: object) -> Document:
        """Read the next input."""
        position, self._next = self._next, self._next + 1
        id_: Id | None = None
        try:
            said, named = _unpacked(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else (given, None)
            id_ = self._identified(named, position)
            return _readable(Document(id=id_, position=position, messages=conversation(cast("Any", said))))
        except ConfigurationError as error:
            problem = ConfigurationError(f"inputs[{position}]: {error}")
            return Document(
                id=self._told(cast("object", given), position) if id_ is None else id_,
                position=position,
                problem=problem,
                nameless=id_ is None,
            )

    def _told(self, given: object, position: int) -> Id:
        """What to call an input that cannot be used: never by what may be another's name."""
        own: Any = cast("Mapping[str, Any]", given).get("id") if isinstance(given, Mapping) else None
        if isinstance(own, str | int) and not isinstance(own, bool):
            return own
        return f"inputs[{position}]" if self._named else position

    def _identified(self, named: Id | None, position: int) -> Id:
        if self._named is None:
            self._named = named is not None
        if self._named != (named is not None):
            told = "has no id, and those before it have" if self._named else "has an id, and those before it have none"
            message = f"it {told}: give every input an id, or none"
            raise ConfigurationError(message)
        if named is None:
            return position
        if named in self._ids:
            message = f"the id {named!r} is another's, too: give every input an id of its own"
            raise ConfigurationError(message)
        self._ids.add(named)
        return named


def _readable(document: Document) -> Document:
    try:
        document.digest()
    except (ValueError, TypeError) as error:
        message = "its messages hold something that is no JSON, such as bytes: write pictures as base64 in a data: URL"
        raise ConfigurationError(message) from error
    return document


def _unpacked(given: Mapping[str, Any]) -> tuple[Any, Id | None]:
    said = [name for name in _MESSAGES if name in given]
    if "role" in given and not said:
        message = "it is a message: an input is a text, a list of messages, or {'id': ..., 'messages': ...}"
        raise ConfigurationError(message)
    if len(said) != 1:
        message = f"it must have 'messages' or 'input', and has {'both' if said else 'neither'}"
        raise ConfigurationError(message)
    named = given.get("id")
    if named is not None and (isinstance(named, bool) or not isinstance(named, str | int) or named == ""):
        what = "empty" if named == "" else f"a {type(named).__name__}"
        message = f"its id is {what}: give a text or a whole number"
        raise ConfigurationError(message)
    return given[said[0]], named
