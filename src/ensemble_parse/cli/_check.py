"""``ensemble-parse check``: whether it would run, found out without a request; with ``--ping``, with a tiny one."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ensemble_parse._client._keys import key
from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import AllProcessorsFailed, ConfigurationError, EnsembleError
from ensemble_parse._models import TRANSPORT
from ensemble_parse._processor import Processor
from ensemble_parse._retry import RetryPolicy
from ensemble_parse.cli import _options
from ensemble_parse.cli._asked import Asked
from ensemble_parse.cli._schema import response_format

if TYPE_CHECKING:
    from collections.abc import Mapping

_PING: Final = "Say hello in one word."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What was found out about one model.

    Attributes:
        who: the processor's name.
        told: what is shown of its key, of the schema, and of its answer.
        fine: whether it would run.
    """

    who: str
    told: tuple[str, ...]
    fine: bool


def check(
    *,
    schema: _options.MaybeSchema = None,
    config: _options.Config = None,
    ensemble: _options.Name = None,
    model: _options.Models = None,
    local: _options.Local = 0,
    judge: _options.Judge = None,
    ping: Annotated[
        bool, typer.Option("--ping", help="Ask each model one tiny question, and show how long it took.")
    ] = False,
) -> None:
    """Check the configuration, the keys in the environment, and the type with each vendor, without a request."""
    type_ = response_format(schema) if schema else None
    names: tuple[str | None, ...] = (ensemble,)
    if config is not None and ensemble is None:
        from ensemble_parse.config import names as named

        names = named(config)
    fine = True
    for name in names:
        asked = Asked(config=config, name=name, models=model or (), local=local, judge=judge)
        fine &= asyncio.run(_checked(asked, type_, ping=ping))
    if not fine:
        raise typer.Exit(1)


async def _checked(asked: Asked, type_: Any, *, ping: bool) -> bool:
    """Check one ensemble and show what was found; returns whether all of it is fine."""
    async with asked.ensemble() as ensemble:
        judges: tuple[Processor, ...] = getattr(ensemble.decision_maker, "processors", ())
        # As in a call: a judge is given what says where requests go, and no other parameter of the ensemble's.
        where = {name: value for name, value in ensemble.params.items() if name in TRANSPORT}
        members = [*((each, ensemble.params) for each in ensemble.processors), *((each, where) for each in judges)]
        found = await asyncio.gather(
            *(_found(each, params, type_, strict=ensemble.strict, ping=ping) for each, params in members)
        )
        _show(ensemble.name, found, [head for head, on in {"schema": type_ is not None, "ping": ping}.items() if on])
        fine = all(each.fine for each in found)
        if fine and type_ is not None:
            await ensemble.check(type_)  # the rules of the decision maker, too
        return fine


async def _found(
    processor: Processor, params: "Mapping[str, Any]", type_: Any, *, strict: bool, ping: bool
) -> _Finding:
    name = processor.name or ""
    if processor.model is None:
        return _Finding(who=name, told=("names no model: give --model or --local",), fine=False)
    told: list[str] = []
    try:
        shown, fine = await _key(processor.model, {**params, **processor.params})
        told.append(shown)
        if type_ is not None:
            (fit,) = await Ensemble([processor], strict=strict, **params).check(type_)
            notes = [f"{path}: {why}" for path, why in fit.problems.items()]
            notes += [f"does not take {each}" for each in fit.dropped]
            told.append("; ".join([f"{fit.mode}{', strict' if fit.strict else ''}", *notes]))
    except ConfigurationError as error:
        return _Finding(who=name, told=(*told, str(error)), fine=False)
    if ping:
        shown, answered = await _pinged(processor, params)
        told.append(shown)
        fine &= answered
    return _Finding(who=name, told=tuple(told), fine=fine)


async def _key(model: str, params: "Mapping[str, Any]") -> tuple[str, bool]:
    known = await key(model, params.get("api_base"))  # before all else: it finds out whether there is such a vendor
    if params.get("api_key"):
        return "given", True
    if known is None:
        return "not checked", True
    names, there = known
    if not names:
        return "none needed", True
    return f"{' or '.join(names)} is {'set' if there else 'missing'}", there


async def _pinged(processor: Processor, params: "Mapping[str, Any]") -> tuple[str, bool]:
    """Ask once, without trying again: what is wrong shall show."""
    once = RetryPolicy(attempts=1, timeout=processor.retry.timeout, reasks=0)
    one = Processor(processor.model, name=processor.name, mode=processor.mode, retry=once, **processor.params)
    try:
        result = await Ensemble([one], **params).run(_PING, str)
    except AllProcessorsFailed as error:
        return str(error.errors[0]), False
    except EnsembleError as error:
        return str(error), False
    return f"{result.seconds:.2f} s", True


def _show(name: str, found: "list[_Finding]", heads: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(name), title_justify="left")
    for head in ("processor", "key", *heads):
        table.add_column(head, overflow="fold")
    for each in found:
        style = "" if each.fine else "red"
        table.add_row(Text(each.who), *(Text(text, style=style) for text in each.told))
    Console().print(table)
