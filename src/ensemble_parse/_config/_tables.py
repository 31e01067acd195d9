"""Kinds of tables: which settings each has, what is made of them, and how that is written again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

from pydantic_core import core_schema

from ensemble_parse._config._values import filled, plain, written
from ensemble_parse._consensus._paths import did_you_mean, join
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._processor import check_params

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

# A type, a Table or a Choice, ``[Table]`` for a list of them, or ``{"*": Choice}`` for any names.
Spec: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose keys are settings of one thing, such as a processor.

    Attributes:
        makes: its class.
        settings: what each setting may be.
        params: whether any further key is a model parameter.
        short: the setting that a text stands for.
        build: makes the thing of the settings, where that is not done by calling its class.
        expand: writes short forms out.
        implied: settings that are as they are because of others, and need not be written.
        data: makes data of settings that are none.
        python_only: settings that no file can hold, and what to do about it.
    """

    makes: Callable[..., Any]
    settings: Mapping[str, Spec]
    params: bool = False
    short: str | None = None
    build: Callable[..., Any] | None = None
    expand: Callable[[dict[str, Any]], dict[str, Any]] = dict
    implied: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    data: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict[str, Any])
    python_only: Mapping[str, str] = field(default_factory=dict[str, str])

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read one: short forms, then names, then types, then what the thing itself checks."""
        fields = {
            name: core_schema.typed_dict_field(
                handler.generate_schema(type_of(spec)), required=name in self._required()
            )
            for name, spec in self.settings.items()
        }
        table = core_schema.typed_dict_schema(fields, extra_behavior="allow" if self.params else "forbid")
        checked = core_schema.no_info_before_validator_function(self._checked, table)
        return core_schema.no_info_after_validator_function(self._made, checked)

    def expanded(self, value: Any) -> dict[str, Any]:
        """Write the short forms of a table out.

        Raises:
            ConfigurationError: it is none.
        """
        if isinstance(value, str) and self.short:
            value = {self.short: value}
        if not isinstance(value, dict):
            text = f", or a text: the {self.short}" if self.short else ""
            message = f"give a table of settings{text}"
            raise ConfigurationError(message)
        return self.expand(cast("dict[str, Any]", value))

    def write(self, thing: Any, path: str) -> Any:
        """Turn a thing into plain data, without what is its default.

        Raises:
            ConfigurationError: something of it cannot be written; the message says what.
        """
        if type(thing) is not self.makes:
            raise unwritable(thing, path)
        implied = self.implied(thing)
        told: dict[str, Any] = {}
        for name, default in self._defaults().items():
            value = getattr(thing, name)
            if (name in implied and implied[name] == value) or value == default:
                continue
            if name not in self.settings:
                raise unwritable(value, join(path, name))
            data = _written(self.settings[name], self.data.get(name, _same)(value), join(path, name))
            if data != {} or name in self._required():
                told[name] = data
        if self.params:
            params: Mapping[str, Any] = getattr(thing, "params", {})
            told |= {name: written(value, join(path, name)) for name, value in params.items()}
        short = told.get(self.short or "")
        return short if isinstance(short, str) and len(told) == 1 else told

    def _checked(self, value: Any) -> dict[str, Any]:
        told = self.expanded(value)
        for name in told:
            if name in self.python_only:
                message = f"{name!r} cannot be set here: {self.python_only[name]}"
                raise ConfigurationError(message)
            if name not in self.settings and not self.params:
                message = f"there is no setting {name!r}{did_you_mean(name, self.settings)}"
                raise ConfigurationError(message)
        return told

    def _made(self, told: dict[str, Any]) -> Any:
        params = {name: filled(value, name) for name, value in told.items() if name not in self.settings}
        settings = {name: value for name, value in told.items() if name in self.settings}
        check_params(params, getattr(self.makes, "__name__", ""), self.settings)
        return (self.build or self.makes)(**settings, **params)

    def _defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.makes).parameters.values()
        return {each.name: each.default for each in parameters if each.kind is not each.VAR_KEYWORD}

    def _required(self) -> set[str]:
        return {name for name, default in self._defaults().items() if default is inspect.Parameter.empty}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One thing of several kinds, told by name: ``"first"``, or ``{judge = {...}}`` where it has settings.

    Attributes:
        kinds: the table of each.
        several: whether several may be given, each under its name.
        text: writes out a text that is no name.
    """

    kinds: Mapping[str, Table]
    several: bool = False
    text: Callable[[str], dict[str, Any]] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read one."""
        fields = {
            name: core_schema.typed_dict_field(handler.generate_schema(type_of(table)), required=False)
            for name, table in self.kinds.items()
        }
        table = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        checked = core_schema.no_info_before_validator_function(self._checked, table)
        return core_schema.no_info_after_validator_function(self._made, checked)

    @property
    def settings(self) -> Mapping[str, Spec]:
        """What a table of it may hold."""
        return self.kinds

    def expanded(self, value: Any) -> dict[str, Any]:
        """Write the short forms of a choice out.

        Raises:
            ConfigurationError: it is none.
        """
        if isinstance(value, str):
            if value not in self.kinds and self.text:
                return self.text(value)
            return {value: {}}
        if not isinstance(value, dict):
            message = f"give one of {', '.join(self.kinds)}, or a table: {{ {next(iter(self.kinds))} = {{ ... }} }}"
            raise ConfigurationError(message)
        return dict(cast("dict[str, Any]", value))

    def write(self, thing: Any, path: str) -> Any:
        """Turn one into plain data: its name, or a table of its settings under its name.

        Raises:
            ConfigurationError: it is the user's own.
        """
        several: list[Any] = list(cast("Iterable[Any]", thing)) if isinstance(thing, Iterable) else [thing]
        told: dict[str, Any] = {}
        for each in several:
            name = next((name for name, table in self.kinds.items() if type(each) is table.makes), None)
            if name is None or name in told:
                raise unwritable(each, path)
            told[name] = self.kinds[name].write(each, join(path, name))
        return next(iter(told)) if len(told) == 1 and {} in told.values() else told

    def _checked(self, value: Any) -> dict[str, Any]:
        told = self.expanded(value)
        for name in told:
            if name not in self.kinds:
                message = f"there is no {name!r}{did_you_mean(name, self.kinds)}"
                raise ConfigurationError(message)
        if not told or (len(told) > 1 and not self.several):
            message = f"give one of {', '.join(self.kinds)}"
            raise ConfigurationError(f"{message}, not {' and '.join(told)}" if told else message)
        return told

    def _made(self, told: dict[str, Any]) -> Any:
        things = tuple(told.values())
        return things[0] if len(things) == 1 else things


def type_of(spec: Spec) -> Any:
    """Say what Pydantic reads a setting as."""
    match spec:
        case Table() | Choice():
            return Annotated[Any, spec]
        case [each]:
            return list[type_of(each)]  # type: ignore[misc]
        case {"*": each}:
            return dict[str, type_of(each)]  # type: ignore[misc]
        case _:
            return spec


def unwritable(thing: Any, path: str) -> ConfigurationError:
    """Say that something is code and not data."""
    message = (
        f"{path}: a {type(thing).__name__.lstrip('_')} cannot be written to a configuration, which holds data and no "
        "code; set it in Python"
    )
    return ConfigurationError(message)


def _same(value: Any) -> Any:
    return value


def _written(spec: Spec, value: Any, path: str) -> Any:
    match spec:
        case Table() | Choice():
            return spec.write(value, path)
        case [each]:
            return [_written(each, item, join(path, at)) for at, item in enumerate(value)]
        case {"*": each}:
            return {name: _written(each, item, join(path, name)) for name, item in value.items()}
        case _:
            return plain(value, path)
