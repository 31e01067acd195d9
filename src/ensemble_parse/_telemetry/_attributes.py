"""What spans say of results, decisions and requests; and, for those who opt in, what was asked and answered."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._models import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ensemble_parse._models import Attempt, Decision, Messages, Result

_OPT_IN: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def of_result(result: Result[Any]) -> dict[str, Any]:
    """How a call went."""
    return {
        **of_decision(result.decision),
        **of_attempts(result.attempts),
        "status": result.status,
        "reasons": sorted({reason.kind for reason in result.reasons}),
        "candidate.count": len(result.candidates),
        "error.count": len(result.errors),
    }


def of_decision(decision: Decision[Any]) -> dict[str, Any]:
    """How it was decided. Numbers of paths, not their names: the keys of a dict are a model's words."""
    hows = [verdict.how for verdict in decision.verdicts.values()]
    return {
        "method": decision.method,
        "decided_by": decision.by,
        "agreement.min": lowest_agreement(decision),
        "path.count": len(hows),
        "path.review": len(decision.review),
        "path.undecided": hows.count("undecided"),
        "path.judged": hows.count("judge"),
        "path.repaired": hows.count("repaired"),
    }


def of_attempts(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """What was spent. Not as ``gen_ai.usage.*``: a backend adds that up, and each request's own span has it."""
    usage, cost = sum((attempt.usage for attempt in attempts), Usage()), Cost.of(attempts)
    return {
        "attempt.count": len(attempts),
        "usage.input_tokens": usage.input_tokens,
        "usage.output_tokens": usage.output_tokens,
        "cost.usd": cost.known,
        "cost.complete": cost.total is not None,
    }


def lowest_agreement(decision: Decision[Any]) -> float | None:
    """The least agreement on any path that is a matter of agreement."""
    return min((each.agreement for each in decision.verdicts.values() if each.how != "ignored"), default=None)


def support(decision: Decision[Any]) -> dict[str, float]:
    """Of each candidate, the share of the paths on which it says what was decided."""
    verdicts = decision.verdicts.values()
    told = {name: sum(name in each.supporters for each in verdicts) for name in decision.names}
    return {name: count / len(verdicts) for name, count in told.items()} if verdicts else {}


def captured() -> bool:
    """Whether texts may stand on spans: the switch that OpenTelemetry's instrumentations share, however it is spelt."""
    return os.environ.get(_OPT_IN, "").strip().lower() in {"true", "1", "span_only", "span_and_event"}


def content(messages: Messages, result: Result[Any]) -> dict[str, str]:
    """What was asked and answered, as the conventions write messages."""
    asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    answer = {"role": "assistant", "content": result.format.text(result.output)}
    return {
        "gen_ai.input.messages": _json([*map(_said, asked)]),
        "gen_ai.output.messages": _json([_said(answer) | {"finish_reason": "stop"}]),
    }


def _json(messages: Sequence[Mapping[str, Any]]) -> str:
    # Half a character, which no exporter can write, as JSON's escape for it.
    return json.dumps(messages, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message; of images, files and audio no more than that they are there."""
    said: str | Iterable[Mapping[str, Any]] = message.get("content") or ()
    parts = [{"type": "text", "text": said}] if isinstance(said, str) else said
    told = [
        {"type": "text", "content": text} if isinstance(text := part.get("text"), str) else {"type": str(part["type"])}
        for part in parts
    ]
    return {"role": str(message.get("role")), "parts": told}
