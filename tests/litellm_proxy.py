"""LiteLLM's own proxy as a process of its own, serving the ensembles of ``tests.proxied``."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

import ensemble_parse

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG: Final = """
model_list:
  - model_name: "ensemble/*"
    litellm_params: {model: "ensemble/*"}
  - model_name: invoices
    litellm_params: {model: ensemble/invoices}
litellm_settings:
  custom_provider_map:
    - {provider: ensemble, custom_handler: ensemble_parse.integrations.litellm.proxy}
"""
_PATIENCE: Final = 120.0  # seconds: it imports a great deal


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that runs.

    Attributes:
        url: where it listens.
        key: what it asks of its callers.
        log: what it has written so far.
    """

    url: str
    key: str
    log: Path


@contextlib.contextmanager
def litellm_proxy(folder: Path, environment: dict[str, str]) -> Iterator[Proxy]:
    """Start a proxy and wait until it answers; stop it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, key = f"http://127.0.0.1:{port}", f"sk-{secrets.token_hex(24)}"
    config, log = folder / "proxy.yaml", folder / "proxy.log"
    config.write_text(_CONFIG, encoding="utf-8")
    paths = [Path(__file__).parents[1], Path(ensemble_parse.__file__).parents[1]]
    given = {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "ENSEMBLE_PARSE_ENSEMBLES": "tests.proxied:PROVIDER",
        "LITELLM_MASTER_KEY": key,
        "PROXY_URL": url,
        "PROXY_KEY": key,
        "LITELLM_MODE": "PRODUCTION",
    }
    command = [sys.executable, "-c", "from litellm import run_server; run_server()", "--config", str(config)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **environment, **given},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, url, log)
        yield Proxy(url=url, key=key, log=log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/health/liveliness", timeout=5).status_code == httpx.codes.OK:
                return
        time.sleep(0.2)
    message = f"the proxy did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
    raise RuntimeError(message)
