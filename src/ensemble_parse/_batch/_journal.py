"""The journal of a run: a line of JSON for every item that is over, so that what was paid for is not asked again.

The first line tells what was asked of whom. Each further line is written whole, as its item ends. All that the death of
the process can do is to tear the last line, which is taken off when the run goes on.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from ensemble_parse._batch._fingerprint import differences
from ensemble_parse._batch._outbox import Outbox
from ensemble_parse._errors import ConfigurationError
from ensemble_parse._stored import json_bytes, json_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ensemble_parse._batch._items import Id

VERSION: Final = 1
_HEAD: Final = b'{"journal":'
_MOST: Final = 5  # differences that a message tells


class Journal:
    """A journal that is open for one run, and locked against every other."""

    def __init__(self, path: str | os.PathLike[str], asked: Mapping[str, Any]) -> None:
        """Open a journal, or begin one.

        Args:
            path: of the file.
            asked: the fingerprint of what is asked of whom.

        Raises:
            ConfigurationError: it cannot be opened or locked, another run writes to it, it is no journal, or it is one
                of another schema or ensemble.
        """
        self._end = 0
        self.outbox = Outbox()
        self._done: dict[Id, int] = {}  # where the line of each item with a result begins
        try:
            self._file = Path(path).open("a+b", buffering=0)  # noqa: SIM115 - open as long as the run
        except OSError as error:
            message = f"journal {str(path)!r} cannot be opened: {error.strerror}"
            raise ConfigurationError(message) from error
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.close()
            message = f"journal {str(path)!r} is a device or a pipe, and keeps nothing; give the path of a file"
            raise ConfigurationError(message)
        self._old = Path(path).open("rb")  # noqa: SIM115 - the same
        try:
            _lock(self._file, path)
            self._resume(path, asked)
        except BaseException:
            self.close()
            raise

    def _resume(self, path: str | os.PathLike[str], asked: Mapping[str, Any]) -> None:
        end = 0
        for place, end, line in lines(path):  # noqa: B007 - the last one's is wanted
            if place == 0:
                told = list(differences(line["asked"], json_data(json_bytes(asked))))
                if told:
                    more = f", and {len(told) - _MOST} more" if len(told) > _MOST else ""
                    message = (
                        f"journal {str(path)!r} is one of another schema or ensemble: {'; '.join(told[:_MOST])}{more}. "
                        "Undo that, or give another path"
                    )
                    raise ConfigurationError(message)
            elif self.outbox.read(line):
                continue
            elif "result" in line:
                self._done[line["id"]] = place
            else:
                self._done.pop(line["id"], None)
        if end == 0:
            self._file.truncate(0)
            self.write({"journal": VERSION, "asked": asked})
        else:
            self._file.truncate(end)
            self._end = end

    def __enter__(self) -> Self:
        """Be open as long as a run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def find(self, id_: Id, digest: str) -> Any:
        """The stored result of an item, or ``None`` where there is none, or its input was another one."""
        place = self._done.get(id_)
        if place is None:
            return None
        self._old.seek(place)
        line = json_data(self._old.readline())
        return line["result"] if line["input"] == digest else None

    def write(self, line: Mapping[str, Any], *, durable: bool = False) -> None:
        """Append a line.

        Args:
            line: what it says.
            durable: whether it must outlast a loss of power.

        Raises:
            OSError: it cannot be written, and no part of it was.
        """
        data = json_bytes(line) + b"\n"
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(data)
        if durable:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, which gives up the lock."""
        for file in (self._old, self._file):
            file.close()


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, int, Any]]:
    """Yield the whole lines of a journal, the header first: where each begins and ends, and what it says.

    Raises:
        ConfigurationError: it is no journal, or was damaged.
    """
    end = 0
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line[: len(_HEAD)] != _HEAD[: len(line)]:
                message = f"{str(path)!r} is no journal; give a path of its own"
                raise ConfigurationError(message)
            if not line.endswith(b"\n"):
                return  # torn
            said = _read(line, number, path)
            if number == 1 and said["journal"] != VERSION:
                message = (
                    f"journal {str(path)!r} is of version {said['journal']!r}; this library reads version {VERSION}"
                )
                raise ConfigurationError(message)
            yield end, end + len(line), said
            end += len(line)


def _read(line: bytes, number: int, path: str | os.PathLike[str]) -> Any:
    wrong = "is no JSON"
    cause: ValueError | None = None
    try:
        said = json_data(line)
    except ValueError as error:
        cause = error
    else:
        if _is_header(said) if number == 1 else _is_ours(said):
            return said
        wrong = "is none that a run writes"
    remedy = "Give another path" if number == 1 else "Take the line out, and its item is asked again"
    message = f"journal {str(path)!r} was damaged: line {number} {wrong}. {remedy}"
    raise ConfigurationError(message) from cause


def _is_header(said: Any) -> bool:
    match said:
        case {"journal": version, "asked": dict()}:
            return True
        case {"journal": version}:
            return bool(version != VERSION)  # what another version writes is not known here
        case _:
            return False


def _is_ours(said: Any) -> bool:
    match said:
        case {"id": str() | int(), "position": int(), "input": str() | None, "result": dict()}:
            return True
        case {"id": str() | int(), "position": int(), "input": str() | None, "error": dict()}:
            return True
        case {"batch": str(), "processor": str(), "rows": list()} | {"batch": str(), "name": str()}:
            return True
        case _:
            return False


def _lock(file: BinaryIO, path: str | os.PathLike[str]) -> None:
    try:
        if sys.platform == "win32":  # pragma: no cover - the other one's
            import msvcrt

            file.seek(1 << 40)  # far behind what is written: a lock there keeps nobody from reading
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        message = f"journal {str(path)!r} is in use by another run: wait for its end, or give another path"
        raise ConfigurationError(message) from error
    except OSError as error:  # pragma: no cover - on some network file systems
        message = (
            f"journal {str(path)!r} cannot be locked against other runs ({error.strerror}), as on some network file "
            "systems: give a path on a disk of this computer, and copy it when the run is over"
        )
        raise ConfigurationError(message) from error
