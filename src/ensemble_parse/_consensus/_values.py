"""When two values are the same: keys that are equal where the values are, with the type taken seriously."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import functools
import math
import re
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeAlias

Key: TypeAlias = Callable[[Any], Hashable]

REL: Final = 1e-9  # two computations of one number differ by far less, two numbers on a page by far more
NOISE: Final = 2**-50  # what is lost in writing decimal numbers as binary ones and subtracting them


class Missing:
    """What a candidate says that has no such field, key or item."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Say what it is."""
        return "MISSING"

    def __reduce__(self) -> str:
        """There is only one."""
        return "MISSING"


MISSING: Final = Missing()


def text(value: str) -> str:
    """Equal after Unicode NFKC, trimmed and collapsed white space and casefolding; everything else counts."""
    return " ".join(_normal(value).split()).casefold()


def text_with_case(value: str) -> str:
    """As ``text``, where upper and lower case differ."""
    return " ".join(_normal(value).split())


def _normal(value: str) -> str:
    if value.isascii():
        return value
    # Thousands of marks on one letter take the square of their number; before ASCII a text may always be cut.
    return "".join([unicodedata.normalize("NFKC", each) for each in _PIECE.findall(value)])


_PIECE: Final = re.compile("[\\x00-\\x7f]+[^\\x00-\\x7f]{0,1000}|[^\\x00-\\x7f]{1,1000}")


def without_punctuation(key: str) -> str:
    """Leave the letters, marks, digits and single spaces of a text key."""
    return " ".join("".join(c for c in key if c.isspace() or unicodedata.category(c)[0] in "LMN").split())


def number(value: Any) -> Hashable:
    """Equal to twelve significant digits; what is nearer than ``REL`` across an edge of rounding, a vote joins."""
    if type(value) is float:
        if value.is_integer():
            return int(value)
        return float(f"{value:.12g}") if math.isfinite(value) else repr(value)
    if isinstance(value, Decimal) and value.is_nan():
        return "nan"
    return value  # type: ignore[no-any-return]


def near(left: Any, right: Any, rel: float = REL, absolute: float = 0.0) -> bool:
    """Whether two numbers are within a tolerance of each other."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        with decimal.localcontext(WIDE):
            return _within(Decimal(left), Decimal(right), Decimal(str(rel)), Decimal(str(absolute)))
    if isinstance(left, float) or isinstance(right, float):
        try:
            left, right = float(left), float(right)
        except OverflowError:  # a whole number beyond all floats
            return False
        # 1.01 - 1.00 is 0.010000000000000009: binary noise must not decide what a tolerance of 0.01 means.
        noise = NOISE * max(abs(left), abs(right))
        return math.isclose(left, right, rel_tol=float(rel) + NOISE, abs_tol=float(absolute) + noise)
    # Whole numbers are exact: a float on the way would make large ones equal.
    return _within(left, right, Fraction(str(rel)), Fraction(str(absolute)))


def _within(left: Any, right: Any, rel: Any, absolute: Any) -> bool:
    if left in _INFINITE or right in _INFINITE:
        return bool(left == right)
    return bool(abs(left - right) <= max(rel * max(abs(left), abs(right)), absolute))


WIDE: Final = decimal.Context(traps=[], Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
"""Computes with every decimal, and never raises."""

_INFINITE: Final = (Decimal("Infinity"), Decimal("-Infinity"))


def is_number(value: object) -> bool:
    """Whether a value is a number: ``True`` is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool | enum.Enum)


def near_numbers(left: Any, right: Any) -> bool:
    """Whether two values are both numbers, and near."""
    return is_number(left) and is_number(right) and near(left, right)


def anything(value: Any) -> Hashable:
    """Key a value without parts by its own type, where the declared one says little: ``True`` is not ``1``."""
    match value:
        case None | Missing():
            return value
        case enum.Enum():
            return class_of(value), value.name
        case bool():
            return "bool", value
        case str():
            return "text", text(value)
        case int() | float() | Decimal():
            return "number", number(value)
        case _:
            return exact(value)


def exact(value: Any) -> Hashable:
    """Equal only as they are, and of one type."""
    try:
        hash(value)
    except TypeError:
        return class_of(value), repr(value)
    return class_of(value), repr(value) if isinstance(value, float) and math.isnan(value) else value


def class_of(value: object) -> type[object]:
    """Name the class; with a type, where checkers know none of the value's."""
    return type(value)


def bag(keys: Sequence[Hashable]) -> Hashable:
    """Key a collection whose order does not count, but where each item counts as often as it is there."""
    distinct = frozenset(keys)
    return len(keys), distinct if len(distinct) == len(keys) else frozenset(Counter(keys).items())


def spelled_alike(left: Any, right: Any) -> bool:
    """Whether two values whose keys are equal are also spelled alike, so that either may stand for both."""
    if left is right:
        return True
    try:
        # What does not equal itself is not a number, and there is only one way to say so.
        return type(left) is type(right) and bool(left == right or (left != left and right != right))  # noqa: PLR0124
    except Exception:  # noqa: BLE001 - a user's own __eq__; what cannot be compared is not alike
        return False


def same(left: Any, right: Any) -> bool:
    """Whether two values are one and the same down to the types of their parts.

    Python's own equality is not that: ``[True] == [1]``, and a class may leave fields out of it.
    """
    if left is right:
        return True
    kind = class_of(left)
    if kind is not class_of(right):
        return False
    # A class can be hashed, and a cast takes time here.
    return _parted(kind)(left, right)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=1024)
def _parted(kind: Any) -> Callable[[Any, Any], bool]:
    if issubclass(kind, list | tuple | deque):
        alike = _same_items
    elif issubclass(kind, dict):
        alike = _same_entries
    elif issubclass(kind, set | frozenset):
        alike = _same_members
    elif dataclasses.is_dataclass(kind):
        names = [each.name for each in dataclasses.fields(kind)]
        extra = getattr(kind, "__pydantic_config__", {}).get("extra") == "allow"
        alike = _same_objects if extra else functools.partial(_same_fields, names=names)
    elif hasattr(kind, "__pydantic_fields__"):
        alike = functools.partial(_same_models, names=[*kind.__pydantic_fields__])
    else:
        alike = spelled_alike
    return alike


def _same_items(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(same, left, right))


def _same_entries(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(name in right and same(each, right[name]) for name, each in left.items())


def _same_members(left: Any, right: Any) -> bool:
    return bool(left == right) and {(class_of(each), each) for each in left} == {(class_of(e), e) for e in right}


def _same_models(left: Any, right: Any, *, names: Sequence[str]) -> bool:
    a, b = left.__dict__, right.__dict__
    for name in names:  # not all of the dict, where a cached property is kept as well
        one, other = a.get(name, MISSING), b.get(name, MISSING)
        if one is not other and not same(one, other):
            return False
    return same(getattr(left, "__pydantic_extra__", None), getattr(right, "__pydantic_extra__", None))


def _same_objects(left: Any, right: Any) -> bool:
    return _same_entries(vars(left), vars(right))


def _same_fields(left: Any, right: Any, *, names: Sequence[str]) -> bool:
    return all(same(getattr(left, name, MISSING), getattr(right, name, MISSING)) for name in names)
