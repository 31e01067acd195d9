"""What type checkers see of the public API; checked by `nox -s typing`, never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, TypeVar, assert_type

from pydantic import BaseModel
from tenacity import AsyncRetrying, wait_fixed

from ensemble_parse import (
    Budget,
    Candidate,
    Case,
    Decision,
    Ensemble,
    First,
    Judge,
    Learned,
    Processor,
    ProcessorError,
    RateLimit,
    Result,
    RetryPolicy,
    Spending,
    Verdict,
    Vote,
)
from ensemble_parse.batch import Item, read_journal
from ensemble_parse.cache import Cache
from ensemble_parse.evaluate import Report, evaluate, fit_weights, read_truths
from ensemble_parse.local import LocalModel, local_models
from ensemble_parse.testing import FunctionClient, ScriptedClient, no_model_requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

T = TypeVar("T")


class Invoice(BaseModel):
    """A Pydantic model."""

    total: float


@dataclass
class Point:
    """A dataclass."""

    x: int


class Row(TypedDict):
    """A typed dictionary."""

    name: str


def settings() -> None:
    """What an ensemble is made of."""
    Ensemble(["a/b", Processor("c/d", weight=2, n=3, temperature=0.8)], decision_maker="e/f", deadline=60)
    Ensemble(3, Judge("e/f", mode="select", fallback=["g/h", Judge("i/j")]), max_tokens=100)
    Ensemble(("a/b",), First(), client=ScriptedClient({"a/b": [1]}), examples=[("one", 1)])
    assert_type(Ensemble.from_config("ensembles.toml", "one", client=ScriptedClient({"a/b": [1]})), Ensemble)
    Processor(retry=RetryPolicy(attempts=4, timeout=20, wait=wait_fixed(1)), mode="tools")
    Processor(retry=AsyncRetrying())
    Ensemble(["a/b"], client=Cache("answers.sqlite", client=FunctionClient(lambda _: 1), max_age=3600))
    Ensemble(["a/b"], Last())
    Judge("e/f", mode="vote")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def limits() -> None:
    """What limits are made of, and what they tell."""
    budget = Budget(usd=1, tokens=1000, calls=3, unknown_price="allow")
    with budget.reserve(Spending(usd=None, tokens=10, calls=1)) as reservation:
        reservation.settle(Spending(usd=0.1))
    assert_type(budget.spent.usd, float)
    assert_type(budget.left, dict[str, float])
    Budget(usd=1, unknown_price="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    limit = RateLimit(requests=500, tokens=100_000, per=60)
    turn = await limit.acquire(900)
    limit.settle(turn, 600)
    limit.slow_down(turn, 2.5)
    assert_type(limit.share, float)


async def answers(ensemble: Ensemble) -> None:
    """The answer has the type that was asked for."""
    assert_type(await ensemble.parse("text", Invoice), Invoice)
    assert_type(await ensemble.parse([{"role": "user", "content": "text"}], response_format=Invoice), Invoice)
    assert_type(await ensemble.parse("text", Point), Point)
    assert_type(await ensemble.parse("text", Row), Row)
    assert_type(await ensemble.parse("text", list[Invoice]), list[Invoice])
    assert_type(await ensemble.parse("text", int, pass_reasoning=True, temperature=0), int)
    assert_type(await ensemble.run("text", Invoice), Result[Invoice])
    assert_type(ensemble.parse_sync("text", Invoice), Invoice)
    assert_type(ensemble.run_sync("text", Invoice), Result[Invoice])


async def many(ensemble: Ensemble, generated: AsyncIterator[str], rows: list[dict[str, str]]) -> None:
    """Items have the type that was asked for, whatever the inputs come from."""
    async for item in ensemble.map(["text"], Invoice, concurrency=3, journal="run.jsonl", progress=True):
        assert_type(item, Item[Invoice])
        assert_type(item.output, Invoice)
    assert_type([item.result async for item in ensemble.map(generated, int, progress=print)], list[Result[int] | None])
    assert_type(list(ensemble.map_sync(rows, Point, ordered=True)), list[Item[Point]])
    assert_type(next(read_journal("run.jsonl", Invoice)), Item[Invoice])


def results(result: Result[Invoice]) -> None:
    """All of a result is typed."""
    assert_type(result.output, Invoice)
    assert_type(result.decision, Decision[Invoice])
    assert_type(result.decision.verdicts["total"], Verdict)
    assert_type(result.candidates, tuple[Candidate[Invoice], ...])
    assert_type(result.errors, tuple[ProcessorError, ...])
    assert_type(result.usage.total_tokens, int)
    assert_type(result.cost.total, float | None)
    assert_type(Result.from_dict(result.to_dict(), Invoice), Result[Invoice])


class Last:
    """A decision maker of a user's own."""

    async def decide(self, candidates: Sequence[Candidate[T]], case: Case) -> Decision[T]:
        """Decide."""
        del case
        return Decision(output=candidates[-1].output, method="last")


async def others() -> None:
    """What stands beside an ensemble."""
    with no_model_requests():
        Ensemble(["a/b"], client=FunctionClient(lambda call: call.n))
    async with local_models(LocalModel(name="mine", path="mine.gguf"), samples=2) as processors:
        assert_type(processors, list[Processor])


def measured() -> None:
    """Results beside the truth, from a journal or at hand."""
    items = read_journal("run.jsonl", Invoice)
    report = evaluate(items, read_truths("truths.jsonl"), decision_makers={"first": First()}, groups=lambda id_: id_)
    assert_type(report, Report)
    assert_type(report.score("ensemble").whole.value, float)
    learned = fit_weights([Ensemble(3).run_sync("x", Invoice)], {0: Invoice(total=1)})
    assert_type(learned, Learned)
    Vote(learned=learned)
