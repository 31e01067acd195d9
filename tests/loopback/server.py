"""The server: a thread with its own event loop, answering by script and keeping a record."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Self

from aiohttp import web

from .batches import Batches
from .environment import environment
from .listen import Site
from .quiet import Quiet
from .record import Journal, Outcome, Recorded
from .replies import Answer, Reply
from .send import Cut, cut, plain, send
from .wires import Wire, lookup, wire_of

if TYPE_CHECKING:
    from types import TracebackType

    from .ask import Ask

_POLL = 0.002


class Loopback:
    """A model server on 127.0.0.1 that says what it is told to say.

    It speaks the wire formats of OpenAI, Anthropic, Gemini and Ollama on one port. Scripts are by
    model name as it is on the wire. Any thread may use it.
    """

    def __init__(self, *, port: int = 0, keep: int | None = None) -> None:
        """Prepare to serve on ``port``, or on a free one.

        ``keep`` bounds how many requests are remembered; the counts cover all of them.
        """
        self._port = port
        self._scripts: dict[str, deque[Reply]] = {}
        self._default: Reply = Answer()
        self._journal = Journal(keep)
        self.batches = Batches(self._next_reply)
        self._bugs: list[Exception] = []
        self._lock = threading.Lock()
        self._quiet: Quiet | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> Self:
        """Serve until ``close``."""
        if self._thread is not None:
            message = "the loopback server is already running"
            raise RuntimeError(message)
        listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = listener.getsockname()[1]
        ready = threading.Event()
        self._quiet = Quiet()
        serve = partial(self._serve, listener, ready, self._quiet)
        self._thread = threading.Thread(target=serve, name="loopback", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def close(self) -> None:
        """Drop every connection and stop; raises what a scripted function raised."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = self._loop = self._stop = self._quiet = None
        if self._bugs:
            bugs, self._bugs = self._bugs, []
            message = "scripted replies failed"
            raise ExceptionGroup(message, bugs)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    @property
    def url(self) -> str:
        """The root, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_base(self) -> str:
        """What to give as api_base for openai/ and everything that speaks like it."""
        return f"{self.url}/v1"

    @property
    def anthropic_base(self) -> str:
        """What to give as api_base for anthropic/."""
        return self.url

    @property
    def gemini_base(self) -> str:
        """What to give as api_base for gemini/."""
        return f"{self.url}/v1beta"

    @property
    def ollama_base(self) -> str:
        """What to give as api_base for ollama/ and ollama_chat/."""
        return self.url

    def environment(self) -> dict[str, str]:
        """Environment variables that bring unchanged model strings here."""
        return environment(self.url)

    def on(self, model: str, *replies: Reply) -> None:
        """Script ``model``: one reply per request in order, the last one from then on."""
        if not replies:
            message = f"no replies given for {model!r}"
            raise ValueError(message)
        with self._lock:
            self._scripts[model] = deque(replies)

    def default(self, reply: Reply) -> None:
        """Say what models without a script answer."""
        self._default = reply

    def reset(self) -> None:
        """Forget scripts, default and record; connections stay open."""
        with self._lock:
            self._scripts = {}
        self._default = Answer()
        self._bugs = []
        self.batches = Batches(self._next_reply)
        self._journal.clear()

    @property
    def requests(self) -> list[Recorded]:
        """Every request so far, in order of arrival."""
        return self._journal.requests()

    def count(self, model: str | None = None) -> int:
        """How many requests asked ``model``, or any model."""
        return self._journal.asked(model)

    def cancelled(self, model: str | None = None) -> int:
        """How many of them the client gave up."""
        return self._journal.cancelled(model)

    @property
    def connections(self) -> int:
        """Connections accepted since the start or the last reset."""
        return self._journal.accepted

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return self._journal.open_connections

    def wait_idle(self, timeout: float = 60.0, *, connections: bool = False) -> None:
        """Block until no request is in flight and, on demand, no connection is open.

        For plain threads; a coroutine awaits ``until_idle`` instead, because a client whose event
        loop is blocked cannot close its connections.
        """
        self._journal.wait_idle(timeout, connections=connections)

    async def until_asked(self, times: int, model: str | None = None) -> None:
        """Wait until so many requests have asked ``model``, or any model."""
        while self.count(model) < times:  # noqa: ASYNC110 - an event would belong to the server's loop, not to this one
            await asyncio.sleep(_POLL)

    async def until_idle(self, timeout: float = 60.0, *, connections: bool = False) -> None:  # noqa: ASYNC109 - the twin of wait_idle
        """Wait as ``wait_idle`` does, without blocking the event loop."""
        end = time.monotonic() + timeout
        while not self._journal.idle(connections=connections):
            if time.monotonic() > end:
                break
            await asyncio.sleep(_POLL)
        self.wait_idle(0, connections=connections)

    def is_quiet(self, patience: float) -> bool:
        """Whether, within ``patience`` seconds, everything is read that was sent and answered that ever will be.

        For a client whose thread is doing nothing else. Requests that hang are no work.
        """
        return self._loop is not None and self._quiet is not None and self._quiet.reached(self._loop, patience)

    def _next_reply(self, model: str) -> Reply:
        with self._lock:
            script = self._scripts.get(model)
            if script is None:
                return self._default
            return script.popleft() if len(script) > 1 else script[0]

    def _serve(self, listener: socket.socket, ready: threading.Event, quiet: Quiet) -> None:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(quiet)) as runner:
            runner.run(self._main(listener, ready))

    async def _main(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        site = Site(lambda request: self._handle(request, site.number(request)), self._journal)
        server = await self._loop.create_server(site, sock=listener, backlog=1024)
        ready.set()
        await self._stop.wait()
        # asyncio leaks a connection that it has accepted but not yet set up when the server closes, so accepting ends
        # before. Windows' loop has no readers.
        with contextlib.suppress(NotImplementedError):
            self._loop.remove_reader(listener)
        await site.drop_all()
        server.close()
        await server.wait_closed()

    async def _handle(self, request: web.BaseRequest, connection: int) -> web.StreamResponse:
        path = request.path
        if path == "/loopback":
            return plain(self._journal.counts())
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        wire = wire_of(path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        ask = problem = None
        vendor, answer = lookup(path) or (wire.vendor if wire else "other", None)
        if wire is not None:
            try:
                ask = wire.read(body, path)
            except (KeyError, TypeError, AttributeError) as error:
                problem = f"cannot read the request: {error!r}"
        recorded = self._journal.opened(
            vendor=vendor,
            path=path,
            model=ask.model if ask else "",
            headers=headers,
            body=body,
            connection=connection,
        )
        if wire and ask and not ask.stream:
            return await self._answer(request, wire, ask, recorded)
        if answer is not None:
            self._journal.finished(recorded, "answered", 200)
            return plain(answer)
        if (filed := self.batches.handle(request, raw)) is not None:
            self._journal.finished(recorded, "answered" if filed.status == 200 else "failed", filed.status)
            return filed
        code = 400 if wire else 404
        self._journal.finished(recorded, "failed", code)
        if ask:
            problem = "streaming is not served"
        message = f"loopback: {problem or f'{path} is not served'}"
        return plain({"error": {"message": message, "type": "invalid_request_error"}}, code)

    async def _answer(self, request: web.BaseRequest, wire: Wire, ask: Ask, recorded: Recorded) -> web.StreamResponse:
        try:
            response = await send(request, self._next_reply(ask.model), wire, ask, recorded)
        except asyncio.CancelledError:
            self._journal.finished(recorded, "cancelled")
            raise
        except Cut:
            self._journal.finished(recorded, "failed")
            cut(request)
            return web.Response()
        except Exception as bug:  # noqa: BLE001 - handed to the thread that closes the server
            self._bugs.append(bug)
            self._journal.finished(recorded, "failed", 500)
            return plain({"error": {"message": f"loopback: scripted reply failed: {bug!r}"}}, 500)
        outcome: Outcome = "answered" if response.status == 200 else "failed"
        # Entered before the last byte goes out, so that a client never sees its answer earlier.
        self._journal.finished(recorded, outcome, response.status)
        return response
