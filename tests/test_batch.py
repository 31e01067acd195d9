"""Vendors' batches: what is handed in, what becomes of it, and that nothing is handed in twice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, PositiveFloat

from ensemble_parse import (
    AllProcessorsFailed,
    Budget,
    BudgetExceeded,
    Client,
    ConfigurationError,
    Ensemble,
    Processor,
    ProviderError,
    RetryPolicy,
)
from ensemble_parse.batch import Item, read_journal
from ensemble_parse.testing import FunctionClient, no_model_requests
from tests.loopback import Answer, Answers, Loopback, Recorded, Refusal, Status, Text, example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ensemble_parse import Fit, ModelCall, Reply

pytestmark = pytest.mark.anyio

A, B = "openai/gpt-4o-mini", "openai/gpt-5-mini"
OTHER = "anthropic/claude-haiku-4-5"
TEXTS = ["one", "two", "three"]
FAST = RetryPolicy(wait=lambda _: 0.0)


class Bill(BaseModel):
    """A model."""

    vendor: str
    total: PositiveFloat


GOOD = {"vendor": "ACME", "total": 12.5}
BAD = {"vendor": "ACME", "total": -1}


async def taken(items: AsyncIterator[Item[Any]]) -> list[Item[Any]]:
    """All of them, in order."""
    return sorted([item async for item in items], key=lambda item: item.position)


def live(server: Loopback) -> list[str]:
    """The models that were asked live."""
    return [each.model for each in server.requests if each.model]


def handed(server: Loopback) -> list[tuple[str, int]]:
    """The model and the number of rows of every batch."""
    return [(each.rows[0]["body"]["model"], len(each.rows)) for each in server.batches.made]


def answer(recorded: Recorded) -> object:
    """The text that was asked about, as an answer: three letters make 3.0."""
    text = recorded.body["messages"][-1]["content"]
    return {"vendor": text, "total": len(text)}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A path for a journal."""
    return tmp_path / "bills.jsonl"


def written(journal: Path) -> list[bytes]:
    """The lines of a journal."""
    return journal.read_bytes().splitlines(keepends=True)


def cut(journal: Path, *lines: bytes) -> None:
    """Make it a journal of these lines."""
    journal.write_bytes(b"".join(lines))


async def interrupted(server: Loopback, items: AsyncIterator[Item[Any]]) -> None:
    """Let a run hand in and wait, then end it as Ctrl-C does."""
    server.batches.looks = 1_000_000
    running = asyncio.create_task(taken(items))
    while not any(each.looks > 1 for each in server.batches.made):
        assert not running.done()
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    server.batches.looks = 0


# -- what goes in and what comes out ----------------------------------------------------------------------------------


async def test_every_row_is_answered_by_its_batch(server: Loopback, journal: Path) -> None:
    """Each processor's requests go out as one file; answers come back to their items, though in another order."""
    server.default(Answer(answer))
    server.batches.looks = 2
    ensemble = Ensemble([A, Processor(B, n=2)])
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    assert [item.output for item in items] == [Bill(vendor=text, total=len(text)) for text in TEXTS]
    assert [len(item.result.candidates) for item in items if item.result] == [3, 3, 3]
    assert handed(server) == [("gpt-4o-mini", 3), ("gpt-5-mini", 3)]
    assert [row["body"].get("n") for row in server.batches.made[1].rows] == [2, 2, 2]
    assert live(server) == []
    assert server.batches.downloads == 2  # and LiteLLM downloads none of it for itself


@pytest.mark.parametrize("mode", ["json_schema", "tools", "json", "md_json"])
async def test_a_row_is_what_would_be_sent_live(server: Loopback, journal: Path, mode: Any) -> None:
    """To the letter, in every mode, with parameters, an extra body and few-shot turns."""
    processor = Processor(A, mode=mode, temperature=0.3, max_tokens=50, extra_body={"special": 1})
    ensemble = Ensemble([processor], examples=[("zero", Bill(vendor="Z", total=1))])
    server.default(Answer(GOOD))
    [item] = await taken(ensemble.batch(["one"], Bill, journal=journal))
    await ensemble.run("one", Bill)
    assert server.batches.made[0].rows[0]["body"] == server.requests[-1].body
    assert item.output == Bill(**GOOD)


