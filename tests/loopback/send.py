"""Carry out a reply on a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from .ask import Ask, Turn
from .faults import Garbage, Hang, HangBody, Reset, ResetMidBody, Status, Trickle
from .replies import TOKENS, Answer, ByRequest, Content, Held, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .record import Recorded
    from .wires import Wire

_JSON = "application/json"
# Long enough for the other side to read what was sent before the reset overtakes it.
_FLUSH = 0.02
_POLL = 0.002


class Cut(Exception):
    """The connection was reset on purpose."""


async def send(request: web.BaseRequest, reply: Reply, wire: Wire, ask: Ask, recorded: Recorded) -> web.StreamResponse:
    """Do what ``reply`` says; the response is complete but for its last byte.

    Raises ``Cut`` where it says to cut the connection.
    """
    reply = await _released(reply, recorded)
    if reply.latency:
        await asyncio.sleep(reply.latency)
    match reply:
        case Content():
            return _response(_body(reply, wire, ask, recorded))
        case Status():
            return _status(reply, wire, ask)
        case Garbage():
            return _response(reply.body.encode())
        case Hang():
            return await _forever()
        case Reset():
            raise Cut
        case Trickle() | HangBody() | ResetMidBody():
            return await _slowly(request, reply, wire, ask, recorded)
        case _:
            message = f"the server cannot send {reply!r}"
            raise TypeError(message)


async def _released(reply: Reply, recorded: Recorded) -> Reply:
    match reply:
        case ByRequest():
            return await _released(reply.choose(recorded), recorded)
        case Held():
            while not reply.until():  # noqa: ASYNC110 - what it looks at is another thread's
                await asyncio.sleep(_POLL)
            return await _released(reply.reply, recorded)
        case _:
            return reply


async def _slowly(
    request: web.BaseRequest,
    reply: Trickle | HangBody | ResetMidBody,
    wire: Wire,
    ask: Ask,
    recorded: Recorded,
) -> web.StreamResponse:
    body = _body(Answer(reply.data if isinstance(reply, Trickle) else None), wire, ask, recorded)
    response = _Slow()
    response.content_type = _JSON
    response.content_length = len(body)
    await response.prepare(request)
    match reply:
        case HangBody():
            return await _forever()
        case ResetMidBody():
            await response.write(body[: len(body) // 2])
            await asyncio.sleep(_FLUSH)
            raise Cut
        case Trickle():
            for index in range(len(body) - 1):
                await response.write(body[index : index + 1])
                await asyncio.sleep(reply.interval)
    response.last = body[-1:]
    return response


def cut(request: web.BaseRequest) -> None:
    """Reset the connection instead of closing it: with no linger, close sends RST."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def plain(body: Mapping[str, object], code: int = 200) -> web.Response:
    """Answer with JSON as it is."""
    return _response(json.dumps(body).encode(), code)


def _body(reply: Content, wire: Wire, ask: Ask, recorded: Recorded) -> bytes:
    said = reply.choices(ask, recorded)
    prompt, completion, *cached = reply.usage or TOKENS
    turn = Turn(
        number=recorded.number,
        model=reply.model or ask.model,
        said=said,
        prompt=prompt,
        completion=completion * len(said),
        cached=sum(cached),
    )
    return json.dumps(wire.write(turn), ensure_ascii=False).encode()


def _status(reply: Status, wire: Wire, ask: Ask) -> web.Response:
    body = wire.error(reply.code, reply.trouble, ask.model) if reply.body is None else reply.body
    text = body if isinstance(body, str) else json.dumps(body)
    response = _response(text.encode(), reply.code)
    if reply.retry_after is not None:
        response.headers["Retry-After"] = str(reply.retry_after)
    return response


def _response(body: bytes, code: int = 200) -> web.Response:
    return web.Response(body=body, status=code, content_type=_JSON)


class _Slow(web.StreamResponse):
    """A response whose last byte goes out only after the record is written."""

    last = b""

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data or self.last)


async def _forever() -> web.StreamResponse:
    await asyncio.get_running_loop().create_future()
    raise AssertionError
