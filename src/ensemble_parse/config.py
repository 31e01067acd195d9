"""Ensembles in a file: read, checked, overridden by the environment, and written again.

    [ensembles.invoices]
    processors = [
      "openai/gpt-5-mini",
      { model = "anthropic/claude-haiku-4-5", weight = 1.2, retry = { attempts = 4, timeout = 20 } },
    ]
    decision_maker = "openai/gpt-5"
    deadline = 60

``Ensemble.from_config("ensembles.toml", "invoices")`` builds it, ``ensemble.to_config()`` gives the same as data, and
``dumps`` as the text of a file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from ensemble_parse._config._format import ENSEMBLE
from ensemble_parse._config._overrides import overridden
from ensemble_parse._config._toml import toml
from ensemble_parse._config._values import no_keys, plain
from ensemble_parse._consensus._paths import join, one_of
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._processor import is_text

if TYPE_CHECKING:
    import os

    from ensemble_parse._client._protocol import Client

__all__ = ["dumps", "load", "names", "to_config"]

E = TypeVar("E", bound=Ensemble)


def load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    name: str | None = None,
    *,
    client: Client | None = None,
    make: type[E] = Ensemble,  # type: ignore[assignment]
) -> E:
    """Build an ensemble from a file or a mapping; ``Ensemble.from_config`` is this.

    Args:
        source: a ``.toml``, ``.yaml`` or ``.yml`` file, or what one holds, as ``to_config`` gives it. Variables of the
            environment that override settings apply to files.
        name: which ensemble; not needed where there is only one.
        client: how models are reached; by default through LiteLLM.
        make: the class.

    Raises:
        ConfigurationError: the file cannot be read, there is no such ensemble, a setting is unknown or of the wrong
            type, a key stands in the file, a variable is missing. All that is wrong is told at once.

    Examples:
        >>> from ensemble_parse import config
        >>> config.load({"ensembles": {"quick": {"processors": ["openai/gpt-5-mini"], "decision_maker": "first"}}})
        Ensemble(['openai/gpt-5-mini'], decision_maker=First())
    """
    where, ensembles = _read(source)
    known = ", ".join(map(repr, ensembles))
    if name is None and len(ensembles) == 1:
        (name,) = ensembles
    if name is None:
        message = f"{where}: name one of its ensembles: {known}"
        raise ConfigurationError(message)
    if name not in ensembles:
        close = difflib.get_close_matches(name, ensembles, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        message = f"{where}: there is no ensemble {name!r}{meant} (there is {known})"
        raise ConfigurationError(message)
    changed: dict[tuple[Any, ...], str] = {}
    data = ensembles[name]
    if not isinstance(source, Mapping):
        try:
            data, changed = overridden(ENSEMBLE, ensembles, name)
        except ConfigurationError as error:
            message = f"{where}: {error}"
            raise ConfigurationError(message) from None
    table = replace(ENSEMBLE, build=partial(make, name=name, client=client))
    reader: TypeAdapter[E] = TypeAdapter(Annotated[Any, table])
    try:
        return reader.validate_python(data, strict=True)
    except ValidationError as error:
        lines = [f"{where}: {line}" for line in _told(error, join("ensembles", name), changed)]
        # Without the cause: it holds the values, and one of them may be a key.
        raise ConfigurationError("\n".join(lines)) from None


def names(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """Name the ensembles of a file or a mapping.

    Raises:
        ConfigurationError: it cannot be read.

    Examples:
        >>> from ensemble_parse import config
        >>> config.names({"ensembles": {"quick": {"processors": ["openai/gpt-5-mini"]}, "careful": {"processors": 5}}})
        ('quick', 'careful')
    """
    return tuple(_read(source)[1])


def to_config(ensemble: Ensemble) -> dict[str, Any]:
    """Turn an ensemble into plain data that ``load`` takes; ``ensemble.to_config()`` is this.

    What is its default is left out, and ``${NAME}`` stands where it stood.

    Raises:
        ConfigurationError: something of it is no data, such as a decision maker of one's own, or is a key; the message
            says what.

    Examples:
        >>> from ensemble_parse import Ensemble, Processor, config
        >>> ensemble = Ensemble(["openai/gpt-5", Processor("gemini/gemini-2.5-flash", n=2)], name="quick")
        >>> config.to_config(ensemble)["ensembles"]["quick"]["processors"]
        ['openai/gpt-5', {'model': 'gemini/gemini-2.5-flash', 'n': 2}]
    """
    if not is_text(ensemble.name):
        message = f"the ensemble's name is {ensemble.name!r}: a configuration needs a text to call it by"
        raise ConfigurationError(message)
    path = join("ensembles", ensemble.name)
    told = replace(ENSEMBLE, makes=type(ensemble)).write(ensemble, path)
    no_keys(told, path, 'leave it to the environment, or write "${NAME}" in a file that the ensemble is built from')
    return {"ensembles": {ensemble.name: told}}


def dumps(*ensembles: Ensemble | Mapping[str, Any]) -> str:
    """Write ensembles as the text of a TOML file.

    Args:
        ensembles: ensembles, or what ``to_config`` gave of them.

    Raises:
        ConfigurationError: as for ``to_config``; two have one name; TOML has nothing for a value.

    Examples:
        >>> from ensemble_parse import Ensemble, First, config
        >>> ensemble = Ensemble(["openai/gpt-5-mini"], First(), deadline=20, name="quick")
        >>> print(config.dumps(ensemble), end="")
        [ensembles.quick]
        processors = ["openai/gpt-5-mini"]
        decision_maker = "first"
        deadline = 20
    """
    told: dict[str, Any] = {}
    for each in ensembles:
        data = to_config(each) if isinstance(each, Ensemble) else each
        for name, table in _ensembles(data).items():
            if name in told:
                message = f"two ensembles are called {name!r}: give each a name of its own"
                raise ConfigurationError(message)
            told[name] = table
    return toml({"ensembles": told})


def _read(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read a file or a mapping, and say what to call it in messages."""
    where = "the configuration" if isinstance(source, Mapping) else str(source)
    try:
        return where, _ensembles(source if isinstance(source, Mapping) else _file(Path(source)))
    except ConfigurationError as error:
        message = f"{where}: {error}"
    except RecursionError:  # YAML can put a table into itself
        message = f"{where}: it is nested without end"
    raise ConfigurationError(message)


