"""Rules: how one field's values are compared and combined, written in ``Annotated``.

    class Item(BaseModel):
        sku: str
        price: Annotated[float, Tolerance(rel=0.01)]

    class Invoice(BaseModel):
        items: Annotated[list[Item], Items(key="sku")]
        notes: Annotated[str, Ignore()]

For a type that cannot be edited the same rules go in a mapping from path to rule, such as
``{"items[].price": Tolerance(rel=0.01)}``: ``[]`` is every item of a list, set or tuple, ``*`` every value of a dict,
and ``""`` the answer itself.

A field takes one rule of each kind: how to compare (``Exact``, ``Text``, ``Tolerance``, ``Items``), how to combine
(``Median``, ``Mean``, ``AnyOf``, ``AllOf``, ``Whole``, ``Rule``), and what to make of dissent (``AskJudge``,
``MustAgree``, ``Ignore``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar

from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

C = TypeVar("C", bound=type)

Kind: TypeAlias = Literal["text", "number", "exact", "list", "set", "dict", "record", "any"]
RuleKind: TypeAlias = Literal["compare", "combine", "dissent", "group"]

_ALL: tuple[Kind, ...] = ("text", "number", "exact", "list", "set", "dict", "record", "any")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What all rules have in common: what they say something about, and which values they fit."""

    kind: ClassVar[RuleKind]
    fits: ClassVar[tuple[Kind, ...]] = _ALL


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


@dataclass(frozen=True, slots=True)
class Median(FieldRule):
    """The weighted median: for estimates. With an odd number of equal weights it is a value that was said.

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


@dataclass(frozen=True, slots=True, init=False)
class Together(FieldRule):
    """Fields of one model that are voted upon as one: an amount and its currency.

    It stands where the model is used, ``Annotated[Price, Together("amount", "currency")]``, in a mapping of rules, or
    above the class as a decorator.

    Attributes:
        fields: the names, two or more.

    Raises:
        ConfigurationError: fewer than two names.

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
        if len(set(fields)) < 2:  # noqa: PLR2004
            message = f"Together{fields!r}: name two fields or more"
            raise ConfigurationError(message)
        object.__setattr__(self, "fields", fields)

    def __call__(self, cls: C) -> C:
        """Put the rule on a class."""
        setattr(cls, ON_CLASS, (*getattr(cls, ON_CLASS, ()), self))
        return cls


@dataclass(frozen=True, slots=True)
class AskJudge(FieldRule):
    """Every dissent about this field goes to the judge, even against a majority; without a judge the vote decides.

    Examples:
        >>> AskJudge()
        AskJudge()
    """

    kind = "dissent"


@dataclass(frozen=True, slots=True)
class MustAgree(FieldRule):
    """Anything less than all candidates is undecided, and for a person to look at; the vote's winner stands meanwhile.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([5, 5, 6], rules={"": MustAgree()}).review
        ('',)
    """

    kind = "dissent"


@dataclass(frozen=True, slots=True)
class Ignore(FieldRule):
    """The field is no matter of agreement: the most trusted candidate's value is taken, as for reasoning or evidence.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([{"why": "x", "n": 1}, {"why": "y", "n": 1}], rules={"*": Ignore()}).output
        {'why': 'x', 'n': 1}
    """

    kind = "dissent"


@dataclass(frozen=True, slots=True)
class Rule(FieldRule):
    """A rule of one's own.

    Attributes:
        function: takes the values, the most trusted first, and their weights in the same order, and returns the value.

    Raises:
        ConfigurationError: it cannot be called.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([3, 9, 4], rules={"": Rule(lambda values, weights: max(values))}).output
        9
    """

    kind = "combine"

    function: Callable[[Sequence[Any], Sequence[float]], Any]

    def __post_init__(self) -> None:
        """Check the function."""
        if not callable(self.function):
            message = f"Rule({self.function!r}): give a function of the values and their weights"
            raise ConfigurationError(message)


ON_CLASS = "__ensemble_parse_rules__"
