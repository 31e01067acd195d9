"""Annotations: what stands around a type, and what kind of type it is."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any, Final

import typing_extensions

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRAPPERS: Final = (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.ReadOnly, typing.Final)


def is_record(origin: object) -> bool:
    """Whether a type has named parts; fixed tuples, which need their arguments, aside."""
    if not isinstance(origin, type):
        return False
    cls: type[object] = origin
    return (
        hasattr(cls, "__pydantic_fields__")
        or dataclasses.is_dataclass(cls)
        or typing_extensions.is_typeddict(cls)
        or (tuple in cls.__mro__ and hasattr(cls, "_fields"))
    )


def is_secret(origin: object) -> bool:
    """Whether a type hides what it holds, so that nothing but the whole of it can be compared."""
    from pydantic import Secret, SecretBytes, SecretStr

    return isinstance(origin, type) and issubclass(origin, (Secret, SecretBytes, SecretStr))


def unwrapped(type_: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take off what stands around a type: ``Annotated``, aliases, ``NewType``; return what ``Annotated`` says of it."""
    marks: tuple[Any, ...] = ()
    while True:
        origin = typing.get_origin(type_)
        if origin in (typing.Annotated, typing_extensions.Annotated):
            marks = (*type_.__metadata__, *marks)
            type_ = type_.__origin__
        elif origin in _WRAPPERS:
            type_ = typing.get_args(type_)[0]
        elif isinstance(origin, typing_extensions.TypeAliasType):
            filled = dict(zip(origin.__type_params__, typing.get_args(type_), strict=False))
            type_ = filled_in(origin.__value__, filled)
        elif isinstance(type_, typing_extensions.TypeAliasType):
            type_ = type_.__value__
        elif isinstance(type_, typing.NewType):
            type_ = type_.__supertype__
        elif isinstance(type_, typing.TypeVar):
            type_ = type_.__bound__ or Any
        else:
            return type_, marks


def filled_in(type_: Any, variables: Mapping[Any, Any]) -> Any:
    """Put types in the place of type variables."""
    if isinstance(type_, typing.TypeVar):
        return variables.get(type_, type_)
    free = getattr(type_, "__parameters__", ())
    return type_[tuple(variables.get(each, each) for each in free)] if free and variables else type_