async def test_a_batch_costs_half(server: Loopback, tmp_path: Path) -> None:
    """By LiteLLM's price list; a price that is the caller's own is taken as it is, and an unknown one is unknown."""
    server.default(Answer(GOOD, usage=(1000, 100)))

    async def cost(processor: Processor) -> tuple[float | None, float | None]:
        journal = tmp_path / str(processor.model).replace("/", "_")
        [item] = await taken(Ensemble([processor]).batch(["one"], Bill, journal=journal))
        assert item.result
        result = await Ensemble([processor]).run("one", Bill)
        return item.result.attempts[0].cost, result.attempts[0].cost

    batch, now = await cost(Processor(A))
    assert batch == pytest.approx(now / 2) if now else None
    # Another model, since LiteLLM keeps such a price for the whole process.
    own = await cost(Processor("openai/gpt-4.1-nano", input_cost_per_token=1e-3, output_cost_per_token=1e-2))
    assert own == (pytest.approx(2.0), pytest.approx(2.0))
    assert await cost(Processor("openai/unheard-of")) == (None, None)


async def test_processors_without_batches_are_asked_live(server: Loopback, journal: Path) -> None:
    """Beside those that have them, whatever the pace; and a judge's question is one, too."""

    def said(recorded: Recorded) -> object:
        schema = recorded.body["response_format"]["json_schema"]["schema"]
        return GOOD if "vendor" in schema["properties"] else example(schema)

    server.on("gpt-4o-mini", Answer(said))
    server.on("claude-haiku-4-5", Answer(GOOD | {"vendor": "Initech"}))
    # The judge is also a processor: its question is another, and must not be taken for a row.
    ensemble = Ensemble([A, OTHER], decision_maker=A, pace="thrifty")
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [len(item.result.candidates) for item in items if item.result] == [2, 2, 2]
    assert handed(server) == [("gpt-4o-mini", 3)]
    assert sorted(live(server)) == ["claude-haiku-4-5"] * 3 + ["gpt-4o-mini"] * 3


async def test_without_any_batches_nothing_is_sent(server: Loopback, journal: Path) -> None:
    """It would be paid in full, so it is refused; and so is a run without a journal, or in a test without models."""
    with pytest.raises(ConfigurationError, match="use map"):
        await taken(Ensemble([OTHER]).batch(TEXTS, Bill, journal=journal))
    journal = journal.with_name("another.jsonl")
    with pytest.raises(ConfigurationError, match="use map"):
        await taken(Ensemble([A], client=FunctionClient(lambda _: GOOD)).batch(TEXTS, Bill, journal=journal))
    with pytest.raises(ConfigurationError, match="journal"):
        Ensemble([A]).batch(TEXTS, Bill, journal=None)
    with pytest.raises(ConfigurationError, match="poll"):
        Ensemble([A]).batch(TEXTS, Bill, journal=journal, poll=0)
    with no_model_requests(), pytest.raises(ConfigurationError, match="no_model_requests"):
        await taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal))
    assert server.requests == []


async def test_a_server_without_batches_is_asked_live(server: Loopback, journal: Path) -> None:
    """It has OpenAI's wire format and says 404: that costs nothing, also when the run goes on; else it is an error."""
    server.default(Answer(GOOD))
    server.batches.refused = 404
    ensemble = Ensemble([A])
    with pytest.raises(ProviderError, match="404"):
        await taken(ensemble.batch(TEXTS, Bill, journal=journal, live=False))
    assert live(server) == []
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output for item in items] == [Bill(**GOOD)] * 3
    assert len(live(server)) == 3


