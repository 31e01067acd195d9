"""OpenTelemetry's spans, where somebody records them; else nothing, at no cost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import sys
from importlib.metadata import Distribution
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_API: Final = "opentelemetry.trace"


@contextlib.contextmanager
def spanned(name: str, attributes: Mapping[str, Any]) -> Generator[Any | None]:
    """Make a span the current one; ``None`` where nobody records it.

    Args:
        name: the span's.
        attributes: what a sampler may want to see; as for ``write``.
    """
    api = _api()
    if api is None:
        yield None
        return
    # An exception as the SDK records it has the texts of its causes, and a validation error quotes the answer.
    quiet = {"record_exception": False, "set_status_on_exception": False}
    with _tracer(api).start_as_current_span(name, attributes=_named(attributes), **quiet) as span:
        recording = span if span.is_recording() else None
        try:
            yield recording
        except asyncio.CancelledError:
            if recording is not None:
                write(recording, {"cut_off": True})
            raise
        except BaseException as error:
            if recording is not None:
                write_error(recording, error)
            raise


def write(span: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes; a name is one of the conventions', or this library's without its prefix. ``None`` is left out."""
    span.set_attributes(_named(attributes))


def write_error(span: Any, error: BaseException) -> None:
    """Call a span failed: by the error's class, since its message may be anybody's."""
    kind = type(error).__qualname__
    span.set_attribute("error.type", kind)
    span.set_status(importlib.import_module(_API).StatusCode.ERROR, kind)


def write_evaluation(span: Any, name: str, attributes: Mapping[str, Any]) -> None:
    """Add an evaluation of what came out."""
    # On the span, since Python's API for events as log records still has an underscore, and few have set it up.
    span.add_event("gen_ai.evaluation.result", _named({"gen_ai.evaluation.name": name, **attributes}))


def current_span() -> Any | None:
    """The span that is being recorded here, or ``None``."""
    api = _api()
    span = api.get_current_span() if api else None
    return span if span and span.is_recording() else None


def _api() -> Any | None:
    # Whoever wants spans has imported it to say where they go; nobody else needs it, or waits for its import. By name,
    # so that type checkers do without it, too.
    return importlib.import_module(_API) if _API in sys.modules else None


@functools.cache
def _tracer(api: Any) -> Any:
    installed = next((each.version for each in Distribution.discover(name="ensemble-parse")), None)
    return api.get_tracer("ensemble_parse", installed)


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name if name.startswith("gen_ai.") else f"ensemble_parse.{name}": value
        for name, value in attributes.items()
        if value is not None
    }
