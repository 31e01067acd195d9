"""What happens by itself: nothing is fetched, nothing is loaded, nothing is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Loopback

WATCH = """
import json, os, sys
asked = []
def watch(event, args):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        host = args[0] if event == "socket.getaddrinfo" else args[1][0] if isinstance(args[1], tuple) else "127.0.0.1"
        if str(host) not in {"127.0.0.1", "localhost", "::1", "None"}:
            asked.append(str(host))
sys.addaudithook(watch)
from ensemble_parse import Ensemble, RetryPolicy, Processor, Vote
models = ["openai/a", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "ollama_chat/qwen3", "hosted_vllm/b"]
patient = RetryPolicy(timeout=200)
ensemble = Ensemble([Processor(model, retry=patient) for model in models], Vote(stop="all"))
assert "litellm" not in sys.modules
result = ensemble.run_sync("Go", int)
import litellm
print(json.dumps({
    "asked": asked, "answers": len(result.candidates), "dotenv": os.environ.get("FROM_DOTENV"),
    "mode": os.environ.get("LITELLM_MODE"), "handlers": len(__import__("logging").getLogger().handlers),
}))
"""


def test_nothing_by_itself(server: Loopback, tmp_path: Path) -> None:
    """The first call of every vendor looks up no host but the vendor's, loads no ``.env``, logs and prints nothing."""
    (tmp_path / ".env").write_text("FROM_DOTENV=yes\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM_")}
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        env=environment | {name: value for name, value in server.environment().items() if "LITELLM_" not in name},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told == {"asked": [], "answers": 5, "dotenv": None, "mode": None, "handlers": 0}
    # LiteLLM's logging worker may complain as the process ends; what it looks up and prints must not be there.
    for word in ("cost map", "Provider List", "Give Feedback", "instructor"):
        assert word not in done.stderr
    assert {request.path for request in server.requests} == {
        "/v1/chat/completions",
        "/v1/messages",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "/api/chat",
    }
