"""What every test has: no network by accident, a model server on 127.0.0.1, and a look at what was left behind."""

from __future__ import annotations

import os

# Before anything imports LiteLLM: it fetches files and loads `.env` unless told not to. A proxy would take requests to
# 127.0.0.1 elsewhere.
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}

import logging
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.loopback import Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

# A slow machine is no reason to fail. In CI the same examples every time, so that a failure is the change's.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Not "ensemble-parse": that loop serves the synchronous calls of the whole process.
_OURS = ("loopback", "local-models")


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, which the library is written for."""
    return "asyncio"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """Give a model server that unchanged model strings reach, with a key for every vendor."""
    with Loopback() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail a test that leaves one of our threads running; LiteLLM and module-wide event loops keep theirs."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith(_OURS)]
    assert not left, f"threads left running: {left}"


def pytest_unconfigure() -> None:
    """Let LiteLLM's clients end with the interpreter in silence; asyncio would print lines about each."""
    logging.getLogger("asyncio").disabled = True
