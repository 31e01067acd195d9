"""How right an answer is: compared with the truth path by path, as the engine compares candidates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus import account, against
from ensemble_parse._consensus._values import same
from ensemble_parse._models import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._evaluate._labelled import Labelled
    from ensemble_parse._rules import FieldRule

_PLACE: Final = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Mark:
    """How right one answer is.

    Attributes:
        right: for every path of the truth whether the answer is right there; a list or dict by itself is right if it
            has the same items.
    """

    right: Mapping[str, bool]

    @property
    def fields(self) -> int:
        """How many are right."""
        return sum(self.right.values())

    @property
    def whole(self) -> bool:
        """Whether all are."""
        return all(self.right.values())

    @property
    def score(self) -> float:
        """A half for the whole, and a half for the share of fields."""
        return (self.whole + self.fields / max(1, len(self.right))) / 2


class Marker:
    """Marks answers; of one input each distinct answer once."""

    def __init__(self, rules: Mapping[str, FieldRule] | None) -> None:
        """Know how to compare."""
        self.rules = rules
        self._known: dict[int, list[tuple[Any, Mark]]] = {}
        self._none: dict[int, Mark] = {}

    def mark(self, case: Labelled, answer: Any) -> Mark:
        """Mark an answer."""
        known = self._known.setdefault(id(case), [])
        for said, mark in known:
            if same(said, answer):
                return mark
        mark = Mark(self._compared(case, case.truth, answer))
        known.append((answer, mark))
        return mark

    def none(self, case: Labelled) -> Mark:
        """Mark that there is no answer."""
        if id(case) not in self._none:
            self._none[id(case)] = Mark(dict.fromkeys(self.mark(case, case.truth).right, False))
        return self._none[id(case)]

    def found(self, case: Labelled, answer: Any) -> Mapping[str, bool]:
        """Say for every path of the answer, not of the truth, whether it is right."""
        return self._compared(case, answer, case.truth)

    def _compared(self, case: Labelled, stands: Any, other: Any) -> dict[str, bool]:
        said: Candidate[Any] = Candidate(name="", processor="", position=0, model="", output=other)
        type_ = case.result.format.type
        verdicts = account(stands, [said], type_, how="chosen", rules=self.rules)
        # What is no matter of agreement is none of being right.
        counts = {each.path for each in against(stands, [replace(said, output=stands)], type_, self.rules)}
        return {path: each.agreement == 1 for path, each in verdicts.items() if path in counts}


def pattern(path: str) -> str:
    """Name a field, wherever in a list it is: ``items[2].price`` is ``items[].price``."""
    return _PLACE.sub("[]", path)
