"""Serve as a process: print the URL, then answer until stdin closes or SIGTERM comes.

GET /loopback gives the counts.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys

from . import Answer, Loopback


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--answer", type=json.loads, help="JSON for every answer")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with Loopback(port=options.port, keep=0) as server:
        server.default(Answer(options.answer, latency=options.latency))
        print(server.url, flush=True)  # noqa: T201 - this is what the caller reads
        sys.stdin.read()


if __name__ == "__main__":
    main()