async def test_a_file_has_no_more_rows_than_the_vendor_takes(server: Loopback, journal: Path) -> None:
    """More rows, or more bytes, make several batches."""

    class Small(Client):
        below = Ensemble([A]).client

        async def fit(self, call: ModelCall[Any]) -> Fit:
            return await self.below.fit(call)

        async def ask(self, call: ModelCall[Any]) -> Reply[Any]:
            return await self.below.ask(call)

        async def batches(self, call: ModelCall[Any]) -> Any:
            found: Any = await self.below.batches(call)
            found.most_rows = 2
            found.most_bytes = 3000
            return found

    server.default(Answer(answer))
    texts = [*TEXTS, "x" * 2000, "y" * 2000, "z" * 4000]
    items = await taken(Ensemble([A], client=Small()).batch(texts, Bill, journal=journal))
    assert [item.output.total for item in items] == [len(text) for text in texts]
    assert [len(each.rows) for each in server.batches.made] == [2, 1, 1, 1, 1]


async def test_keys_and_addresses_of_a_processor_hold(server: Loopback, journal: Path) -> None:
    """Every request about its files and batches has them, and none of them is in the journal."""
    server.default(Answer(GOOD))
    mine = Processor(A, api_base=f"{server.url}/v1", api_key="sk-mine-alone", extra_headers={"x-team": "blue-team"})
    await interrupted(server, Ensemble([mine]).batch(TEXTS, Bill, journal=journal, poll=0.001))
    cut(journal, *written(journal)[:2])  # so that it is looked for, too
    await taken(Ensemble([mine]).batch(TEXTS, Bill, journal=journal))
    assert {each.path.split("/")[2] for each in server.requests} == {"files", "batches"}
    assert {each.headers["authorization"] for each in server.requests} == {"Bearer sk-mine-alone"}
    # LiteLLM loses extra headers where it lists batches; a gateway that needs them there refuses, and nothing is lost.
    told = [each for each in server.requests if each.path != "/v1/batches" or each.body]
    assert {each.headers.get("x-team") for each in told} == {"blue-team"}
    assert not [line for line in written(journal) if b"sk-mine" in line or b"blue-team" in line]


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_invalid_rows_are_asked_again_live(server: Loopback, journal: Path) -> None:
    """With what was wrong, as after any invalid answer; what is valid is not, and a refusal is a refusal."""
    server.on("gpt-4o-mini", Answer(GOOD), Answer(BAD), Refusal(), Answer(GOOD | {"total": 7}))
    items = await taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal, concurrency=1))
    assert [item.result and item.output.total for item in items] == [12.5, 7, None]
    assert "refused" in str(items[2].error)
    assert live(server) == ["gpt-4o-mini"]
    assert "greater than 0" in json.dumps(server.requests[-1].body["messages"])
    second = items[1].result
    assert second
    batch, now = [attempt.cost for attempt in second.attempts]
    assert batch
    assert now == pytest.approx(batch * 2)


async def test_a_sample_that_is_missing_is_asked_for(server: Loopback, journal: Path) -> None:
    """A row that asked for two answers and came back with one: the other is asked for live."""
    server.on("gpt-4o-mini", Answer(GOOD, ignore_n=True))
    [item] = await taken(Ensemble([Processor(A, n=2)]).batch(["one"], Bill, journal=journal))
    assert item.result
    assert len(item.result.candidates) == 2
    assert live(server) == ["gpt-4o-mini"]


async def test_rows_that_failed_follow_the_retry_policy(server: Loopback, journal: Path) -> None:
    """A 500 is tried again, live; a 400 is not, and says what the vendor said; neither is a mystery in the ledger."""
    server.on("gpt-4o-mini", Answer(GOOD), Status(500), Status(400), Answer(GOOD))
    items = await taken(Ensemble([Processor(A, retry=FAST)]).batch(TEXTS, Bill, journal=journal))
    assert [bool(item.result) for item in items] == [True, True, False]
    assert "HTTP 400" in str(items[2].error)
    assert live(server) == ["gpt-4o-mini"]
    assert items[1].result
    assert [each.status_code for each in items[1].result.attempts] == [500, None]


