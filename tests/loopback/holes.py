"""An address nobody answers at."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# One connection fits an accept queue of length nought; a few more make sure that it is full.
_FILL = 4


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Give the URL of an address where connecting hangs: its accept queue is full for good."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(_FILL):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
