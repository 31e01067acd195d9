"""What the rules of one place in a type come to, and whether they fit it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ensemble_parse._consensus import _values as values
from ensemble_parse._consensus._paths import no_class
from ensemble_parse._errors import ConfigurationError, DecisionError
from ensemble_parse._rules import Exact, FieldRule, Rule, Text, Tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ensemble_parse._consensus._node import Leaf
    from ensemble_parse._rules import Kind, RuleKind

_SAID = {
    "text": "text",
    "number": "numbers",
    "exact": "single values such as dates, booleans and enums",
    "list": "a list",
    "set": "a set",
    "dict": "a dict",
    "record": "a model",
    "any": "any value",
}


@dataclass(frozen=True, slots=True)
class Own(Rule):
    """A user's own rule at its place: what it returns has to be of the place's type.

    Attributes:
        path: where it stands, for messages.
        validated: makes a value of the place's type of one, or raises.
    """

    path: str = field(kw_only=True, compare=False)
    validated: Callable[[Any], Any] = field(kw_only=True, compare=False)

    def made(self, said: Sequence[Any], weights: Sequence[float]) -> Any:
        """Call the function, and check what it returns.

        Raises:
            DecisionError: it is not of the type.
        """
        from pydantic import PydanticUserError, ValidationError

        where = self.path or "the answer"
        try:
            value = self.function(said, weights)
        except Exception as error:
            error.add_note(f"in the Rule of {where}")
            raise
        try:
            return self.validated(value)
        except PydanticUserError:
            return value  # of a class that pydantic knows nothing about
        except ValidationError as error:
            what = type(value).__name__
            message = f"{where}: its Rule returned {what}, which is not valid there: return a value of the field's type"
            raise DecisionError(message) from error


def merged(
    path: str, marks: Iterable[object], mapped: Iterable[FieldRule], dissent: FieldRule | None
) -> dict[RuleKind, FieldRule]:
    """Take one rule of each kind: the mapping's before the type's own, that before what contains it.

    Args:
        path: where this is, for messages.
        marks: what ``Annotated`` says of the type, rules among it.
        mapped: the mapping's rules.
        dissent: what the value that contains it makes of dissent.

    Raises:
        ConfigurationError: one place gives two rules of one kind, or a rule's class.
    """
    rules: dict[RuleKind, FieldRule] = {} if dissent is None else {dissent.kind: dissent}
    for place in (marks, mapped):
        found: dict[RuleKind, FieldRule] = {}
        for rule in place:
            no_class(rule, path or "the answer")
            if not isinstance(rule, FieldRule):
                continue  # somebody else's mark
            other = found.setdefault(rule.kind, rule)
            if other != rule and rule.kind != "group":
                message = f"{path or 'the answer'}: {other!r} and {rule!r} exclude each other; keep one"
                raise ConfigurationError(message)
        rules |= found
    return rules


def check(rules: dict[RuleKind, FieldRule], kind: Kind, path: str) -> dict[RuleKind, FieldRule]:
    """Return the rules if they fit values of this kind.

    Raises:
        ConfigurationError: one does not.
    """
    for rule in rules.values():
        if kind not in rule.fits:
            *most, last = (_SAID[each] for each in rule.fits if each != "any")
            fits = f"{', '.join(most)} or {last}" if most else last
            message = f"{path or 'the answer'}: {rule!r} does not fit {_SAID[kind]}; it is for {fits}"
            raise ConfigurationError(message)
    return rules


def leaf_rules(leaf: Leaf, rules: dict[RuleKind, FieldRule], path: str) -> Leaf:
    """Give a leaf its rules, and compare as they say.

    Raises:
        ConfigurationError: one does not fit.
    """
    leaf.rules = check(rules, leaf.kind, path)
    match rules.get("compare"):
        case Exact():
            leaf.key, leaf.near = values.exact, None
        case Tolerance(rel=rel, abs=absolute):
            leaf.near = functools.partial(_near, rel=rel, absolute=absolute)
        case Text() as told:
            leaf.key = functools.partial(_text, told=told, key=leaf.key)
            leaf.near = functools.partial(_alike, share=told.similar, key=leaf.key) if told.similar else None
        case _:
            pass
    return leaf


def _near(left: object, right: object, *, rel: float, absolute: float) -> bool:
    numbers = values.is_number(left) and values.is_number(right)
    return numbers and values.near(left, right, max(rel, values.REL), absolute)


def _text(value: object, *, told: Text, key: values.Key) -> object:
    if not isinstance(value, str):
        return key(value)
    said = values.text_with_case(value) if told.case else values.text(value)
    return said if told.punctuation else values.without_punctuation(said)


def _alike(left: object, right: object, *, share: float, key: values.Key) -> bool:
    from rapidfuzz import fuzz

    if not (isinstance(left, str) and isinstance(right, str)):
        return False  # such as the None of an optional text
    return fuzz.ratio(str(key(left)), str(key(right)), score_cutoff=100 * share) >= 100 * share
