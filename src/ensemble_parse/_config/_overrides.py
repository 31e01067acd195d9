"""What the environment of a deployment changes in a file: ``ENSEMBLE_PARSE__INVOICES__DEADLINE=20``."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final, cast

from ensemble_parse._config._tables import Choice, Table
from ensemble_parse._consensus._paths import did_you_mean
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ensemble_parse._config._tables import Spec

PREFIX: Final = "ENSEMBLE_PARSE__"


def overridden(spec: Table, ensembles: Mapping[str, Any], chosen: str) -> tuple[Any, dict[tuple[Any, ...], str]]:
    """Put what the environment says into one ensemble's table.

    Args:
        spec: what the table may hold.
        ensembles: all tables of the file, by name.
        chosen: whose is wanted.

    Returns:
        The table, and which variable changed which path of it.

    Raises:
        ConfigurationError: a variable says something about nothing that there is.
    """
    data = ensembles[chosen]
    changed: dict[tuple[Any, ...], str] = {}
    names = _names(ensembles)
    for variable in sorted(name for name in os.environ if name.startswith(PREFIX)):
        ensemble, *steps = variable.removeprefix(PREFIX).split("__")
        if ensemble not in names:
            message = f"{variable}: there is no ensemble {ensemble!r}{did_you_mean(ensemble, names)}"
            raise ConfigurationError(message)
        meant = [name for name in ensembles if _name(name) == ensemble]
        if len(meant) > 1:
            both = " and ".join(map(repr, meant))
            message = f"{variable}: it means {both}: give them names that differ when written so"
            raise ConfigurationError(message)
        if not steps:
            message = f"{variable}: name a setting, such as {PREFIX}{ensemble}__DEADLINE"
            raise ConfigurationError(message)
        if names[ensemble] == chosen:
            path: list[Any] = []
            data = _changed(spec, data, steps, _value(os.environ[variable]), variable, path)
            changed[tuple(path)] = variable
    return data, changed


def _changed(spec: Spec, data: Any, steps: list[str], value: Any, variable: str, path: list[Any]) -> Any:
    """Return data with one value changed, and note its path."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(spec, Table | Choice):
        data = spec.expanded({} if data is None else data)
    held = _held(data)
    known = _known(spec, held)
    if step not in known:
        message = f"{variable}: there is no {step!r} to set{did_you_mean(step, known)}"
        raise ConfigurationError(message)
    key = known[step]
    path.append(key)
    changed = held | {key: _changed(_below(spec, key), held.get(key), rest, value, variable, path)}
    return list(changed.values()) if isinstance(data, list) else changed


def _held(data: Any) -> dict[Any, Any]:
    match data:
        case dict():
            return cast("dict[Any, Any]", data)
        case list():
            return dict(enumerate(cast("list[Any]", data)))
        case _:
            return {}


def _below(spec: Spec, key: Any) -> Spec:
    match spec:
        case Table() | Choice():
            return spec.settings.get(key)
        case [each] | {"*": each}:
            return each
        case _:
            return None


def _known(spec: Spec, held: Mapping[Any, Any]) -> dict[str, Any]:
    """Map what can be set, as a variable calls it, to its key; a table in a list is called by its own name, too."""
    if isinstance(spec, Table | Choice):
        return _names([*spec.settings, *held])
    named = {_name(str(item["name"])): at for at, item in held.items() if "name" in _held(item)}
    return {_name(str(key)): key for key in held} | (named if isinstance(spec, list) else {})


def _names(names: Iterable[str]) -> dict[str, str]:
    return {_name(name): name for name in names}


def _name(name: str) -> str:
    """Write a name as in a variable: upper case, and ``_`` for what is neither letter nor digit."""
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def _value(text: str) -> Any:
    """Read a value of TOML; what is none is a text, so that a model needs no quotes."""
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return read["value"] if read.keys() == {"value"} else text
