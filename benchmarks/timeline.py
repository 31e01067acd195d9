"""How long an answer takes where nothing but the models takes time, for every recorded request and kind of panel.

    python -m benchmarks.timeline [--data FOLDER] [--quick] [--markdown FILE]

The same ways as in ``benchmarks.latency``, on a clock that jumps from one recorded moment to the next: no machine's own
time is in it, however busy, and the same data gives the same figures. What it leaves out, what a process needs for each
request, is what ``benchmarks.latency`` and ``benchmarks.overhead`` measure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

from benchmarks import naive, recorded
from benchmarks.latency import HEAD, ROOT, Spent, rows, settings
from benchmarks.playback import Playback
from ensemble_parse import AllProcessorsFailed, Ensemble, Judge, Processor, RetryPolicy
from ensemble_parse.testing import FunctionClient
from tests.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.recorded import Case, Recording
    from ensemble_parse import ModelCall

Request = list[int]
"""Tokens at most, and tokens if it was answered."""


class Timeline:
    """Everybody who is asked, on the clock of the event loop."""

    def __init__(self, recording: Recording) -> None:
        """Take what was recorded."""
        self._playback = Playback(recording.judge, recording.lines, 1.0)
        self._judge = recording.judge
        self._requests: ContextVar[list[Request]] = ContextVar("requests")
        once = RetryPolicy(attempts=1, reasks=0, timeout=600)
        self._settings = settings(Judge(Processor(recording.judge, retry=once)))
        self._once = once
        self._ensembles: dict[tuple[str, tuple[str, ...]], Ensemble] = {}

    async def _said(self, model: str, messages: Sequence[Any]) -> tuple[Any, int]:
        seconds, read, wrote, data = self._playback.said(model, messages)
        request = [read + wrote, 0]
        self._requests.get().append(request)
        await asyncio.sleep(seconds)
        request[1] = read + wrote
        return data, read + wrote

    async def _answer(self, call: ModelCall[Any]) -> Any:
        data, _ = await self._said(call.model, call.messages)
        return "There is nothing to call." if data is None else data

    async def _ask(self, model: str, messages: Sequence[Any], type_: type[Any]) -> tuple[Any, int]:
        data, tokens = await self._said(model, messages)
        return type_.model_validate(data), tokens

    async def naive(self, case: Case) -> Any:
        """Wait for all, and then for the judge."""
        messages = [{"role": "user", "content": case.prompt}]
        try:
            return (await naive.ensemble(self._ask, case.panel, self._judge, messages, case.type))[0]
        except ValueError:  # the judge's answer is none
            return None

    async def ours(self, name: str, case: Case) -> Any:
        """Ask one of the ensembles."""
        key = name, case.panel
        if key not in self._ensembles:
            pace, vote = self._settings[name]
            processors = [Processor(model, retry=self._once) for model in case.panel]
            self._ensembles[key] = Ensemble(processors, vote, pace=pace, client=FunctionClient(self._answer))
        try:
            return await self._ensembles[key].parse(case.prompt, case.type)
        except AllProcessorsFailed:
            return None

    async def measure(self, cases: Sequence[Case]) -> dict[str, list[Spent]]:
        """Put every request to every way, one after another."""
        clock = asyncio.get_running_loop().time
        spent: dict[str, list[Spent]] = {}
        for name in ("naive", *self._settings):
            for case in cases:
                requests: list[Request] = []
                self._requests.set(requests)
                started = clock()
                answer = await (self.naive(case) if name == "naive" else self.ours(name, case))
                took = clock() - started
                right = answer is not None and case.right(answer)
                tokens, answered = (sum(each[at] for each in requests) for at in (0, 1))
                spent.setdefault(name, []).append(Spent(took, len(requests), tokens, answered, right))
        return spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.timeline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the recorded answers")
    parser.add_argument("--kinds", nargs="+", choices=recorded.KINDS, default=[*recorded.KINDS], help="of panels")
    parser.add_argument("--quick", action="store_true", help="every eighth request")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    options = parser.parse_args(arguments)
    lines: list[str] = []

    def say(*more: str) -> None:
        print(*more, sep="\n", flush=True)
        lines.extend(more)

    for kind in options.kinds:
        for size in (3, 5):
            recording = recorded.bfcl(options.data, size, 8 if options.quick else 1, kind)
            say("", f"{recording.source}:", "", HEAD, "|" + "---|" * (HEAD.count("|") - 1))
            say(*rows(size, run_virtual(Timeline(recording).measure(recording.cases))))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
