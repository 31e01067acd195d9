"""The nouns: what was said about an item, and how right it was."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.replay.shapes import Shape


@dataclass(frozen=True, slots=True)
class Said:
    """A valid answer.

    Attributes:
        value: the typed object.
        data: the same as JSON-like data.
        key: the same as a text: equal answers have equal keys.
    """

    value: Any
    data: Any
    key: str

    @classmethod
    def of(cls, value: object, shape: Shape) -> Said:
        """Dump a typed object."""
        data = shape.adapter.dump_python(value, mode="json", by_alias=True, warnings="error")
        return cls(value, data, json.dumps(data, sort_keys=True, ensure_ascii=False))

    @classmethod
    def read(cls, raw: object, shape: Shape) -> Said | None:
        """Validate what a model or a method wrote; ``None`` where it is none of the type."""
        try:
            return cls.of(shape.adapter.validate_python(raw), shape)
        except (ValidationError, ValueError, TypeError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Score:
    """How right an answer is.

    Attributes:
        right: field of the truth -> whether the answer has it right; named by its path in the answer, if it has one.
        extra: fields that the truth lacks, each of them wrong.
        whole: whether the whole answer is right by the rule of the set.
    """

    right: Mapping[str, bool]
    extra: int
    whole: bool

    @property
    def fields(self) -> tuple[int, int]:
        """Right fields, and fields in all."""
        return sum(self.right.values()), len(self.right) + self.extra


@dataclass(frozen=True, slots=True)
class Item:
    """One request, what every model said to it, and the rule that marks an answer.

    Attributes:
        id: its name in the file.
        group: what is independent of other groups: a document, a filing, a record.
        part: the part of the set that it belongs to, where a set has parts.
        shape: the response type.
        asked: the models that it was put to.
        said: model -> its valid answer.
        mark: the rule: JSON-like data -> score; ``None`` is no answer.
    """

    id: str
    group: str
    part: str
    shape: Shape
    asked: frozenset[str]
    said: Mapping[str, Said]
    mark: Callable[[Any], Score]
    _scores: dict[str | None, Score] = field(default_factory=dict, repr=False, compare=False)

    def score(self, answer: Said | None) -> Score:
        """Mark an answer; each distinct one once."""
        key = None if answer is None else answer.key
        if key not in self._scores:
            self._scores[key] = self.mark(None if answer is None else answer.data)
        return self._scores[key]
