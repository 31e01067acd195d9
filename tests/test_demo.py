"""The command line and the demonstration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ensemble_parse.cli import main
from ensemble_parse.demo._documents import INVOICES, SHIPMENTS
from tests.loopback import Answer, ByRequest, Held, Loopback, Recorded, Status

if TYPE_CHECKING:
    import pytest

    from ensemble_parse.demo._documents import Invoice, Shipment


def document(recorded: Recorded) -> str:
    """What was asked about."""
    return str(recorded.body["messages"][-1]["content"])


def truth(recorded: Recorded) -> object:
    """What a model that makes no mistake says of a document."""
    known: dict[str, Invoice | Shipment] = dict(INVOICES.documents) | dict(SHIPMENTS.documents)  # type: ignore[arg-type]
    return known[document(recorded)].model_dump(mode="json")


def wrong(recorded: Recorded) -> object:
    """The same with one field wrong."""
    data = truth(recorded)
    assert isinstance(data, dict)
    return data | ({"vendor": "Nobody"} if "vendor" in data else {"city": "Nowhere"})


def test_demo_with_models(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """``demo --models`` asks these, shows who said what of every document, and counts what was right."""

    def after_the_wrong_one(recorded: Recorded) -> Held:
        about = document(recorded)
        done = ("bad", about, "answered")
        return Held(
            Answer(truth), lambda: any((each.model, document(each), each.outcome) == done for each in server.requests)
        )

    # Two that agree settle it, and whoever has not answered by then is not shown.
    for model in ("good", "also"):
        server.on(model, ByRequest(after_the_wrong_one))
    server.on("bad", Answer(wrong))
    models = ["openai/bad", "openai/good", "hosted_vllm/also"]
    assert main(["demo", "--documents", "2", "--models", *models]) == 0
    shown = capsys.readouterr().out
    assert "Brightwater Plumbing" in shown
    assert "Nobody" in shown
    assert "67%" in shown
    assert "16 " in shown
    assert "12 requests" in shown
    for name in models:
        assert name in shown


def test_demo_with_one_model(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """One model alone is three members, each with the examples in an order of its own."""

    def with_the_others(recorded: Recorded) -> Held:
        about = document(recorded)
        return Held(Answer(truth), lambda: [document(each) for each in server.requests].count(about) >= 3)

    server.on("good", ByRequest(with_the_others))
    assert main(["demo", "--documents", "1", "--models", "openai/good"]) == 0
    assert "openai/good-3" in capsys.readouterr().out
    prompts = {tuple(turn["content"] for turn in each.body["messages"]) for each in server.requests}
    assert len(prompts) == 6


def test_what_a_terminal_would_obey_is_spelt_out(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer cannot clear the screen or colour the table."""

    def clearing(recorded: Recorded) -> object:
        data = truth(recorded)
        assert isinstance(data, dict)
        return data | ({"vendor": "\x1b[2JX"} if "vendor" in data else {"city": "\x1b[2JX"})

    server.on("bad", Answer(clearing))
    assert main(["demo", "--documents", "1", "--models", "openai/bad"]) == 0
    shown = capsys.readouterr().out
    assert "\\x1b[2JX" in shown
    assert "\x1b" not in shown


def test_demo_with_failures(server: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that fails is shown with its reason; when all do, the exit code says so."""
    server.on("good", Answer(truth))
    server.on("down", Status(401))
    assert main(["demo", "--documents", "1", "--models", "openai/good", "openai/down"]) == 0
    assert "check the API key" in capsys.readouterr().out
    assert main(["demo", "--documents", "1", "--models", "openai/down"]) == 1
    assert "without an answer" in capsys.readouterr().out


def test_wrong_calls(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong call says what to do; a model that nobody knows is an error without a traceback."""
    for arguments in ([], ["dmeo"], ["demo", "--documents", "13"], ["demo", "--documents", "x"]):
        assert main(arguments) == 2
    capsys.readouterr()
    assert main(["demo", "--models", "opanai/gpt"]) == 2
    assert "Did you mean 'openai/gpt'" in capsys.readouterr().err