def _file(path: Path) -> Any:
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".yaml": _yaml, ".yml": _yaml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        message = f"give a file that ends in {', '.join(readers)}"
        raise ConfigurationError(message)
    try:
        return reader(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        message = f"it cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = "it is not in UTF-8"
    except tomllib.TOMLDecodeError as error:
        message = f"it is no TOML: {error}"
    raise ConfigurationError(message)


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError:
        message = "reading YAML takes PyYAML: pip install 'ensemble-parse[yaml]'"
        raise ConfigurationError(message) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Not all of the error: it quotes the line, and a key may stand there.
        mark = getattr(error, "problem_mark", None)
        message = f"it is no YAML{f' (at line {mark.line + 1}, column {mark.column + 1})' if mark else ''}"
        raise ConfigurationError(message) from None


def _ensembles(data: object) -> dict[str, Any]:
    """Take the tables out of what a file holds, by name."""
    known = "a configuration holds [ensembles.<name>] tables"
    told: Any = plain(data, "")
    if not isinstance(told, dict) or "ensembles" not in told:
        message = f"there is no 'ensembles'; {known}"
        raise ConfigurationError(message)
    ensembles = cast("dict[str, Any]", told).pop("ensembles")
    if told:
        message = f"there is no place for {', '.join(map(repr, cast('dict[str, Any]', told)))}; {known}"
        raise ConfigurationError(message)
    if not isinstance(ensembles, dict) or not ensembles:
        message = f"'ensembles' is empty; {known}"
        raise ConfigurationError(message)
    no_keys(ensembles, "ensembles", 'write "${NAME}", a variable of the environment, or leave it to LiteLLM')
    return cast("dict[str, Any]", ensembles)


def _told(error: ValidationError, path: str, changed: Mapping[tuple[Any, ...], str]) -> list[str]:
    """Put errors into our words: the path in the file, what is wrong, and which variable may have done it."""
    lines: list[str] = []
    for each in error.errors(include_url=False):
        at, loc = path, each["loc"]
        for step in loc:
            at = join(at, step)
        what = each.get("ctx", {}).get("error", each["msg"])
        if each["type"] == "literal_error":  # the value itself is not told: it may be a key
            what = one_of(each["input"], re.findall(r"'([^']*)'", each["ctx"]["expected"]))
        variables = [name for where, name in changed.items() if where[: len(loc)] == loc[: len(where)]]
        why = f" (changed by {', '.join(variables)})" if variables else ""
        lines.append(f"{at}: {what}{why}")
    return lines
