"""Requests whose answers, seconds and tokens are known beforehand: recorded ones, or, without the data, made up.

Recorded are ``bfcl-single`` and ``bfcl-parallel`` of the replay data: what published runs of the Berkeley function
calling leaderboard wrote, how long it took and how many tokens it was. Panels are of different vendors, trusted in the
order of their accuracy on other folds. The judge is the strongest model, and on no panel.

Panels are of one of three kinds: ``comparable``, strong models; ``cheap``, small ones; ``quick``, of all models whose
median is below two seconds, the two quickest put first.
"""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, create_model

from benchmarks.replay import panels, sets
from benchmarks.replay.nouns import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Line: TypeAlias = tuple[float, int, int, Any]
"""Seconds, tokens read, tokens written, and what was answered; ``None`` for what is no valid answer."""

PANELS = 24
KINDS = ("comparable", "cheap", "quick")
QUICK = 2.0  # seconds, in the median
SLOWEST = 4.0  # seconds, in the median: two models ran on slow servers, and not to wait for those is no merit


@dataclass(frozen=True, slots=True)
class Case:
    """A request to a panel.

    Attributes:
        id: of the request; it stands in the prompt.
        prompt: the text.
        type: the response type: one field, ``answer``.
        panel: who is asked, the most trusted first.
        right: whether an answer is.
    """

    id: str
    prompt: str
    type: type[BaseModel]
    panel: tuple[str, ...]
    right: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Recording:
    """What is asked, and what everybody answers.

    Attributes:
        source: what it is, for the report.
        cases: the requests.
        lines: request -> model -> what it answers.
        judge: who judges.
    """

    source: str
    cases: tuple[Case, ...]
    lines: Mapping[str, Mapping[str, Line]]
    judge: str


def prompt(name: str, text: str) -> str:
    """The text of a request, with its name, by which the server knows it."""
    return f"[{name}] {text}"


def bfcl(data: Path, size: int, every: int, kind: str = "comparable") -> Recording:
    """Read the recorded calls, and put each to one panel of a size and kind; the panels take turns."""
    recording = sets.load("bfcl", data, every=every)
    told = {line["id"]: line for file in sets.SOURCES["bfcl"].files for line in sets.lines(data, file)}
    fold_of = panels.folds(recording)
    trust = panels.trust(recording, fold_of)
    seconds: dict[str, list[float]] = {}
    for item in recording.items:
        for model, (_, _, took) in told[item.id]["cost"].items():
            seconds.setdefault(model, []).append(took)
    timed = [model for model, each in seconds.items() if statistics.median(each) <= SLOWEST]
    judge = max(timed, key=lambda model: sum(fold[model] for fold in trust))
    median = {model: statistics.median(each) for model, each in seconds.items()}
    pools = {
        "comparable": panels.COMPARABLE["bfcl"],
        "cheap": panels.CHEAP["bfcl"],
        "quick": [model for model in timed if median[model] < QUICK],
    }
    pool = [model for model in pools[kind] if model in timed and model != judge]
    drawn = panels.draw(pool, size, PANELS)
    cases: list[Case] = []
    lines: dict[str, dict[str, Line]] = {}
    for number, item in enumerate(recording.items):
        fitted = trust[fold_of[item.group]]
        panel = sorted(drawn[number % len(drawn)], key=lambda model, fitted=fitted: (-fitted[model], model))
        if kind == "quick":
            first = sorted(panel, key=median.__getitem__)[:2]
            panel = [*first, *(model for model in panel if model not in first)]

        def right(answer: Any, item: Any = item) -> bool:
            return bool(item.score(Said.of(answer.answer, item.shape)).whole)

        type_ = create_model("Reply", answer=(item.shape.type, ...))
        cases.append(Case(item.id, prompt(item.id, told[item.id]["prompt_excerpt"]), type_, tuple(panel), right))
        lines[item.id] = {}
        for model in (*panel, judge):
            read, wrote, took = told[item.id]["cost"][model]
            data_ = item.said[model].data if model in item.said else None
            lines[item.id][model] = (took, read, wrote, data_)
    source = f"bfcl, {len(cases)} requests, {len(drawn)} {kind} panels, judge {judge}"
    return Recording(source, tuple(cases), lines, judge)


class Made(BaseModel):
    """The type of what is made up."""

    answer: Literal["right", "wrong 1", "wrong 2", "wrong 3"]


def made_up(size: int, count: int) -> Recording:
    """Make up models that are right eight times in ten, and take a second in the median: log-normal, sigma 0.6."""
    chance = random.Random(7)  # noqa: S311 - the same every time
    panel = tuple(f"made-up-{number}" for number in range(size))

    def line(sure: float) -> Line:
        said = "right" if chance.random() < sure else f"wrong {chance.randint(1, 3)}"
        return chance.lognormvariate(0.0, 0.6), 400, 30, said

    names = [f"made up/{number}" for number in range(count)]
    cases = tuple(
        Case(name, prompt(name, "Which?"), Made, panel, lambda answer: bool(answer.answer == "right")) for name in names
    )
    lines = {name: {model: line(0.95 if model == "judge" else 0.8) for model in (*panel, "judge")} for name in names}
    return Recording(f"made up, {count} requests", cases, lines, "judge")


def expected(recording: Recording) -> Sequence[float]:
    """Seconds that waiting for all and then for the judge takes where nothing but the models takes time."""
    return [
        max(recording.lines[case.id][model][0] for model in case.panel) + recording.lines[case.id][recording.judge][0]
        for case in recording.cases
    ]


def table(recording: Recording) -> str:
    """What the server needs to know, as a line."""
    return json.dumps({"judge": recording.judge, "lines": recording.lines})
