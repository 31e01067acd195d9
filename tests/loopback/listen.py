"""The HTTP server underneath: connections counted, bodies of any size, gone when told to go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

    from .record import Journal

# Prompts with images in them are large.
_LARGEST = 64 * 1024 * 1024
# A connection just accepted is made known to the protocol a few turns of the event loop later.
_TURNS = 10


class Site(web.Server):
    """The HTTP server, counting its connections."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], journal: Journal) -> None:
        """Serve with ``handler``, cancelling it when the client goes away."""
        super().__init__(
            handler,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=3600,
        )
        self._journal = journal
        self._open: dict[RequestHandler, tuple[int, asyncio.Transport]] = {}

    def number(self, request: web.BaseRequest) -> int:
        """Which connection a request came on."""
        entry = self._open.get(request.protocol)
        return entry[0] if entry else 0

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        super().connection_made(handler, transport)
        self._open[handler] = (self._journal.connected(), transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Note that a connection ended."""
        super().connection_lost(handler, exc)
        if self._open.pop(handler, None):
            self._journal.disconnected()

    async def drop_all(self) -> None:
        """Abort every connection, which cancels what it was waiting for."""
        turns = _TURNS
        while turns or self._open:
            for _, transport in self._open.values():
                transport.abort()
            await asyncio.sleep(0)
            turns = max(0, turns - 1)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST)
