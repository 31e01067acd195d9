"""Paths: ``items[2].price`` in verdicts, ``items[].price`` in rules."""

from __future__ import annotations

import difflib
import enum
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._rules import FieldRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ensemble_parse._consensus._node import Step

EACH: Final = "[]"
_STEP: Final = re.compile(r"\[\d*\]|[^.\[\]]+")
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
            ConfigurationError: a path cannot be read, or something else than a rule stands there.
        """
        root = cls()
        for path, given in rules.items():
            steps = _STEP.findall(path)
            if "".join(steps) != path.replace(".", ""):
                message = f"rules[{path!r}]: give a path such as 'items[].price', 'prices.*' or ''"
                raise ConfigurationError(message)
            here = root
            for step in steps:
                here = here.below.setdefault(step, cls())
            several: list[Any] = list(given) if isinstance(given, Iterable) else [given]
            for rule in several:
                if not isinstance(rule, FieldRule):
                    message = f"rules[{path!r}]: {rule!r} is no rule; give one such as Tolerance(rel=0.01)"
                    raise ConfigurationError(message)
            here.here += several
        return root

    def at(self, step: str) -> PathRules | None:
        """Go one step down, if any rule lies there."""
        return self.below.get(step)

    def unused(self, path: str = "") -> str | None:
        """Find a path that the type does not have."""
        for step, below in self.below.items():
            here = path + step if step.startswith("[") or not path else f"{path}.{step}"
            found = below.unused(here) if below.used else here
            if found is not None:
                return found
        return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest what a misspelt name was meant to be, or list what there is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is {', '.join(map(repr, known[:12]))}" if known else ""
