"""Rules that say when two values are the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(FieldRule):
    """How texts are equal, beyond Unicode form and white space, which never count.

    Attributes:
        case: whether ``"A"`` and ``"a"`` differ.
        punctuation: whether ``"U.S."`` and ``"US"`` differ. Signs of numbers go with it: leave it on where they may
            occur.
        similar: texts at least this alike, from 0 to 1 (rapidfuzz ``fuzz.ratio``), are equal; ``None``: only equal
            ones are.

    Raises:
        ConfigurationError: ``similar`` is not between 0 and 1, or another setting is not ``True`` or ``False``.

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
        """Check the settings."""
        for name, flag in (("case", self.case), ("punctuation", self.punctuation)):
            if not isinstance(flag, bool):
                message = f"Text({name}={flag!r}): give True or False"
                raise ConfigurationError(message)
        if self.similar is not None and not (_is_number(self.similar) and 0 < self.similar <= 1):
            message = f"Text(similar={self.similar!r}): give a share, more than 0 and at most 1, or None"
            raise ConfigurationError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance(FieldRule):
    """Numbers this near to each other are equal; one that was said is returned, never their mean.

    Being near does not carry over from one number to the next: those that are near the number with the most support
    around it count as equal to it, and the rest are compared anew. So of 1, 2 and 3 with ``abs=1`` all support the 2.

    Attributes:
        rel: relative tolerance: 0.01 is one per cent of the larger.
        abs: absolute tolerance, in the field's own unit: with 0.01, 1.00 and 1.01 are equal.

    Raises:
        ConfigurationError: neither is given, or one is negative, not finite or no number.

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
        for name, given in (("rel", self.rel), ("abs", self.abs)):
            if not (_is_number(given) and 0 <= given < math.inf):
                message = f"Tolerance({name}={given!r}): give a number of 0 or more"
                raise ConfigurationError(message)
        if not (self.rel or self.abs):
            message = "Tolerance(): give rel=, abs= or both, more than 0; Exact() compares values as they are"
            raise ConfigurationError(message)


@dataclass(frozen=True, slots=True, init=False)
class Items(FieldRule):
    """How the items of a list are told apart and ordered.

    Attributes:
        key: the field, or fields, by which an item is known, compared exactly as these fields are by themselves. Where
            a list has a key more than once, its items are paired identical ones first, and the rest by likeness; items
            whose key is ``None`` are paired as if there were no key. Without a key identical items are paired first,
            and the rest by likeness.
        ordered: whether the order is part of the answer. It is decided by majority either way; only where it counts is
            another order dissent.

    Raises:
        ConfigurationError: the key is no name and no list of names, or ``ordered`` is something else than a bool.

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
        names: Any = (key,) if isinstance(key, str) else tuple(key) if isinstance(key, list | tuple) else None
        if names is None or not all(isinstance(each, str) for each in names):
            message = f"Items(key={key!r}): give the name of a field, or a list of names"
            raise ConfigurationError(message)
        if ordered is not None and not isinstance(ordered, bool):
            message = f"Items(ordered={ordered!r}): give True or False"
            raise ConfigurationError(message)
        object.__setattr__(self, "key", names)
        object.__setattr__(self, "ordered", ordered)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float | Decimal) and not isinstance(given, bool)
