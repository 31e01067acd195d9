"""LiteLLM and instructor: imported once, late, and without what they do by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator


class Libraries(NamedTuple):
    """The two packages, and the classes that can only be made once they are imported."""

    litellm: Any
    instructor: Any
    stop: type[Exception]
    wrapped: type[Exception]
    invalid: type[Exception]
    schema: type[Any]


_loading = threading.Lock()
_libraries: Libraries | None = None


async def loaded() -> Libraries:
    """Import both at the first call, in a thread: it takes seconds, and the event loop has other work."""
    return _libraries if _libraries is not None else await asyncio.to_thread(load)


def libraries() -> Libraries | None:
    """Both, if they are imported already."""
    return _libraries


def load() -> Libraries:
    """Import both at the first call, here and now."""
    global _libraries  # noqa: PLW0603 - an import happens once per process
    with _loading:
        if _libraries is None:
            _libraries = _import()
        return _libraries


def _import() -> Libraries:
    with _quiet_import():
        import instructor
        import litellm
        from instructor.core import IncompleteOutputException, InstructorRetryException
        from instructor.v2.core.errors import ResponseParsingError
        from instructor.v2.core.function_calls import ResponseSchema
    litellm.suppress_debug_info = True  # else it prints a banner for every failure

    class Stop(IncompleteOutputException):
        """Ends a dialogue: instructor passes on this class, and no other, as it is."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    return Libraries(litellm, instructor, Stop, InstructorRetryException, ResponseParsingError, ResponseSchema)


@contextlib.contextmanager
def _quiet_import() -> Generator[None]:
    """Turn off what LiteLLM fetches and loads by itself, unless the environment says otherwise."""
    # These two are read again at the first use of a vendor, so they stay.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    dotenv = "LITELLM_MODE" not in os.environ
    if dotenv:
        os.environ["LITELLM_MODE"] = "PRODUCTION"  # the switch against loading .env
    try:
        yield
    finally:
        if dotenv:
            del os.environ["LITELLM_MODE"]
