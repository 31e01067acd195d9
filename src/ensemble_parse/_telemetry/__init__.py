"""What a call did, for OpenTelemetry and for ``logging``; never what was asked or answered, unless one opts in.

    invoke_workflow <ensemble>      the call
      ask <processor>               one request of the panel's; tracers of LiteLLM put their spans in here
      decide <decision maker>
        ask <judge>

Names and attributes follow OpenTelemetry's conventions for generative AI where they have one; everything else stands
under ``ensemble_parse.``.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from ensemble_parse._telemetry._attributes import (
    captured,
    content,
    lowest_agreement,
    of_attempts,
    of_decision,
    of_result,
    support,
)
from ensemble_parse._telemetry._lines import log_attempts, log_event, logger
from ensemble_parse._telemetry._spans import spanned, write, write_error, write_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ensemble_parse._errors import ProcessorError
    from ensemble_parse._models import Attempt, Candidate, Decision, Event, Messages, Result
    from ensemble_parse._seats import Seat


@contextlib.contextmanager
def workflow(
    name: str, pace: str, messages: Messages, tell: Callable[[Event], None]
) -> Generator[Callable[[Event], None]]:
    """Trace one call.

    Args:
        name: the ensemble's.
        pace: who is asked when.
        messages: what was asked, for those who opt in.
        tell: takes what happens.

    Returns:
        What takes what happens in its place.
    """
    # The first release of the conventions on their own puts `gen_ai.agent.name` for `gen_ai.workflow.name`; backends
    # know the one or the other.
    names = {"gen_ai.workflow.name": name, "gen_ai.agent.name": name}
    operation = {"gen_ai.operation.name": "invoke_workflow", **names, "pace": pace}
    with spanned(f"invoke_workflow {name}", operation) as span:
        if span is None and not logger.isEnabledFor(logging.INFO):
            yield tell
            return
        cancelled = 0

        def heard(event: Event) -> None:
            nonlocal cancelled
            cancelled += event.kind == "cancelled"
            log_event(name, event)
            if span is not None and event.result is not None:
                write(span, {**of_result(event.result), "cancelled.count": cancelled})
                _evaluate(span, messages, event.result)
            tell(event)

        try:
            yield heard
        except Exception as error:
            logger.info("%s: %s", name, type(error).__qualname__)
            attempts: Sequence[Attempt] | None = getattr(error, "attempts", None)
            if span is not None and attempts is not None:
                write(span, {**of_attempts(attempts), "cancelled.count": cancelled})
            raise


@contextlib.contextmanager
def asking(
    seat: Seat, attempts: Sequence[Attempt], candidates: Sequence[Candidate[Any]], errors: Sequence[ProcessorError]
) -> Generator[None]:
    """Trace what one request asks of one processor, or of a judge.

    Args:
        seat: of whom, and how many samples.
        attempts: the ledger, complete when this ends.
        candidates: what came of it by then.
        errors: what did not.
    """
    whom = {"processor": seat.name, "model": seat.model, "position": seat.position}
    with spanned(f"ask {seat.name}", {**whom, "sample.first": seat.sample, "sample.count": seat.n}) as span:
        try:
            yield
        finally:
            log_attempts(attempts)
            if span is not None:
                repaired = sum(each.repaired for each in candidates)
                counts = {"candidate.count": len(candidates), "candidate.repaired": repaired}
                write(span, {**counts, "error.count": len(errors), **of_attempts(attempts)})
                if errors and not candidates:
                    write_error(span, errors[0])


@contextlib.contextmanager
def deciding(maker: object) -> Generator[Callable[[Decision[Any]], None]]:
    """Trace how a decision is made; what this gives takes it.

    Args:
        maker: the decision maker.
    """
    who = type(maker).__name__
    with spanned(f"decide {who}", {"decision_maker": who}) as span:

        def made(decision: Decision[Any]) -> None:
            if span is None:
                return
            write(span, of_decision(decision))
            for name, share in support(decision).items():
                write_evaluation(span, "support", {"gen_ai.evaluation.score.value": share, "candidate.name": name})
            if decision.by is not None:
                judged = {"gen_ai.evaluation.score.label": decision.method, "processor": decision.by}
                why = {"gen_ai.evaluation.explanation": decision.explanation} if captured() else {}
                write_evaluation(span, "judgement", {**judged, **why})

        yield made


def _evaluate(span: Any, messages: Messages, result: Result[Any]) -> None:
    lowest = lowest_agreement(result.decision)
    if lowest is not None:
        label = {"gen_ai.evaluation.score.label": result.decision.method}
        write_evaluation(span, "agreement", {"gen_ai.evaluation.score.value": lowest, **label})
    if captured():
        write(span, content(messages, result))