@pytest.mark.parametrize("reply", [Answer(BAD), Text("no JSON"), Status(500), Status(400)])
async def test_nothing_is_asked_live_that_is_not_wanted_live(server: Loopback, journal: Path, reply: Any) -> None:
    """With ``live=False`` a row without a valid answer is the processor's failure."""
    server.on("gpt-4o-mini", reply)
    server.on("gpt-5-mini", Answer(GOOD))
    items = await taken(Ensemble([A, B]).batch(TEXTS, Bill, journal=journal, live=False))
    assert [item.output for item in items] == [Bill(**GOOD)] * 3
    assert {item.result.status for item in items if item.result} == {"degraded"}
    assert live(server) == []


STRAY = b"""
<html>out of order</html>
{}
5
{"custom_id": 5, "response": {"status_code": 200, "body": {}}}
{"custom_id": "another's", "response": {"status_code": 200, "body": {}}}
{"custom_id": "none", "response": "none"}
"""


@pytest.mark.parametrize(
    ("spoil", "asked"),
    [
        (lambda lines: STRAY + lines, 0),
        (lambda lines: lines.replace(b"\n", b"\r\n\r\n"), 0),
        (lambda lines: lines[:-20], 1),
        (lambda _: b"\xff", 3),
    ],
)
async def test_a_file_of_answers_that_is_damaged(server: Loopback, journal: Path, spoil: Any, asked: int) -> None:
    """What is no row is passed over, and what has no whole row is asked live."""
    server.default(Answer(answer))
    server.batches.spoil = spoil
    items = await taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal, ordered=True))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(live(server)) == asked


async def test_an_expired_batch_is_finished_live(server: Loopback, journal: Path) -> None:
    """What it has answered by then is kept, and paid for at half the price."""
    server.default(Answer(answer))
    server.batches.end, server.batches.answered = "expired", 2
    items = await taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert live(server) == ["gpt-4o-mini"]


async def test_an_expired_batch_without_live_requests(server: Loopback, journal: Path) -> None:
    """What it has answered is given, the rest failed; the next run hands in the rest again, and only that."""
    server.default(Answer(answer))
    server.batches.end, server.batches.answered = "expired", 2
    ensemble = Ensemble([A])
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal, live=False))
    assert [bool(item.result) for item in items] == [True, True, False]
    assert isinstance(items[2].error, AllProcessorsFailed)
    assert "batch_1 is expired" in str(items[2].error)
    server.batches.end = "completed"
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal, live=False))
    assert [(item.output.vendor, item.resumed) for item in items] == [("one", True), ("two", True), ("three", False)]
    assert handed(server) == [("gpt-4o-mini", 3), ("gpt-4o-mini", 1)]
    assert live(server) == []


@pytest.mark.parametrize("ask", [True, False])
async def test_a_failed_batch(server: Loopback, journal: Path, ask: bool) -> None:  # noqa: FBT001 - a parameter
    """All of it is asked live, or nothing of it; then the error says what the vendor said."""
    server.default(Answer(answer))
    server.batches.end = "failed"
    items = await taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal, live=ask))
    assert len(live(server)) == (3 if ask else 0)
    assert [bool(item.result) for item in items] == [ask] * 3
    assert ask or "Enqueued token limit" in str(items[0].error)


async def test_an_outage_while_waiting_is_waited_out(server: Loopback, journal: Path) -> None:
    """A day is long: a server that is out of order for a while costs nothing but time."""
    server.default(Answer(answer))
    server.batches.looks = 1_000_000
    running = asyncio.create_task(taken(Ensemble([A]).batch(TEXTS, Bill, journal=journal, poll=0.001)))
    while not (server.batches.made and server.batches.made[0].looks):  # noqa: ASYNC110 - it happens in the server
        await asyncio.sleep(0.001)
    server.batches.refused = 503
    before = len(server.requests)
    while len(server.requests) < before + 3:  # noqa: ASYNC110 - it happens in the server
        await asyncio.sleep(0.001)
    server.batches.refused, server.batches.looks = None, 0
    assert [item.output.vendor for item in await running] == TEXTS
    assert live(server) == []


