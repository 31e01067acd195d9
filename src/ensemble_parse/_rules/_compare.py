"""Rules that say when two values are the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules._field import FieldRule

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Exact(FieldRule):
    """Values are equal only as they are: case, spaces and every digit count.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus(["aB", "ab", "ab"], rules={"": Exact()}).verdicts[""].agreement == 2 / 3
        True
    """

    kind = "compare"
    fits = ("text", "number", "exact", "any")


@dataclass(frozen=True, slots=True)
class Text(FieldRule):
    """How texts are equal, beyond Unicode form and white space, which never count.

    Attributes:
        case: whether ``"A"`` and ``"a"`` differ.
        punctuation: whether ``"U.S."`` and ``"US"`` differ. Signs of numbers go with it: leave it on where they may
            occur.
        similar: texts at least this alike, from 0 to 1 (rapidfuzz ``fuzz.ratio``), are equal; ``None``: only equal
            ones are.

    Raises:
        ConfigurationError: ``similar`` is not between 0 and 1.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus(["U.S.", "US", "UK"], rules={"": Text(punctuation=False)}).output
        'U.S.'
    """

    kind = "compare"
    fits = ("text", "any")

    case: bool = False
    punctuation: bool = True
    similar: float | None = None

    def __post_init__(self) -> None:
        """Check the share."""
        if self.similar is not None and not 0 < self.similar <= 1:
            message = f"Text(similar={self.similar!r}): give a share, more than 0 and at most 1, or None"
            raise ConfigurationError(message)


@dataclass(frozen=True, slots=True)
class Tolerance(FieldRule):
    """Numbers this near to each other are equal; one that was said is returned, never their mean.

    Attributes:
        rel: relative tolerance: 0.01 is one per cent of the larger.
        abs: absolute tolerance, in the field's own unit.

    Raises:
        ConfigurationError: a tolerance is negative or not finite.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([100.0, 100.4, 250.0], rules={"": Tolerance(rel=0.01)}).output
        100.0
    """

    kind = "compare"
    fits = ("number", "any")

    rel: float = 0.0
    abs: float = 0.0

    def __post_init__(self) -> None:
        """Check the two."""
        if not (0 <= self.rel < math.inf and 0 <= self.abs < math.inf):
            message = f"Tolerance(rel={self.rel!r}, abs={self.abs!r}): give numbers of 0 or more"
            raise ConfigurationError(message)


@dataclass(frozen=True, slots=True, init=False)
class Items(FieldRule):
    """How the items of a list are told apart and ordered.

    Attributes:
        key: the field, or fields, by which an item is known; without it identical items are paired first, and the rest
            by similarity.
        ordered: whether the order is part of the answer. It is decided by majority either way; only where it counts is
            another order dissent.

    Examples:
        >>> from ensemble_parse import consensus
        >>> said = [["a", "b"], ["b", "a"], ["a", "b"]]
        >>> consensus(said, rules={"": Items(ordered=True)}).verdicts[""].supporters
        ('candidate 1', 'candidate 3')
    """

    kind = "compare"
    fits = ("list",)

    key: tuple[str, ...]
    ordered: bool | None

    def __init__(self, key: str | Sequence[str] = (), *, ordered: bool | None = None) -> None:
        """Keep the key as a tuple."""
        object.__setattr__(self, "key", (key,) if isinstance(key, str) else tuple(key))
        object.__setattr__(self, "ordered", ordered)
