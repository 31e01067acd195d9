"""Log lines under ``ensemble_parse``: who was asked and what came of it; never what was asked or answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ensemble_parse._models import Attempt, Event

logger: Final = logging.getLogger("ensemble_parse")
logger.addHandler(logging.NullHandler())  # where lines go is the application's choice, and nowhere is one


def log_event(name: str, event: Event) -> None:
    """Write a line about what happened during a call of the ensemble of this name."""
    if event.result is not None:
        reasons = event.result.reasons
        # No warning: the result says it, too, and a model without a known price would warn at every call.
        level = logging.INFO if reasons else logging.DEBUG
        why = f" ({', '.join(sorted({reason.kind for reason in reasons}))})" if reasons else ""
        logger.log(level, "%s: decided, %s: %s%s", name, event.result.decision.method, event.result.status, why)
    else:
        whom = f" {event.processor}" if event.processor else ""
        logger.debug("%s: %s%s%s", name, event.kind, whom, f" ({event.error.kind})" if event.error else "")


def log_attempts(attempts: Sequence[Attempt]) -> None:
    """Write a line about each request."""
    if logger.isEnabledFor(logging.DEBUG):
        for each in attempts:
            what = each.error or ("from the cache" if each.cached else "answered")
            tokens = (each.usage.input_tokens, each.usage.output_tokens)
            logger.debug("%s: %s in %.3f s, %d + %d tokens", each.processor, what, each.seconds, *tokens)
