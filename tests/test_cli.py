"""The command line: what it prints where, how it ends, and that it goes on where it was interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ensemble_parse import ConfigurationError
from ensemble_parse.cli import main
from tests import command_line
from tests.loopback import Answer, ByRequest, Hang, Held, Loopback, Recorded, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

TOO_LONG = 250.0  # seconds
PROGRAM = [sys.executable, "-m", "ensemble_parse.cli"]
SCHEMA = {
    "type": "object",
    "properties": {"vendor": {"type": "string"}, "total": {"type": "number"}},
    "required": ["vendor", "total"],
}
ACME = {"vendor": "ACME", "total": 12.5}
OTHER = {"vendor": "Initech", "total": 12.5}
ASK = ("--schema", "bill.json", "--model", "openai/a")
PRICED = ("--schema", "bill.json", "--model", "openai/gpt-4o-mini")  # a result with an unknown price is degraded


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that has a schema; tables are as wide as they like."""
    (tmp_path / "bill.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: str, text: str | None = None, script: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process."""
    command = PROGRAM if script is None else [sys.executable, "-c", script]
    return subprocess.run(
        [*command, *arguments], input=text, capture_output=True, text=True, check=False, timeout=TOO_LONG
    )


def said(recorded: Recorded) -> str:
    """What was asked about; a re-ask only adds to it."""
    return str(recorded.body["messages"][0]["content"])


def documents(count: int) -> list[str]:
    """Write so many documents, and give their texts."""
    texts = [f"bill number {number}" for number in range(count)]
    lines = [json.dumps({"id": f"b{number}", "input": text}) for number, text in enumerate(texts)]
    Path("in.jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return texts


def written(path: str = "out.jsonl") -> list[dict[str, Any]]:
    """Read the answers."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def lines_in(path: str) -> int:
    """How many lines are in a file by now."""
    return Path(path).read_bytes().count(b"\n") if Path(path).exists() else 0


# -- parse ----------------------------------------------------------------------------------------------------------


def test_parse_prints_json_and_nothing_else(server: Loopback) -> None:
    """Standard output can be piped, whatever the user's own module prints; standard error has no noise in it."""
    Path("shapes.py").write_text(
        "from pydantic import BaseModel\nprint('noise')\nclass Bill(BaseModel):\n    vendor: str\n    total: float\n",
        encoding="utf-8",
    )
    server.on("a", Answer(ACME))
    ran = run("parse", "A bill of ACME", "--schema", "shapes:Bill", "--model", "openai/a")
    assert json.loads(ran.stdout) == ACME
    assert (ran.stderr, ran.returncode) == ("noise\n", 0)


@pytest.mark.parametrize("way", ["argument", "file", "input"])
def test_where_the_text_comes_from(server: Loopback, way: str) -> None:
    """A text, a file and standard input ask the same."""
    server.on("a", Answer(ACME))
    text = "Rechnung über 12,50 €"
    Path("bill.txt").write_text(text, encoding="utf-8")
    given = {"argument": [text], "file": ["--file", "bill.txt"], "input": []}[way]
    ran = run("parse", *given, *ASK, text=text if way == "input" else "")
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert [said(each) for each in server.requests] == [text]


def test_explain_goes_to_standard_error(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """``--explain`` shows who said what, and standard output stays JSON."""
    server.on("a", Answer(ACME))
    server.on("b", Answer(OTHER))
    server.on("c", Answer(ACME))
    models = [word for name in "abc" for word in ("-m", f"openai/{name}")]
    assert main(["parse", "A bill", "-s", "bill.json", *models, "--explain", "--deadline", "30"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == ACME
    for word in ("Initech", "openai/b", "67%"):
        assert word in shown.err


def test_strict_and_explain(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """What is undecided is an answer, and with ``--strict`` a failure that still shows who said what."""
    server.on("a", Answer(ACME))
    server.on("b", Answer(OTHER))
    both = [*ASK, "-m", "openai/b"]
    assert main(["parse", "A bill", *both]) == 0
    assert json.loads(capsys.readouterr().out) == ACME
    assert main(["parse", "A bill", *both, "--strict", "--explain"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Initech" in shown.err
    assert "undecided" in shown.err


def test_judge(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """The judge is asked where there is no majority, and not where all agree."""
    server.on("a", Answer(ACME))
    server.on("b", Answer(ACME), Answer(OTHER))
    both = ["-m", "openai/b", "--judge", "openai/judge"]
    assert main(["parse", "A bill", *ASK, *both]) == 0
    assert server.count("judge") == 0
    assert main(["parse", "A bill", *ASK, *both]) == 0
    assert server.count("judge") == 1
    capsys.readouterr()


def test_ensemble_of_a_file(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A file says who is asked and how; options say otherwise."""
    Path("ensembles.toml").write_text(
        "[ensembles.one]\nprocessors = ['openai/a']\ntemperature = 0.5\n"
        "examples = [['old', {vendor = 'X', total = 1}]]\n"
        f"[ensembles.two]\nprocessors = [{{model = 'openai/b', api_base = '{server.openai_base}'}}]\n",
        encoding="utf-8",
    )
    server.default(Answer(ACME))
    file = ["parse", "A bill", "-s", "bill.json", "--config", "ensembles.toml"]
    assert main([*file, "--ensemble", "two"]) == 0
    assert main([*file, "--ensemble", "one", "--model", "openai/c"]) == 0
    assert [each.body["model"] for each in server.requests] == ["b", "c"]
    assert server.requests[1].body["temperature"] == 0.5
    assert len(server.requests[1].body["messages"]) == 3
    capsys.readouterr()


def test_budget_and_deadline(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A budget keeps the second request back; a deadline ends a call that nobody answers."""
    server.on("a", Answer(ACME))
    server.on("b", Answer(ACME))
    assert main(["parse", "A bill", *ASK, "-m", "openai/b", "--budget", "calls=1", "--strict"]) == 1
    assert server.count() == 1
    assert "Budget(calls=1)" in capsys.readouterr().err
    server.on("slow", Hang())
    assert main(["parse", "A bill", "-s", "bill.json", "-m", "openai/slow", "--deadline", "0.3"]) == 1
    assert "deadline of 0.3 s" in capsys.readouterr().err


def test_no_key(monkeypatch: pytest.MonkeyPatch, server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that is missing is named, in one line for each model and without a traceback."""
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["parse", "A bill", *ASK]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "set OPENAI_API_KEY" in shown.err
    assert "in the environment" in shown.err
    assert 'api_key = "${NAME}" in a configuration file' in shown.err
    assert "Traceback" not in shown.err
    assert server.count() == 0


def test_debug_shows_where() -> None:
    """``--debug`` shows the traceback that is otherwise left out."""
    assert "Traceback" not in run("parse", "A bill", "-s", "none.json", "-m", "openai/a").stderr
    assert "Traceback" in run("--debug", "parse", "A bill", "-s", "none.json", "-m", "openai/a").stderr


WRONG: list[tuple[Sequence[str], str]] = [
    (["parse", "A bill"], "--schema"),
    (["prase"], "parse"),
    (["parse", "A bill", "-s", "bill.json"], "nobody is asked"),
    (["parse", "A bill", *ASK, "--ensemble", "one"], "--config"),
    (["parse", "A bill", *ASK, "--config", "none.toml"], "none.toml"),
    (["parse", "A bill", *ASK, "--file", "bill.json"], "not both"),
    (["parse", "--file", "none.txt", *ASK], "none.txt"),
    (["parse", " ", *ASK], "nothing to read"),
    (["parse", "A bill", *ASK, "--budget", "euro=3"], "usd=1.50"),
    (["parse", "A bill", *ASK, "--budget", "calls=x"], "calls=100"),
    (["parse", "A bill", *ASK, "--deadline", "0"], "deadline"),
    (["parse", "A bill", "-s", "Bill", "-m", "openai/a"], "module:Model"),
    (["parse", "A bill", "-s", "nowhere:Bill", "-m", "openai/a"], "nowhere"),
    (["parse", "A bill", "-s", "json:Bill", "-m", "openai/a"], "Bill"),
    (["parse", "A bill", "-s", "broken.json", "-m", "openai/a"], "no JSON"),
    (["parse", "A bill", "-s", "unusable.json", "-m", "openai/a"], "'not' is not supported"),
    (["parse", "A bill", "-s", "bill.json", "-m", "opanai/a"], "Did you mean 'openai/a'"),
    (["batch", "none.jsonl", "out.jsonl", *ASK], "none.jsonl"),
    (["batch", "broken.json", "out.jsonl", *ASK], "line 2 is no JSON"),
    (["batch", "empty.jsonl", "out.jsonl", *ASK], "no document"),
    (["batch", "in.jsonl", "taken.jsonl", *ASK], "give another name"),
    (["batch", "in.jsonl", "nowhere/out.jsonl", *ASK], "cannot be opened"),
    (["batch", "in.jsonl", "out.jsonl", *ASK, "--concurrency", "0"], "concurrency"),
    (["check"], "nobody is asked"),
    (["demo", "--documents", "13"], "1 to 12"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=[" ".join(each) for each, _ in WRONG])
def test_wrong_calls(server: Loopback, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], told: str) -> None:
    """A wrong call ends with 2, one message that says what to do, and no request."""
    documents(1)
    Path("broken.json").write_text('{"input": "fine"}\n{"input": \n', encoding="utf-8")
    Path("unusable.json").write_text('{"not": {}}', encoding="utf-8")
    Path("empty.jsonl").write_text("\n", encoding="utf-8")
    Path("taken.jsonl").write_text("mine", encoding="utf-8")
    assert main(list(arguments)) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""
    assert Path("taken.jsonl").read_text(encoding="utf-8") == "mine"
    assert server.count() == 0


# -- batch ----------------------------------------------------------------------------------------------------------


def numbered(recorded: Recorded) -> object:
    """An answer that tells of its question."""
    return {"vendor": said(recorded), "total": 1}


def test_batch(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for every document in their order, failures included; the next run asks for those alone."""
    texts = documents(6)
    broken = [texts[2]]
    server.on("gpt-4o-mini", Answer(lambda each: {"total": "none"} if said(each) in broken else numbered(each)))
    assert main(["batch", "in.jsonl", "out.jsonl", *PRICED, "--concurrency", "2"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "5 of 6 done, 1 failed" in shown.err
    assert "1 failed: out.jsonl says why" in shown.err
    lines = written()
    assert [line["id"] for line in lines] == [f"b{number}" for number in range(6)]
    assert lines[0] == {"id": "b0", "output": {"vendor": texts[0], "total": 1.0}, "status": "complete", "error": None}
    assert (lines[2]["output"], lines[2]["status"]) == (None, "failed")
    assert lines[2]["error"]["kind"] == "AllProcessorsFailed"
    asked = server.count()
    broken.clear()
    assert main(["batch", "in.jsonl", "out.jsonl", *PRICED]) == 0
    assert server.count() == asked + 1
    assert [line["status"] for line in written()] == ["complete"] * 6
    capsys.readouterr()


def test_batch_unordered(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers may be written as they come: the first document is answered when the others are in the file."""
    texts = documents(4)
    first = Held(Answer(numbered), lambda: lines_in("out.jsonl") == 3)
    server.on("a", ByRequest(lambda each: first if said(each) == texts[0] else Answer(numbered)))
    assert main(["batch", "in.jsonl", "out.jsonl", *ASK, "--unordered"]) == 0
    names = [line["id"] for line in written()]
    assert names[-1] == "b0"
    assert sorted(names) == ["b0", "b1", "b2", "b3"]
    capsys.readouterr()


def test_batch_of_another_schema(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal of another question is refused before anything is sent, and the answers stay as they are."""
    documents(2)
    server.on("a", Answer(numbered))
    assert main(["batch", "in.jsonl", "out.jsonl", *ASK]) == 0
    before = written()
    asked = server.count()
    assert main(["batch", "in.jsonl", "out.jsonl", "-s", "builtins:str", "-m", "openai/a"]) == 2
    assert "another schema or ensemble" in capsys.readouterr().err
    assert (written(), server.count()) == (before, asked)


def test_batch_strict(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """What is degraded is written as such, and with ``--strict`` as failed."""
    documents(1)
    server.on("a", Answer(ACME))
    server.on("b", Answer(OTHER))
    both = ["batch", "in.jsonl", *ASK, "-m", "openai/b"]
    assert main([*both, "out.jsonl"]) == 0
    assert main([*both, "strict.jsonl", "--strict"]) == 1
    assert [written(path)[0]["status"] for path in ("out.jsonl", "strict.jsonl")] == ["degraded", "failed"]
    assert written("strict.jsonl")[0]["error"]["kind"] == "DegradedResult"
    capsys.readouterr()


@pytest.mark.timeout(3 * TOO_LONG)
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_batch_goes_on_after_ctrl_c(server: Loopback) -> None:
    """Interrupted, it says how to go on; the same command then asks for nothing again that was done."""
    texts = documents(20)
    server.on("a", ByRequest(lambda each: Answer(numbered) if said(each) in texts[:7] else Hang()))
    # However slow the machine is, no request is given up.
    model = '{ model = "openai/a", retry = { timeout = 1000 } }'
    Path("patient.toml").write_text(f"[ensembles.patient]\nprocessors = [{model}]\n", encoding="utf-8")
    command = [
        "batch",
        "in.jsonl",
        "out.jsonl",
        "--schema",
        "bill.json",
        "--config",
        "patient.toml",
        "--concurrency",
        "2",
    ]
    with subprocess.Popen([*PROGRAM, *command], stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + TOO_LONG
        while (server.count(), lines_in("out.jsonl")) != (9, 7) and time.monotonic() < limit:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=TOO_LONG)
    assert process.returncode == 130, told
    assert "7 of 20 done" in told
    assert "Interrupted. The journal is out.jsonl.journal" in told
    assert "Traceback" not in told
    assert [line["output"]["vendor"] for line in written()] == texts[:7]
    server.on("a", Answer(numbered))
    ran = run(*command)
    assert ran.returncode == 0
    assert "20 of 20 done, 7 from the journal" in ran.stderr
    assert [line["output"]["vendor"] for line in written()] == texts
    times = Counter(said(each) for each in server.requests)
    assert [times[text] for text in texts] == [1] * 7 + [2] * 2 + [1] * 11


def test_what_litellm_leaves_behind_is_not_told(server: Loopback) -> None:
    """A coroutine of LiteLLM's that Ctrl-C left without an ``await`` is nothing that a user can mend."""
    left = "async def {}(): pass\n{}()\n"
    Path("left.py").write_text(f"{left.format(*['acompletion'] * 2)}{left.format(*['mine'] * 2)}Text = str\n")
    server.default(Answer("x"))
    ran = run("parse", "Hello", "-s", "left:Text", "-m", "openai/a")
    assert ran.returncode == 0
    assert "coroutine 'mine' was never awaited" in ran.stderr
    assert "acompletion" not in ran.stderr


def test_batch_writes_to_a_file(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers that cannot be written are not paid for, also where a journal is there already."""
    documents(1)
    Path("folder").mkdir()
    Path("folder.journal").touch()
    assert main(["batch", "in.jsonl", "folder", *ASK]) == 2
    assert "folder: it cannot be written: give the path of a file" in capsys.readouterr().err
    assert server.count() == 0


def test_batch_of_half_characters(server: Loopback) -> None:
    """Text in a wrong encoding is one document's failure, and an id of that kind comes out as it went in."""
    server.on("a", Answer(ACME))
    lines = [r'{"id": "\udce9", "input": "one"}', r'{"id": "b", "input": "\udce9"}', '{"id": "c", "input": "three"}']
    Path("in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert main(["batch", "in.jsonl", "out.jsonl", *ASK]) == 1
    assert [(line["id"], line["output"]) for line in written()] == [("\udce9", ACME), ("b", None), ("c", ACME)]
    assert "could not make the request" in written()[1]["error"]["message"]


@pytest.mark.timeout(240)
def test_batch_on_a_full_disk(server: Loopback) -> None:
    """It says so in a line, and the same command goes on when there is room."""
    pytest.importorskip("resource")
    texts = documents(5)
    server.on("a", Answer(numbered))
    full = """
import resource, signal, sys
from ensemble_parse.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
sys.exit(main())
"""
    command = ["batch", "in.jsonl", "out.jsonl", *ASK, "--concurrency", "1"]
    ran = run(*command, script=full)
    assert ran.returncode == 1
    assert "out.jsonl or its journal cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert 0 < len(written()) < 5
    assert main(command) == 0
    assert [line["output"]["vendor"] for line in written()] == texts


# -- evaluate -------------------------------------------------------------------------------------------------------


def test_evaluate(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """The journal of a batch and a file of truths give the report, for people and as JSON; nobody is asked."""
    texts = documents(6)
    server.on("a", Answer(numbered))
    server.on("b", Answer(lambda each: numbered(each) if said(each) in texts[:3] else ACME))
    assert main(["batch", "in.jsonl", "out.jsonl", *ASK, "-m", "openai/b"]) == 0
    truths = [{"id": f"b{number}", "truth": {"vendor": text, "total": 1}} for number, text in enumerate(texts)]
    Path("truths.jsonl").write_text("\n".join(map(json.dumps, truths)), encoding="utf-8")
    asked = server.count()
    command = ["evaluate", "out.jsonl.journal", "truths.jsonl"]
    capsys.readouterr()
    assert main([*command, "-s", "bill.json", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    right = {score["name"]: score["whole"]["value"] for score in report["scores"]}
    assert (report["items"], right["openai/a"], right["openai/b"]) == (6, 1.0, 0.5)
    assert main([*command, "-s", "bill.json"]) == 0
    assert "openai/b" in capsys.readouterr().out
    assert main([*command, "-s", "builtins:int"]) == 2
    assert "the type that was asked for" in capsys.readouterr().err
    assert main(["evaluate", "none", "truths.jsonl", "-s", "bill.json"]) == 2
    assert "no such journal" in capsys.readouterr().err
    assert server.count() == asked


# -- check ----------------------------------------------------------------------------------------------------------


def test_check_asks_nobody(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys by name and never by value, how each vendor takes the type, all ensembles of a file; no request."""
    Path("ensembles.toml").write_text(
        "[ensembles.one]\nprocessors = ['openai/a', 'anthropic/claude-haiku-4-5', 'ollama_chat/b']\n"
        "decision_maker = 'gemini/gemini-2.5-flash'\n"
        "[ensembles.two]\nprocessors = [{model = 'openai/c', api_key = '${GATEWAY_KEY}'}, 'bedrock/d']\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GATEWAY_KEY", "sk-gateway-value")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-value")
    command = ["check", "--config", "ensembles.toml", "--schema", "bill.json"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    for told in ("OPENAI_API_KEY is set", "none needed", "given", "not checked", "json_schema, strict", "judge gemini"):
        assert told in shown
    assert "value" not in shown
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert main(command) == 1
    assert "ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN is missing" in capsys.readouterr().out
    assert main([*command, "--ensemble", "two"]) == 0
    assert "claude" not in capsys.readouterr().out
    assert server.count() == 0


def test_check_finds_what_would_not_run(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A vendor that does not exist, a schema that one does not take and a processor without a model are findings."""
    Path("ensembles.toml").write_text(
        "[ensembles.one]\nprocessors = ['openai/a', 'opanai/b', {n = 2},\n"
        "  {model = 'anthropic/claude-haiku-4-5', mode = 'json_schema'}]\n",
        encoding="utf-8",
    )
    free = {"type": "object", "properties": {"any": {"type": "object"}}, "required": ["any"]}
    Path("free.json").write_text(json.dumps(free), encoding="utf-8")
    assert main(["check", "--config", "ensembles.toml", "--schema", "free.json"]) == 1
    shown = capsys.readouterr().out
    for told in ("Did you mean 'openai/b'", "names no model", "takes no such schema"):
        assert told in shown
    assert server.count() == 0


def test_ping(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """``--ping`` asks each model once, and shows how long it took or what went wrong."""
    server.on("up", Answer("hello"))
    server.on("down", Status(500))
    assert main(["check", "-m", "openai/up", "--judge", "openai/up", "--ping"]) == 0
    assert capsys.readouterr().out.count(" s ") == 2
    assert main(["check", "-m", "openai/up", "-m", "openai/down", "--ping"]) == 1
    shown = capsys.readouterr().out
    assert "HTTP 500" in shown
    assert server.count("down") == 1


# -- around it ------------------------------------------------------------------------------------------------------


def test_help_imports_little() -> None:
    """Help comes at once: what takes long to import is not imported for it."""
    heavy = "{'litellm', 'instructor', 'openai', 'pydantic', 'rich', 'scipy', 'numpy'}"
    script = f"import sys, ensemble_parse.cli as it\nit.main(['--help'])\nprint(*({heavy} & sys.modules.keys()))"
    ran = run(script=script)
    assert "batch" in ran.stdout
    assert ran.stdout.splitlines()[-1] == ""


def test_version_and_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows its version, and completes its commands for a shell."""
    assert run("--version").stdout.startswith("ensemble-parse 0.")
    for name, value in {"_ENSEMBLE_PARSE_COMPLETE": "complete_bash", "COMP_WORDS": "ensemble-parse ba"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMP_CWORD", "1")
    assert run().stdout.split() == ["batch"]


def test_without_typer() -> None:
    """Where typer is not installed, ``demo`` is there, and all else says what to install."""
    script = "import sys\nsys.modules['typer'] = None\nfrom ensemble_parse.cli import main\nsys.exit(main())"
    assert "--documents" in run("demo", "--help", script=script).stdout
    for arguments in ([], ["--help"], ["parse", "A bill"]):
        ran = run(*arguments, script=script)
        assert (ran.stdout, ran.returncode) == ("", 2)
        assert "pip install 'ensemble-parse[cli]'" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_debug_in_this_process() -> None:
    """With ``--debug`` the error itself comes out of ``main``."""
    with pytest.raises(ConfigurationError, match="nobody is asked"):
        main(["--debug", "check"])


def test_the_reference_is_what_the_code_says() -> None:
    """The page is written from the commands; `nox -s reference` writes it anew."""
    assert command_line.PAGE.read_text(encoding="utf-8") == command_line.page()


def test_nothing_is_shown_without_help() -> None:
    """Every option and argument says what it does."""
    assert "None" not in command_line.page()


def test_a_schema_that_prints(server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the user's module prints goes to standard error; standard output is the answer alone."""
    server.default(Answer(ACME))
    module = "import pydantic\nprint('NOISE')\n\n\nclass Bill(pydantic.BaseModel):\n    vendor: str\n    total: float\n"
    (tmp_path / "noisy_types.py").write_text(module, encoding="utf-8")
    assert main(["parse", "A bill", "-s", "noisy_types:Bill", "-m", "openai/a"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == ACME
    assert "NOISE" in shown.err


def test_a_pipe_cannot_be_read_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A batch is checked before it is asked about, so its documents must be in a file."""
    out = tmp_path / "out.jsonl"
    assert main(["batch", os.devnull, str(out), "-s", "bill.json", "-m", "openai/a"]) == 2
    assert "no file that can be read twice" in capsys.readouterr().err
    assert not out.exists()


def test_another_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no UTF-8 are told before anybody is asked, also where Python reads them all the same."""
    assert main(["parse", "Caf\udce9", *ASK]) == 2
    assert "the text: it is no text in UTF-8" in capsys.readouterr().err
    command = "import sys; from ensemble_parse.cli import main; sys.exit(main())"
    ran = subprocess.run(
        [sys.executable, "-c", command, "parse", *ASK],
        input="Café".encode("latin-1"),
        env={**os.environ, "PYTHONIOENCODING": "utf-8:surrogateescape"},
        capture_output=True,
        check=False,
        timeout=TOO_LONG,
    )
    assert (ran.returncode, b"standard input: it is no text in UTF-8" in ran.stderr) == (2, True)


def test_a_schema_that_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that ends the program when it is imported is no schema, and no success."""
    Path("leaves.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    assert main(["parse", "A bill", "--schema", "leaves:Bill", "--model", "openai/a"]) == 2
    assert "--schema leaves:Bill: SystemExit" in capsys.readouterr().err


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")


@FULL
@pytest.mark.parametrize("debug", [False, True])
def test_standard_output_is_full(debug: bool) -> None:  # noqa: FBT001 - a parameter
    """What cannot be printed is told in a line, or with its traceback for those who ask for it."""
    arguments = [*(["--debug"] if debug else []), "--help"]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=TOO_LONG
        )
        full.close()
    assert ran.returncode != 0
    assert ("Traceback" in ran.stderr) is debug
    assert debug or ran.stderr == ("ensemble-parse: it cannot go on: No space left on device; --debug shows where\n")


@FULL
def test_an_answer_outlives_its_explanation(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """Who said what cannot be shown, and the answer that was paid for comes out."""
    server.on("a", Answer(ACME))
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, too
    with contextlib.redirect_stderr(full):
        assert main(["parse", "A bill", *ASK, "--explain"]) == 1
    with contextlib.suppress(OSError):
        full.close()
    assert json.loads(capsys.readouterr().out) == ACME


def test_the_demo_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number of documents is told in the user's words."""
    assert main(["demo", "--documents", "many"]) == 2
    assert "argument --documents: give 1 to 12" in capsys.readouterr().err
