"""What all rules have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Kind: TypeAlias = Literal["text", "number", "exact", "list", "set", "dict", "record", "any"]
RuleKind: TypeAlias = Literal["compare", "combine", "dissent", "group"]

_ALL: tuple[Kind, ...] = ("text", "number", "exact", "list", "set", "dict", "record", "any")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What all rules have in common: what they say something about, and which values they fit."""

    kind: ClassVar[RuleKind]
    fits: ClassVar[tuple[Kind, ...]] = _ALL
