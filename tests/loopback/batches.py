"""OpenAI's files and batches: a file of requests comes in, and is answered by the same scripts as live requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aiohttp import web

from . import openai
from .ask import CREATED, Turn
from .faults import Status
from .record import Recorded
from .replies import TOKENS, Content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .replies import Reply

End: TypeAlias = Literal["completed", "expired", "failed"]


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch: what it was made with, and how often it was asked about."""

    name: str
    tag: Mapping[str, str]
    rows: list[Mapping[str, Any]]
    window: str
    looks: int = 0
    files: dict[str, str | None] = field(default_factory=dict[str, str | None])
    status: str = "in_progress"


class Batches:
    """The files and batches of one account.

    ``looks`` is how often a batch says that it is in progress; ``end`` is what becomes of it then; of one that expires
    the first ``answered`` rows are answered. ``refused`` is a status for every request about files and batches, and
    ``lose`` cuts off so many answers to "make a batch", which is made all the same; ``spoil`` is what becomes of a file
    of answers. All may be set at any time.
    """

    def __init__(self, reply: Callable[[str], Reply]) -> None:
        """Answer rows with ``reply`` of their model."""
        self._reply = reply
        self._files: dict[str, bytes] = {}
        self.made: list[Batch] = []
        self.looks = 0
        self.end: End = "completed"
        self.answered = 0
        self.refused: int | None = None
        self.lose = 0
        self.downloads = 0
        self.spoil: Callable[[bytes], bytes] = bytes

    def handle(self, request: web.BaseRequest, raw: bytes) -> web.Response | None:  # noqa: PLR0911 - a case each
        """Answer what is about files and batches."""
        kind, *rest = request.path.removeprefix("/v1/").split("/")
        if kind not in {"files", "batches"}:
            return None
        if self.refused is not None:
            return _json(openai.error(self.refused, "status", ""), self.refused)
        match [request.method, kind, *rest]:
            case ["POST", "files"]:
                return _json(self._upload(request.headers["Content-Type"], raw))
            case ["GET", "files", name, "content"]:
                self.downloads += 1
                return web.Response(body=self.spoil(self._files[name]), content_type="application/octet-stream")
            case ["POST", "batches"]:
                made = self._make(json.loads(raw))
                if self.lose:
                    self.lose -= 1
                    return _json(openai.error(503, "status", ""), 503)
                return _json(made)
            case ["GET", "batches"]:
                return _json(self._page(request.query.get("after"), int(request.query["limit"])))
            case ["GET", "batches", name]:
                return _json(self._look(name))
            case _:
                return None

    def _upload(self, kind: str, raw: bytes) -> dict[str, object]:
        form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.get_payload()}
        assert parts["purpose"].get_payload() == "batch"
        content = parts["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        name = f"file-{len(self._files) + 1}"
        self._files[name] = content
        return {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": CREATED,
            "filename": parts["file"].get_filename(),
            "purpose": "batch",
            "status": "processed",
        }

    def _make(self, body: Mapping[str, Any]) -> dict[str, object]:
        assert body["endpoint"] == "/v1/chat/completions"
        rows = [json.loads(line) for line in self._files[body["input_file_id"]].splitlines()]
        # As OpenAI demands it.
        assert len({row["custom_id"] for row in rows}) == len(rows)
        assert len({row["body"]["model"] for row in rows}) == 1
        batch = Batch(
            name=f"batch_{len(self.made) + 1}",
            tag=body.get("metadata") or {},
            rows=rows,
            window=body["completion_window"],
        )
        self.made.append(batch)
        return self._told(batch)

    def _look(self, name: str) -> dict[str, object]:
        batch = next(each for each in self.made if each.name == name)
        batch.looks += 1
        if batch.looks > self.looks and batch.status == "in_progress":
            batch.status = self.end
            if self.end != "failed":
                self._answer(batch)
        return self._told(batch)

    def _answer(self, batch: Batch) -> None:
        done = len(batch.rows) if batch.status == "completed" else self.answered
        answers: dict[str, list[dict[str, object]]] = {"output": [], "error": []}
        for number, row in enumerate(batch.rows):
            line: dict[str, object] = {"id": f"batch_req_{number}", "custom_id": row["custom_id"]}
            if number >= done:
                error = {"code": "batch_expired", "message": "This request could not be executed before expiry."}
                answers["error"].append(line | {"response": None, "error": error})
                continue
            code, body = self._said(number, row["body"])
            response = {"status_code": code, "request_id": f"req_{number}", "body": body}
            answers["output" if code == 200 else "error"].append(line | {"response": response, "error": None})
        for kind, lines in answers.items():
            name = f"file-{len(self._files) + 1}"
            if lines:
                # In an order of its own, as vendors answer.
                self._files[name] = b"".join(json.dumps(each).encode() + b"\n" for each in reversed(lines))
                batch.files[kind] = name

    def _said(self, number: int, body: Mapping[str, Any]) -> tuple[int, Mapping[str, object]]:
        reply = self._reply(body["model"])
        if isinstance(reply, Status):
            return reply.code, openai.error(reply.code, reply.trouble, body["model"])
        assert isinstance(reply, Content)
        ask = openai.read(body, "")
        recorded = Recorded(
            number=number, vendor="openai", path="", model=ask.model, headers={}, body=body, at=0.0, connection=0
        )
        said = reply.choices(ask, recorded)
        prompt, completion, *cached = reply.usage or TOKENS
        turn = Turn(
            number=number,
            model=reply.model or ask.model,
            said=said,
            prompt=prompt,
            completion=completion * len(said),
            cached=sum(cached),
        )
        return 200, openai.write(turn)

    def _page(self, after: str | None, limit: int) -> dict[str, object]:
        newest = [*reversed(self.made)]
        start = next((at + 1 for at, batch in enumerate(newest) if batch.name == after), 0)
        page = newest[start : start + limit]
        return {
            "object": "list",
            "data": [self._told(batch) for batch in page],
            "first_id": page[0].name if page else None,
            "last_id": page[-1].name if page else None,
            "has_more": start + limit < len(newest),
        }

    def _told(self, batch: Batch) -> dict[str, object]:
        failed = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit."}]}
        return {
            "id": batch.name,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": failed if batch.status == "failed" else None,
            "input_file_id": "file-1",
            "completion_window": batch.window,
            "status": batch.status,
            "output_file_id": batch.files.get("output"),
            "error_file_id": batch.files.get("error"),
            "created_at": CREATED,
            "request_counts": {"total": len(batch.rows), "completed": 0, "failed": 0},
            "metadata": batch.tag,
        }


def _json(body: Mapping[str, object], code: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=code, content_type="application/json")
