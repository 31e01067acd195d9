"""Paths: ``items[2].price`` in verdicts, ``items[].price`` in rules."""

from __future__ import annotations

import difflib
import enum
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._consensus._node import Collected, Record, Table, Union
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules import FieldRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ensemble_parse._consensus._node import Node, Step

EACH: Final = "[]"
_STEP: Final = re.compile(r"\[\d*\]|[^.\[\]]+")
_PATH: Final = re.compile(r"((\[\d*\]|[^.\[\]]+)(\[\d*\]|\.[^.\[\]]+)*)?")
_PLAIN: Final = re.compile(r"[^\W\d]\w*")


def join(path: str, step: Step) -> str:
    """Go one step on from a path: a field, a key of a dict or a place in a list."""
    if step is None:
        return path
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _PLAIN.fullmatch(step):
        return f"{path}[{json.dumps(step, ensure_ascii=False)}]"
    return f"{path}.{step}" if path else step


def entry(path: str, key: object) -> str:
    """Go on to one entry of a dict: keys that are no texts stand without quotes, so that ``1`` is not ``"1"``."""
    if isinstance(key, str) and not isinstance(key, enum.Enum):
        return join(path, key)
    return f"{path}[{key}]"


class PathRules:
    """The rules of a mapping that lie at one path or below it.

    Attributes:
        here: the rules of this path itself.
        below: what lies further down, by step.
        used: whether the type has such a path.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.here: list[FieldRule] = []
        self.below: dict[str, PathRules] = {}
        self.used = False

    @classmethod
    def of(cls, rules: Mapping[str, FieldRule | Iterable[FieldRule]]) -> PathRules:
        """Read a mapping from path to rule, or to several.

        Raises:
            ConfigurationError: it is no mapping, a path cannot be read, or something else than a rule stands there.
        """
        given_rules: Any = rules
        if not isinstance(given_rules, Mapping):
            message = f"rules={given_rules!r}: give a mapping from path to rule, such as {{'total': MustAgree()}}"
            raise ConfigurationError(message)
        root = cls()
        for path, given in rules.items():
            steps = _steps(path)
            if steps is None:
                message = f"rules[{path!r}]: give a path such as 'items[].price', 'prices.*' or ''"
                raise ConfigurationError(message)
            here = root
            for step in steps:
                here = here.below.setdefault(step, cls())
            several: list[Any] = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
            for rule in several:
                no_class(rule, f"rules[{path!r}]")
                if not isinstance(rule, FieldRule):
                    message = f"rules[{path!r}]: {rule!r} is no rule; give one such as Tolerance(rel=0.01)"
                    raise ConfigurationError(message)
            here.here += several
        return root

    def at(self, step: str) -> PathRules | None:
        """Go one step down, if any rule lies there."""
        return self.below.get(step)

    def reaches(self, path: str) -> bool:
        """Whether the type has one of these paths."""
        here = self
        for step in _STEP.findall(path):
            here = here.below[step]
            if not here.used:
                return False
        return True


def _steps(path: object) -> list[str] | None:
    return _STEP.findall(path) if isinstance(path, str) and _PATH.fullmatch(path) else None


def no_class(rule: object, where: str) -> None:
    """Refuse the class of a rule in the place of a rule.

    Raises:
        ConfigurationError: it is one.
    """
    if isinstance(rule, type) and issubclass(rule, FieldRule):
        message = f"{where}: {rule.__name__} is the class of a rule; write {rule.__name__}(...)"
        raise ConfigurationError(message)


def places(node: Node, path: str = "", inside: tuple[Node, ...] = ()) -> Iterator[str]:
    """Yield the paths of a type, as rules name them; a type that contains itself is entered once."""
    below: list[tuple[str, Node]] = []
    if isinstance(node, Record) and node not in inside:
        for name, part in node.parts.items():
            word = f"[{name}]" if isinstance(name, int) else f".{name}" if path else name
            below.append((path if part.step is None else path + word, part.node))
    elif isinstance(node, Collected):
        below.append((path + EACH, node.item))
    elif isinstance(node, Table) and not node.bare:
        below.append((f"{path}.*" if path else "*", node.item))
    elif isinstance(node, Union):
        below += [(path, each) for each in node.variants]
    for where, each in below:
        if where != path:
            yield where
        yield from places(each, where, (*inside, node))


def path_meant(path: str, known: Iterable[str]) -> str:
    """Suggest which path was meant, or list what there is."""
    known = list(dict.fromkeys(known))
    forms: list[Callable[[str], list[str]]] = [_words, _names]
    for form in forms:
        for each in known:
            if form(path) and form(each) == form(path):
                return f"; did you mean {each!r}?"
    folded = {each.casefold(): each for each in reversed(known)}
    for close in difflib.get_close_matches(path.casefold(), folded, n=1, cutoff=0.6):
        return f"; did you mean {folded[close]!r}?"
    last = {_last(each): each for each in reversed(known)}
    for close in difflib.get_close_matches(_last(path), last, n=1, cutoff=0.7):
        return f"; did you mean {last[close]!r}?"
    return _there_is(known)


def _words(path: str) -> list[str]:
    return [step.strip("[]") for step in _STEP.findall(path) if step != EACH]


def _names(path: str) -> list[str]:
    return [word.casefold() for word in _words(path) if not word.isdigit() and word != "*"]


def _last(path: str) -> str:
    return next(reversed(_names(path)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest what a misspelt name was meant to be, or list what there is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else _there_is(known)


def one_of(given: object, known: Iterable[str]) -> str:
    """Say which values there are to give, and which of them was meant."""
    known = list(known)
    close = difflib.get_close_matches(given, known, n=1) if isinstance(given, str) else []
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"give one of {', '.join(map(repr, known))}{meant}"


def _there_is(known: list[str]) -> str:
    more = ", ..." if len(known) > 12 else ""  # noqa: PLR2004
    return f"; there is {', '.join(map(repr, known[:12]))}{more}" if known else ""
