"""A server that answers as was recorded, in another process: ``python -m benchmarks.playback``.

It reads what was recorded from one line of standard input and prints its URL; every model takes as long as it took, or
is ``--speed`` times faster. The judge has seen nothing but the prompts of long ago, so its part is modelled:

* It takes as long, and writes as many tokens, as when it answered the request itself. It reads the tokens of that
  request, and one more for every four letters that are put behind it.
* Asked for an answer, it gives the one that more than half of the answers shown to it are; else its own.
* Asked about disputed fields, it chooses what it said there itself; where it said something else, none.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.loopback import Answer, ByRequest, Loopback, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.loopback import Recorded, Reply

SHOWN = re.compile(r"^Answer \d+: (.*)$", re.MULTILINE)
QUESTION = re.compile(r'^\{"question": .*$', re.MULTILINE)
STEP = re.compile(r"[^.\[\]]+")
LETTERS_PER_TOKEN = 4


class Playback:
    """Chooses the replies."""

    def __init__(self, judge: str, lines: Mapping[str, Mapping[str, Any]], speed: float) -> None:
        """Take what was recorded."""
        self._judge, self._lines, self._speed = judge, lines, speed

    def said(self, model: str, messages: Sequence[Mapping[str, Any]]) -> tuple[float, int, int, Any]:
        """Give the seconds, the tokens read and written, and what the model said, or what the judge would say."""
        first, *more = [str(message["content"]) for message in messages]
        name = first[1 : first.index("]")]
        seconds, read, wrote, said = self._lines[name][model]
        data = None if said is None else {"answer": said}
        if model == self._judge:
            behind = "\n".join(more)
            read += len(behind) // LETTERS_PER_TOKEN
            data = ruled(behind, said) if QUESTION.search(behind) else written(behind, data)
        return seconds, read, wrote, data

    def reply(self, request: Recorded) -> Reply:
        """Say it over the wire."""
        seconds, read, wrote, data = self.said(request.model, request.body["messages"])
        about: dict[str, Any] = {"latency": seconds / self._speed, "usage": (read, wrote)}
        return Text("There is nothing to call.", **about) if data is None else Answer(data, **about)


def written(shown: str, own: Any) -> Any:
    """The answer of more than half of those that are shown, else the judge's own, else the first."""
    answers = SHOWN.findall(shown)
    if not answers:
        return own
    text, count = Counter(answers).most_common(1)[0]
    return json.loads(text) if 2 * count > len(answers) else (own or json.loads(answers[0]))


def ruled(shown: str, own: Any) -> dict[str, Any]:
    """What the judge would choose of the options, going by its own answer."""
    choices: dict[str, str] = {}
    for line in QUESTION.findall(shown):
        question = json.loads(line)
        believes = question["item"] in items(own) if "item" in question else at({"answer": own}, question["path"])
        options: dict[str, Any] = question["options"]
        choices[question["question"]] = next((name for name, each in options.items() if same(each, believes)), "none")
    return {"reasoning": "As I would have answered.", "answer": choices}


def same(option: Any, believes: Any) -> bool:
    """Whether an option is what the judge believes; of calls it is asked which function it is."""
    if isinstance(option, dict) and isinstance(believes, dict) and "function" in option:
        return bool(option["function"] == believes.get("function"))
    return bool(option == believes)


def at(data: Any, path: str) -> Any:
    """What stands at a path; the place in a list is taken as it is."""
    for step in STEP.findall(path):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list):
            data = data[int(step)] if step.isdecimal() and int(step) < len(data) else None
    return data


def items(data: Any) -> list[Any]:
    """Whatever is in a list, and lists of lists, of an answer."""
    if isinstance(data, dict):
        return [each for value in data.values() for each in items(value)]
    return [*data, *(each for value in data for each in items(value))] if isinstance(data, list) else []


def main() -> None:
    """Read, and serve until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.playback", description=__doc__)
    parser.add_argument("--speed", type=float, default=1.0, help="how many times faster than it was")
    speed = parser.parse_args().speed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    playback = Playback(**json.loads(sys.stdin.readline()), speed=speed)
    with Loopback(keep=0) as server:
        server.default(ByRequest(playback.reply))
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
