"""Entries in an SQLite file that several processes share."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from ensemble_parse._cache._memory import Entry
from ensemble_parse._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from ensemble_parse._cache._memory import Limits

_APPLICATION: Final = 0x456E7350  # "EnsP", in the file's header
_VERSION: Final = 1
_GLANCE: Final = 0.01  # seconds that a read may hold an event loop up; with a write-ahead log, reads wait for nobody
_PATIENCE: Final = 10.0  # seconds that a write waits for those of other processes
_MOST_USES: Final = 1000
_SCHEMA: Final = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY, text TEXT NOT NULL, size INTEGER NOT NULL, created REAL NOT NULL, used REAL NOT NULL
);
CREATE INDEX by_use ON answers (used);
CREATE INDEX by_age ON answers (created);
-- Kept by the file itself, so that every process knows them without counting.
CREATE TABLE totals (entries INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER more AFTER INSERT ON answers BEGIN
    UPDATE totals SET entries = entries + 1, size = size + new.size;
END;
CREATE TRIGGER less AFTER DELETE ON answers BEGIN
    UPDATE totals SET entries = entries - 1, size = size - old.size;
END;
"""
# A connection must not even be closed in a process that was forked from the one that opened it.
_inherited: Final[list[Any]] = []


class Disk:
    """A store in a file; any thread, event loop and process may use it.

    A read takes microseconds, less than a change of threads would, so it is done where it is asked for. Writes wait for
    those of other processes, so they are left to a thread, and read from here until they are done.

    Attributes:
        lost: how many texts could not be written.

    Raises:
        ConfigurationError: the file is damaged, another program's or another version's, or cannot be written.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open the file, or make it."""
        self.lost = 0
        self._path = path
        self._limits = limits
        self._closed = False
        self._scheduled = False
        self._open()

    def get(self, key: bytes) -> str | None:
        """Read an entry's text; ``None``, too, where another program has locked the file."""
        self._check()
        with self._lock:
            entry = self._pending.get(key) or self._read(key)
            if entry is None or self._limits.outlived(entry.created):
                return None
            self._used[key] = time.time()
            many = len(self._used) >= _MOST_USES
        if many:
            self._write_soon()
        return entry.text

    def put(self, key: bytes, text: str) -> None:
        """Keep a text; it is written soon."""
        entry = Entry.now(text)
        if self._closed or self._limits.exceeded(1, entry.size(key)):
            return
        self._check()
        with self._lock:
            self._pending[key] = entry
        self._write_soon()

    def count(self) -> int:
        """How many entries there are, when all is written."""
        self._check()
        self._flush()
        with self._lock:
            (entries,) = self._query("SELECT entries FROM totals", default=(0,))
            return int(entries)

    def clear(self) -> None:
        """Drop all, of every process."""
        self._check()
        self._flush()
        with self._writing, self._told("cleared"):
            self._writer.execute("DELETE FROM answers")

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        if not self._closed and self._process == os.getpid():
            self._flush()
        self._closed = True
        self._disconnect()

    # -- reading ----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._closed:
            message = f"the cache in {self._path} is closed: make a new one"
            raise ConfigurationError(message)
        if self._process != os.getpid():
            _inherited.append((self._reader, self._writer))
            self._open()

    def _read(self, key: bytes) -> Entry | None:
        row = self._query("SELECT text, created FROM answers WHERE key = ?", key)
        # SQLite keeps what does not fit a column as it is: a time that was written by hand may be none.
        return Entry(*row) if row is not None and isinstance(row[1], float) else None

    def _query(self, sql: str, *values: object, default: Any = None) -> Any:
        try:
            return self._reader.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            if _is_busy(error):
                return default
            problem = self._unusable("is damaged", error)
            raise problem from None

    # -- writing ----------------------------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        with self._lock:
            scheduled = self._scheduled
            self._scheduled = True
        if not scheduled:
            try:
                # The interpreter waits for this thread, and the thread holds on to this store until all is written.
                threading.Thread(target=self._flush, name="ensemble-parse-cache").start()
            except RuntimeError:
                self._flush()  # no thread can be started where the interpreter ends

    def _flush(self) -> None:
        with self._writing:
            with self._lock:
                self._scheduled = False
                batch, used = dict(self._pending), dict(self._used)
                self._used.clear()
            if not batch and not used:
                return
            try:
                self._write(batch, used)
            except sqlite3.Error:
                # What was paid for is with its caller: an answer that is not kept is no reason to fail.
                self.lost += len(batch)
            with self._lock:
                for key, entry in batch.items():
                    if self._pending[key] is entry:
                        del self._pending[key]

    def _write(self, batch: Mapping[bytes, Entry], used: Mapping[bytes, float]) -> None:
        db = self._writer
        with _transaction(db):
            for key, entry in batch.items():
                db.execute("DELETE FROM answers WHERE key = ?", (key,))
                row = (key, entry.text, entry.size(key), entry.created, entry.created)
                db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)
            db.executemany("UPDATE answers SET used = ? WHERE key = ?", [(when, key) for key, when in used.items()])
            if self._limits.age is not None:
                db.execute("DELETE FROM answers WHERE created <= ?", (time.time() - self._limits.age,))
            entries, size = db.execute("SELECT entries, size FROM totals").fetchone()
            while self._limits.exceeded(entries, size):
                key, less = db.execute("SELECT key, size FROM answers ORDER BY used, rowid LIMIT 1").fetchone()
                db.execute("DELETE FROM answers WHERE key = ?", (key,))
                entries, size = entries - 1, size - less

    # -- opening ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._process = os.getpid()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._pending: dict[bytes, Entry] = {}
        self._used: dict[bytes, float] = {}
        self._scheduled = False
        try:
            self._path.touch(mode=0o600)  # answers may be nobody else's business
        except OSError as error:
            message = f"the cache {self._path} cannot be opened: {error.strerror}; name a file in a folder that exists"
            raise ConfigurationError(message) from None
        if self._path.is_dir():
            message = f"the cache {self._path} cannot be opened: it is a folder; name a file in it"
            raise ConfigurationError(message)
        with contextlib.ExitStack() as undo:
            with self._told("opened"):
                self._writer = undo.enter_context(contextlib.closing(self._connected(_PATIENCE)))
                self._prepare(self._writer)
            self._reader = self._connected(_GLANCE)
            undo.pop_all()
        # What is to be written keeps this alive, so where it is forgotten there is nothing else to do.
        self._disconnect = weakref.finalize(self, _disconnect, os.getpid(), self._reader, self._writer)

    def _connected(self, timeout: float) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=timeout, isolation_level=None, check_same_thread=False)

    def _prepare(self, db: sqlite3.Connection) -> None:
        if _is_new(db):
            with _transaction(db):
                if _is_new(db):  # still: another process may have been first
                    _execute(db, _SCHEMA)
                    db.execute(f"PRAGMA application_id = {_APPLICATION}")
                    db.execute(f"PRAGMA user_version = {_VERSION}")
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION:
            message = f"{self._path} is a database of another program: name another file for the cache"
            raise ConfigurationError(message)
        if version != _VERSION:
            message = (
                f"the cache {self._path} is of version {version}, and this library writes version {_VERSION}: name "
                "another file, or delete it"
            )
            raise ConfigurationError(message)
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                # SQLite does not wait here, where two processes make the file at the same time.
                if not _is_busy(error) or time.monotonic() > patience:
                    raise
                time.sleep(0.01)
        # Safe against a process that is killed; the last answers may be lost where the power fails.
        db.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def _told(self, what: str) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            problem = self._unusable(f"could not be {what}", error)
            raise problem from None

    def _unusable(self, what: str, error: sqlite3.Error) -> ConfigurationError:
        if _is_busy(error):
            advice = "another program has locked it: end that program, or name another file"
        elif _code(error) in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            advice = f"{error}: name a file that can be written"
        else:
            advice = f"{error}: delete it, and what was kept is asked again, or name another file"
        return ConfigurationError(f"the cache {self._path} {what}: {advice}")


def _disconnect(process: int, *connections: sqlite3.Connection) -> None:
    if process == os.getpid():
        for each in connections:
            each.close()


def _is_new(db: sqlite3.Connection) -> bool:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(tables == 0)


def _execute(db: sqlite3.Connection, script: str) -> None:
    """``executescript`` would end the transaction first."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Generator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _code(error: sqlite3.Error) -> int:
    # The lowest byte; the others say more.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