async def test_a_key_that_expires_while_waiting_ends_the_run(server: Loopback, journal: Path) -> None:
    """And with a new key it goes on, instead of paying for everything live."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    await interrupted(server, ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    server.batches.refused = 401
    with pytest.raises(ProviderError, match="API key"):
        await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    server.batches.refused = None
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(server.batches.made) == 1
    assert live(server) == []


async def test_a_batch_that_its_vendor_forgot_is_asked_live(server: Loopback, journal: Path) -> None:
    """As after weeks, when its files are deleted."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    await interrupted(server, ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    server.batches.refused = 404
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(live(server)) == 3


async def test_a_lost_confirmation_makes_no_second_batch(server: Loopback, journal: Path) -> None:
    """The vendor made the batch, and its answer was an error: it is found again by its mark."""
    server.default(Answer(answer))
    server.batches.lose = 1
    items = await taken(Ensemble([Processor(A, retry=FAST)]).batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(server.batches.made) == 1


# -- resuming ---------------------------------------------------------------------------------------------------------


async def test_a_run_goes_on_waiting(server: Loopback, journal: Path) -> None:
    """Interrupted after it had handed in, it hands in nothing again; and what is done is not even downloaded again."""
    server.default(Answer(answer))
    ensemble = Ensemble([A, B])
    await interrupted(server, ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [(item.output.vendor, item.resumed) for item in items] == [(text, False) for text in TEXTS]
    assert len(server.batches.made) == 2
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [(item.output.vendor, item.resumed) for item in items] == [(text, True) for text in TEXTS]
    assert len(server.batches.made) == 2
    assert server.batches.downloads == 2
    assert live(server) == []


async def test_killed_at_any_line_of_the_journal(server: Loopback, journal: Path) -> None:
    """Whatever line was the last that was written, and torn or not: every batch is handed in once."""
    server.default(Answer(answer))
    ensemble = Ensemble([A, B])
    await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    whole = written(journal)
    assert len(whole) == 1 + 4 + 3
    for kept in range(5, len(whole)):
        for torn in (b"", whole[kept][:10]):
            cut(journal, *whole[:kept], torn)
            items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
            assert [item.output.vendor for item in items] == TEXTS
            assert len(server.batches.made) == 2
    # Killed between the handing in and the vendor's answer to it: it is looked for.
    for kept in (2, 4):
        cut(journal, *whole[:kept])
        made = len(server.batches.made)
        items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
        assert [item.output.vendor for item in items] == TEXTS
        assert len(server.batches.made) == made + (1 if kept == 2 else 0)
    assert live(server) == []


async def test_a_batch_that_never_arrived_is_handed_in_again(server: Loopback, journal: Path) -> None:
    """Killed before the request went out: it is looked for, through all pages, and not there."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    head, line, *_ = written(journal)
    cut(journal, head, line.replace(json.loads(line)["batch"].encode(), b"0" * 32))
    server.batches.made += [replace(server.batches.made[0], name=f"older_{number}") for number in range(249)]
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(server.batches.made) == 251
    assert len([each for each in server.requests if each.path == "/v1/batches" and not each.body]) == 3


async def test_a_line_taken_out_by_hand_is_forgotten(server: Loopback, journal: Path) -> None:
    """Without the line that says which rows are in it, the batch's name says nothing, and the rows are handed in."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    await interrupted(server, ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    head, _, name = written(journal)
    cut(journal, head, name)
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in items] == TEXTS
    assert len(server.batches.made) == 2


async def test_another_input_under_an_id_is_another_row(server: Loopback, journal: Path) -> None:
    """An answer belongs to what was asked, not to the id; new inputs are handed in beside it."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    inputs = [{"id": "a", "input": "one"}, {"id": "b", "input": "two"}]
    await interrupted(server, ensemble.batch(inputs, Bill, journal=journal, poll=0.001))
    inputs = [{"id": "a", "input": "one"}, {"id": "b", "input": "three"}, {"id": "c", "input": "four"}]
    items = await taken(ensemble.batch(inputs, Bill, journal=journal))
    assert [item.output.vendor for item in items] == ["one", "three", "four"]
    assert [len(each.rows) for each in server.batches.made] == [2, 2]


async def test_the_journal_is_one_of_map_too(server: Loopback, journal: Path) -> None:
    """It is read as data, map goes on from it, and another schema is refused before anything is handed in."""
    server.default(Answer(answer))
    ensemble = Ensemble([A])
    await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert [item.output.vendor for item in read_journal(journal, Bill)] == TEXTS
    items = await taken(ensemble.map([*TEXTS, "four"], Bill, journal=journal))
    assert [item.resumed for item in items] == [True, True, True, False]
    with pytest.raises(ConfigurationError, match="another schema"):
        await taken(Ensemble([B]).batch(TEXTS, Bill, journal=journal))
    assert len(server.batches.made) == 1


async def test_inputs_that_cannot_be_asked_about(server: Loopback, journal: Path) -> None:
    """Each is its own item's error, and in no batch; of no inputs there is no batch."""
    server.default(Answer(answer))
    items = await taken(Ensemble([A]).batch(["one", "", 3, "three"], Bill, journal=journal))
    assert [bool(item.result) for item in items] == [True, False, False, True]
    assert handed(server) == [("gpt-4o-mini", 2)]
    assert await taken(Ensemble([A]).batch([], Bill, journal=journal.with_name("none"))) == []


# -- money ------------------------------------------------------------------------------------------------------------


async def test_a_budget_holds_what_is_handed_in(server: Loopback, journal: Path) -> None:
    """Rows that it does not hold are not handed in; what was used is counted, and nothing stays set aside."""
    server.default(Answer(answer))
    budget = Budget(calls=2)
    ensemble = Ensemble([Processor(A, max_tokens=100)], budget=budget)
    items = await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert handed(server) == [("gpt-4o-mini", 2)]
    assert [type(item.error) for item in items] == [type(None), type(None), BudgetExceeded]
    assert (budget.spent.calls, budget.spent.tokens) == (2, 240)
    assert budget.spent.usd == pytest.approx(sum(item.result.attempts[0].cost or 0 for item in items if item.result))
    assert budget.reserved.calls == 0


async def test_a_budget_is_free_again_after_an_interruption(server: Loopback, journal: Path) -> None:
    """And the process that goes on counts what the batch cost, though it did not set it aside."""
    server.default(Answer(answer))
    budget = Budget(calls=3)
    ensemble = Ensemble([A], budget=budget)
    await interrupted(server, ensemble.batch(TEXTS, Bill, journal=journal, poll=0.001))
    assert (budget.spent.calls, budget.reserved.calls) == (0, 0)
    await taken(ensemble.batch(TEXTS, Bill, journal=journal))
    assert (budget.spent.calls, budget.reserved.calls) == (3, 0)


async def test_every_answer_is_counted(server: Loopback, journal: Path) -> None:
    """Where two of three would be enough to decide, the third is paid for all the same, and so it votes and counts."""
    server.default(Answer(GOOD))
    items = await taken(Ensemble([A, B, "openai/gpt-4o"]).batch(TEXTS, Bill, journal=journal))
    assert [len(item.result.candidates) for item in items if item.result] == [3, 3, 3]
    assert [len(item.result.attempts) for item in items if item.result] == [3, 3, 3]


async def test_samples_with_prompts_of_their_own(server: Loopback, journal: Path) -> None:
    """With few-shot examples each sample has its own order of them, and so its own row."""
    server.default(Answers(GOOD))
    examples = [(str(number), Bill(vendor="Z", total=number)) for number in range(1, 6)]
    items = await taken(Ensemble([Processor(A, n=3)], examples=examples).batch(["one", "two"], Bill, journal=journal))
    assert [len(item.result.candidates) for item in items if item.result] == [3, 3]
    assert handed(server) == [("gpt-4o-mini", 6)]
    assert live(server) == []
