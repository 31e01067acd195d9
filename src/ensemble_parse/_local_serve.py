"""The child process of `LocalServer`: serves one model until its standard input ends.

Run as a file, so that it imports nothing of this package. A process of its own because closing llama.cpp's server in
the caller's process can wait, with the interpreter locked, for requests that only the caller could end.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Read the settings from the first line of input, answer with one line, serve."""
    # The native code may print; the answer must stay alone on its line.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Ctrl-C reaches the whole group of processes. The parent decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = json.loads(sys.stdin.readline())
    sys.path[:] = settings["import_path"]
    try:
        server = _start(**settings["server"])
    except (ImportError, RuntimeError, ValueError) as error:
        answer.write(json.dumps({"error": str(error)}) + "\n")
        return
    answer.write(json.dumps({"address": server.listening_address}) + "\n")
    answer.flush()
    # The end of input also comes when the parent was killed, so no server is ever left over.
    sys.stdin.read()
    os._exit(0)


def _start(*, path: str, slots: int, context: int, threads: int, options: dict[str, Any]) -> Any:
    native = importlib.import_module("xllamacpp")
    params = native.CommonParams()
    params.model.path = path
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # Slots keep their prompts. The store beside them may take 8 GB and would only hold copies.
    params.cache_ram_mib = 0
    params.verbosity = -1
    for name, value in options.items():
        setattr(params, name, value)
    return native.Server(params)


if __name__ == "__main__":
    main()
