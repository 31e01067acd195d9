"""Rules that say what several values make."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules._field import FieldRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

C = TypeVar("C", bound=type)


@dataclass(frozen=True, slots=True)
class Median(FieldRule):
    """The weighted median: for estimates. With an odd number of equal weights it is a value that was said.

    Where a value may be something else than a number, such as ``None``, it is first decided by weight which it is, ties
    falling to trust, and the median is that of the numbers. ``Mean`` does the same.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([10, 11, 90], rules={"": Median()}).output
        11
    """

    kind = "combine"
    fits = ("number", "any")


@dataclass(frozen=True, slots=True)
class Mean(FieldRule):
    """The weighted mean, rounded to a whole number where the field is one: for measurements of one quantity.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([1.0, 2.0, 6.0], rules={"": Mean()}).output
        3.0
    """

    kind = "combine"
    fits = ("number", "any")


@dataclass(frozen=True, slots=True)
class AnyOf(FieldRule):
    """The union: every item or key that any candidate has.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([["a"], ["a", "b"], ["a"]], rules={"": AnyOf()}).output
        ['a', 'b']
    """

    kind = "combine"
    fits = ("list", "set", "dict")


@dataclass(frozen=True, slots=True)
class AllOf(FieldRule):
    """The intersection: only the items or keys that all candidates have.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([["a", "b"], ["a", "b"], ["a"]], rules={"": AllOf()}).output
        ['a']
    """

    kind = "combine"
    fits = ("list", "set", "dict")


@dataclass(frozen=True, slots=True)
class Whole(FieldRule):
    """The value is voted upon as one, whatever it contains: for parts that mean nothing without each other.

    Examples:
        >>> from ensemble_parse import consensus
        >>> said = [{"t": 1}, {"kg": 1000}, {"t": 1, "kg": 1}, {"kg": 1000}, {"t": 1}, {"kg": 1000}]
        >>> consensus(said, rules={"": Whole()}).output
        {'kg': 1000}
    """

    kind = "combine"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Together(FieldRule):
    """Fields of one model that are voted upon as one: an amount and its currency.

    It stands where the model is used, ``Annotated[Price, Together("amount", "currency")]``, in a mapping of rules, or
    above the class as a decorator.

    Attributes:
        fields: the names, two or more.

    Raises:
        ConfigurationError: fewer than two names, or something else than names.

    Examples:
        >>> from ensemble_parse import consensus
        >>> from pydantic import BaseModel
        >>> @Together("amount", "currency")
        ... class Price(BaseModel):
        ...     amount: int
        ...     currency: str
        >>> said = [Price(amount=1, currency="EUR"), Price(amount=1, currency="USD"), Price(amount=2, currency="USD")]
        >>> consensus(said).output
        Price(amount=1, currency='EUR')
    """

    kind = "group"
    fits = ("record",)

    fields: tuple[str, ...]

    def __init__(self, *fields: str) -> None:
        """Check and keep the names."""
        if len(set(fields)) < 2 or not all(isinstance(each, str) for each in fields):  # noqa: PLR2004
            message = f"Together({', '.join(map(repr, fields))}): name two fields or more"
            raise ConfigurationError(message)
        object.__setattr__(self, "fields", fields)

    def __repr__(self) -> str:
        """Show it as it is written."""
        return f"Together({', '.join(map(repr, self.fields))})"

    def __call__(self, cls: C) -> C:
        """Put the rule on a class."""
        setattr(cls, ON_CLASS, (*getattr(cls, ON_CLASS, ()), self))
        return cls


@dataclass(frozen=True, slots=True)
class Rule(FieldRule):
    """A rule of one's own, called where the candidates do not say the very same; where they do, their value stands.

    What it returns is validated as the field's type: another is a ``DecisionError`` that names the path. An exception
    of the function comes through, with a note that names the path.

    Attributes:
        function: takes the values, the most trusted first, and their weights in the same order, and returns the value.

    Raises:
        ConfigurationError: it cannot be called with these two, as ``max`` cannot.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([3, 9, 4], rules={"": Rule(lambda values, weights: max(values))}).output
        9
    """

    kind = "combine"

    function: Callable[[Sequence[Any], Sequence[float]], Any]

    def __post_init__(self) -> None:
        """Check the function."""
        if not _takes_two(self.function):
            name = getattr(self.function, "__name__", repr(self.function))
            called = name if name.isidentifier() else "max"
            message = (
                f"Rule({name}): give a function of the values and their weights, "
                f"such as Rule(lambda values, weights: {called}(values))"
            )
            raise ConfigurationError(message)


def _takes_two(function: object) -> bool:
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind((), ())
    except (TypeError, ValueError):  # ValueError: built in, such as max, which would compare the two
        return False
    return True


ON_CLASS = "__ensemble_parse_rules__"
