"""A demonstration: short documents, several models, and how much of what they say is right.

Without ``--models`` the models are small ones on this computer, which need no key and no network.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ensemble_parse._ensemble import Ensemble
from ensemble_parse._errors import AllProcessorsFailed
from ensemble_parse._processor import Processor
from ensemble_parse.demo import _show
from ensemble_parse.demo._documents import INVOICES, SHIPMENTS
from ensemble_parse.local import GEMMA3, SMOLLM2, local_models

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rich.console import Console

    from ensemble_parse._models import Result
    from ensemble_parse.demo._documents import Task

SAMPLES = 3


@dataclass(slots=True)
class Score:
    """What was right over all documents so far.

    Attributes:
        fields: how many fields there were.
        alone: processor -> fields right; one that did not answer has none right.
        together: fields right of what was decided.
        by_agreement: share of the processors that agree on a field -> (right, all).
        seconds: what the calls took.
        input_tokens: over all requests.
        output_tokens: over all requests.
        requests: how many.
        dollars: what is known of the price.
        failed: documents on which no processor gave an answer.
    """

    fields: int = 0
    alone: dict[str, int] = field(default_factory=dict[str, int])
    together: int = 0
    by_agreement: dict[float, tuple[int, int]] = field(default_factory=dict[float, tuple[int, int]])
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    dollars: float = 0.0
    failed: int = 0

    def add(self, result: Result[Any], truth: dict[str, Any]) -> None:
        """Compare a result with the truth, field by field, exactly."""
        for path, value in truth.items():
            verdict = result.decision.verdicts[path]
            right = verdict.value == value
            self.together += right
            share = round(verdict.agreement, 2)
            hits, total = self.by_agreement.get(share, (0, 0))
            self.by_agreement[share] = (hits + right, total + 1)
            for candidate in result.candidates:
                said = result.format.data(candidate.output)
                self.alone[candidate.name] = self.alone.get(candidate.name, 0) + (said[path] == value)
        self.seconds += result.seconds
        self.input_tokens += result.usage.input_tokens
        self.output_tokens += result.usage.output_tokens
        self.requests += result.usage.requests
        self.dollars += result.cost.known


async def demo(console: Console, *, models: Sequence[str] = (), gemma: bool = False, documents: int = 3) -> Score:
    """Run an ensemble over documents of two kinds whose true values are known, and print what came of it.

    Args:
        console: where to print.
        models: LiteLLM model strings to ask instead of the local models; their keys come from the environment.
        gemma: add Gemma 3 270M to the local models; its terms are shown, and this accepts them.
        documents: how many of each kind.

    Returns:
        What was right.

    Raises:
        ConfigurationError: a local model is not installed, or a model string is unknown.
    """
    score = Score()
    started = time.perf_counter()
    async with _processors(models, gemma=gemma) as processors:
        _show.opening(console, processors, models=models, terms=GEMMA3.terms if gemma else None)
        _show.ready(console, time.perf_counter() - started, local=not models)
        for task in (SHIPMENTS, INVOICES):  # the easier one first; both count
            await _task(console, task, processors, documents, score)
    _show.closing(console, score, local=not models)
    return score


async def _task(
    console: Console, task: Task[Any], processors: Sequence[Processor], documents: int, score: Score
) -> None:
    ensemble = Ensemble(processors, examples=task.examples, name=task.name)
    for text, truth in task.documents[:documents]:
        messages = [{"role": "system", "content": task.instruction}, {"role": "user", "content": text}]
        right = truth.model_dump(mode="json")
        score.fields += len(right)
        for processor in ensemble.processors:
            score.alone.setdefault(processor.name or "", 0)
        try:
            result = await ensemble.run(messages, task.response_format)
        except AllProcessorsFailed as error:
            score.failed += 1
            _show.failure(console, task.name, text, error)
            continue
        score.add(result, right)
        _show.document(console, task.name, text, result, right, ensemble.processors)


@contextlib.asynccontextmanager
async def _processors(models: Sequence[str], *, gemma: bool) -> AsyncGenerator[list[Processor]]:
    if models:
        # One model alone is asked several times: it sees the examples in another order each time.
        samples = SAMPLES if len(models) == 1 else 1
        yield [
            Processor(model, name=f"{model}-{i + 1}" if samples > 1 else model)
            for model in models
            for i in range(samples)
        ]
        return
    local = [SMOLLM2, GEMMA3.accept_terms()] if gemma else [SMOLLM2]
    async with local_models(*local, samples=SAMPLES, temperature=0) as processors:
        yield processors
