"""Ray Data: one ensemble in each actor, failures as columns, and an actor that is killed in the middle."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel, Field, computed_field

from ensemble_parse import Budget, ConfigurationError, Ensemble, ModelCall, Processor, RateLimit, Refused
from ensemble_parse.cache import Cache
from ensemble_parse.integrations.ray import EnsembleMapper
from ensemble_parse.testing import FunctionClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_INSTALL = "needs: pip install ensemble-parse[ray]"
needs_arrow = pytest.mark.skipif(not importlib.util.find_spec("pyarrow"), reason=_INSTALL)
needs_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason=_INSTALL)
# Ray's, of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

SETUP = {"processors": ["a/1", "b/2"], "decision_maker": "first"}


class Line(BaseModel):
    """A model inside of one."""

    name: str
    price: float | None = None


class Bill(BaseModel):
    """A model."""

    total: int
    lines: list[Line] = []


class Tree(BaseModel):
    """Contains itself."""

    leaves: list[Tree] = []


class Rich(BaseModel):
    """Has what Arrow has types for, and what it has none for."""

    day: date
    kind: Literal["a", "b"] | None = None
    free: dict[str, int] = Field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    either: int | str = 0

    @computed_field
    @property
    def year(self) -> int:
        """Made of the others."""
        return self.day.year


def answer(call: ModelCall[Any]) -> Any:
    """Gives the length of the text; the text "fail" fails, and "bug" is a bug."""
    text = call.messages[-1]["content"]
    if text == "fail":
        message = f"{call.processor}: no"
        raise Refused(message, processor=call.processor)
    if text == "bug":
        raise ZeroDivisionError(text)
    return {"total": len(text)} if call.format.type is Bill else len(text)


def build() -> Ensemble:
    """Two models."""
    return Ensemble(["a/1", "b/2"], client=FunctionClient(answer))


def table(mapper: EnsembleMapper, **columns: list[Any]) -> Any:
    """What a mapper makes of a table."""
    import pyarrow as pa

    return asyncio.run(mapper(pa.table(columns)))


def always(value: Any) -> Ensemble:
    """One model that says always the same."""
    return Ensemble(["a/1"], client=FunctionClient(lambda _: value))


# -- without a cluster ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ensemble": 3}, "ensemble is a int"),
        ({"ensemble": lambda: 3}, r"ensemble\(\) gave a int"),
        ({"ensemble": build, "name": "x"}, "are for a configuration"),
        ({"ensemble": build(), "client": Cache()}, "are for a configuration"),
        ({"ensemble": {"ensembles": {"a": SETUP, "b": SETUP}}}, "name one of its ensembles"),
        ({"ensemble": lambda: Ensemble(2)}, "has no model"),
        ({"response_format": len}, "it is a function"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"messages": ""}, "messages=''"),
        ({"concurency": 3}, "did you mean 'concurrency'"),
        ({"timeout": 3}, "'timeout' is no model parameter"),
        ({"examples": [("a", "no bill")]}, "the output is no Bill"),
        ({"response_format": int, "fields": True}, "fields are known beforehand"),
        ({"columns": {"price": "x"}}, "there is 'answer', 'status'"),
        ({"columns": {"cost": "tokens"}}, "two columns are called 'tokens'"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], told: str) -> None:
    """What cannot work is said when the mapper is made, before any row is read."""
    with pytest.raises(ConfigurationError, match=told):
        EnsembleMapper(**{"ensemble": build, "response_format": Bill, **settings})


def test_every_source_of_an_ensemble(tmp_path: Path) -> None:
    """A function, a configuration as a file or data, and an ensemble are all taken."""
    file = tmp_path / "e.toml"
    file.write_text('[ensembles.x]\nprocessors = ["a/1", "b/2"]\n[ensembles.y]\nprocessors = ["c/3"]\n')
    client = FunctionClient(answer)
    for mapper in (
        EnsembleMapper(build, int),
        EnsembleMapper(build(), int),
        EnsembleMapper(file, int, name="x", client=client),
        EnsembleMapper(str(file), int, name="x", client=client),
        EnsembleMapper({"ensembles": {"x": SETUP}}, int, client=client),
    ):
        assert "'a/1', 'b/2'" in repr(mapper)


def test_what_is_of_one_process_is_not_copied() -> None:
    """An ensemble pickles with its processors' gates; with a budget or a rate it says what to do instead."""
    copy = pickle.loads(pickle.dumps(Ensemble([Processor("a/1", max_concurrency=2)], client=FunctionClient(answer))))
    assert copy.run_sync("four", int).output == 4
    for holds in (
        Ensemble(["a/1"], budget=Budget(usd=1)),
        Ensemble([Processor("a/1", rate_limit=RateLimit(requests=1))]),
    ):
        with pytest.raises(ConfigurationError, match="Give the other process a function that builds the ensemble"):
            pickle.dumps(holds)


@needs_arrow
def test_every_row_comes_out() -> None:
    """Each row has its answer or its error, at its place, with what is to be said about it."""
    out = table(EnsembleMapper(build, Bill), messages=["one", "fail", "", "bug", "three"], id=[1, 2, 3, 4, 5])
    assert out.column_names == [
        *("messages", "id", "answer", "status", "error", "reasons", "cost", "tokens", "verdicts")
    ]
    rows = out.to_pylist()
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["answer"] and row["answer"]["total"] for row in rows] == [3, None, None, None, 5]
    assert [row["status"] for row in rows] == ["complete", "failed", "failed", "failed", "complete"]
    assert [(row["error"] or "None").partition(":")[0] for row in rows] == [
        *("None", "AllProcessorsFailed", "ConfigurationError", "ZeroDivisionError", "None")
    ]
    assert [(row["cost"], row["tokens"]) for row in rows] == [(0, 0), (0, 0), (0, 0), (None, None), (0, 0)]
    assert json.loads(rows[0]["verdicts"])["total"]["supporters"] == ["a/1", "b/2"]
    assert rows[1]["verdicts"] is None


@needs_arrow
def test_degraded_answers_say_why() -> None:
    """An answer that is less than it should be comes with the reasons."""
    client = FunctionClient(lambda call: 1 if call.model == "a/1" else 2)
    (row,) = table(EnsembleMapper(Ensemble(["a/1", "b/2"], client=client), int), messages=["x"]).to_pylist()
    assert (row["answer"], row["status"], row["error"]) == (1, "degraded", None)
    assert row["reasons"].startswith("undecided: ")
    (row,) = table(
        EnsembleMapper(Ensemble(["a/1", "b/2"], client=client, strict=True), int), messages=["x"]
    ).to_pylist()
    assert (row["answer"], row["status"], row["cost"]) == (None, "failed", 0)


@needs_arrow
def test_columns_have_names_of_ones_own() -> None:
    """Fields get columns of their own; columns are renamed and left out; none is overwritten."""
    names = {"answer.total": "sum", "answer.lines": None, "cost": None, "tokens": None, "reasons": None}
    mapper = EnsembleMapper(build, Bill, messages="text", fields=True, columns={**names, "verdicts": None})
    out = table(mapper, text=["one", "fail"])
    assert out.select(["sum", "status"]).to_pylist() == [
        *({"sum": 3, "status": "complete"}, {"sum": None, "status": "failed"})
    ]
    assert out.column_names == ["text", "sum", "status", "error"]
    with pytest.raises(ConfigurationError, match="a column 'sum' already"):
        table(mapper, text=["one"], sum=[1])
    with pytest.raises(ConfigurationError, match="no column 'text' to read from; there is 'texts'"):
        table(mapper, texts=["one"])


@needs_arrow
@pytest.mark.parametrize(
    ("response_format", "said", "kind", "kept"),
    [
        (int, 3, "int64", 3),
        (float, 0.5, "double", 0.5),
        (bool, True, "bool", True),
        (Literal["a", "b"], "a", "string", "a"),
        (list[str], ["a"], "list<item: string>", ["a"]),
        (dict[str, int], {"a": 1}, "string", '{"a":1}'),
        (Tree, {"leaves": [{}]}, "struct<leaves: list<item: string>>", {"leaves": ['{"leaves":[]}']}),
        (
            Bill,
            {"total": 1, "lines": [{"name": "x"}]},
            "struct<total: int64, lines: list<item: struct<name: string, price: double>>>",
            {"total": 1, "lines": [{"name": "x", "price": None}]},
        ),
        (
            Rich,
            {"day": "2026-01-02", "free": {"a": 1}, "pair": [1, "x"], "either": "1"},
            "struct<day: string, kind: string, free: string, pair: string, either: string, year: int64>",
            {"day": "2026-01-02", "kind": None, "free": '{"a":1}', "pair": '[1,"x"]', "either": '"1"', "year": 2026},
        ),
    ],
)
def test_the_type_of_a_column(response_format: Any, said: Any, kind: str, kept: Any) -> None:
    """Answers keep what they say; and the column's type is the same where there is no answer at all."""
    out = table(EnsembleMapper(always(said), response_format), messages=["x", ""])
    assert out.column("answer").to_pylist() == [kept, None]
    nothing = table(EnsembleMapper(always(said), response_format), messages=[""])
    assert str(out.schema.field("answer").type) == kind == str(nothing.schema.field("answer").type)
    assert out.schema == nothing.schema


@needs_arrow
def test_what_a_column_cannot_hold() -> None:
    """A number that is too large is that row's error, and the money it cost is told."""
    client = FunctionClient(lambda call: 2**70 if "big" in str(call.messages) else 1)
    out = table(EnsembleMapper(Ensemble(["a/1"], client=client), int), messages=["x", "big", "x"]).to_pylist()
    assert [row["answer"] for row in out] == [1, None, 1]
    assert (out[1]["status"], out[1]["cost"]) == ("failed", 0)
    assert "more than 64 bits" in out[1]["error"]


@needs_arrow
def test_messages_of_a_row() -> None:
    """Messages come from a column, without the nulls that a table adds, or from a function of the row."""
    client = FunctionClient(answer)
    turns = [{"role": "user", "content": "one", "name": "n"}, {"role": "user", "content": "four"}]
    table(EnsembleMapper(Ensemble(["a/1"], client=client), int), messages=[turns])
    assert client.calls[0].messages == (turns[0], turns[1])
    mapper = EnsembleMapper(build, int, messages=lambda row: f"{row['a']} {row['b']}")
    assert table(mapper, a=["x", "yy"], b=["z", "z"]).column("answer").to_pylist() == [3, 4]
    assert table(mapper, a=["x"]).column("error").to_pylist() == ["KeyError: 'b'"]


# -- on a cluster -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of this computer alone, which asks nobody."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # no token in the home folder
        import ray
        import ray.data

        ray.init(
            num_cpus=2,
            object_store_memory=100_000_000,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.wait_for_min_actors_s = 60  # so that one does not do all before the other is there
        context.execution_options.preserve_order = True
        yield ray
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            ray.shutdown()
            gc.collect()  # what Ray leaves to the garbage collector are processes that it has killed


def mapped(ray: Any, rows: list[dict[str, Any]], *, blocks: int, **settings: Any) -> list[Any]:
    """All rows that come out of two actors, or of one where there is but one block."""
    how = {name: settings.pop(name) for name in ("batch_size", "batch_format") if name in settings}
    data = ray.data.from_items(rows, override_num_blocks=blocks)
    compute = ray.data.ActorPoolStrategy(size=min(2, blocks))
    return data.map_batches(EnsembleMapper, fn_constructor_kwargs=settings, compute=compute, **how).take_all()


@needs_ray
def test_rows_keep_their_order(ray: Any) -> None:
    """Two actors answer all rows, failures among them, and with ``preserve_order`` they come as they went in."""
    rows = [{"id": number, "messages": "fail" if number % 5 == 4 else "x" * (number + 1)} for number in range(40)]
    out = mapped(ray, rows, blocks=8, ensemble=build, response_format=Bill, batch_size=3)
    assert [row["id"] for row in out] == list(range(40))
    assert [row["answer"] and row["answer"]["total"] for row in out] == [
        None if number % 5 == 4 else number + 1 for number in range(40)
    ]


@needs_ray
@pytest.mark.parametrize("batch_format", ["default", "pandas", "pyarrow"])
def test_every_format_of_a_batch(ray: Any, batch_format: str) -> None:
    """In whatever format Ray hands rows over, the same comes out; the class of answers may be a local one."""

    class Local(BaseModel):
        total: int

    turns = [{"role": "system", "content": "Count."}, {"role": "user", "content": "four", "name": "n"}]
    rows = [{"id": 1, "messages": turns}, {"id": 2, "messages": turns[:1]}]
    always_four = {"ensemble": always({"total": 4}), "response_format": Local, "fields": True}
    out = mapped(ray, rows, blocks=1, batch_format=batch_format, **always_four)
    assert [(row["id"], row["total"], row["status"]) for row in out] == [(1, 4, "complete"), (2, 4, "complete")]
    assert json.loads(json.dumps(out[0]["messages"][1], default=list)) == turns[1]


class Together:
    """Answers when so many ask at the same time, and never before."""

    def __init__(self, count: int) -> None:
        """Take how many."""
        self._count = count

    def __call__(self) -> Ensemble:
        """Build the ensemble."""
        barrier = asyncio.Barrier(self._count)

        async def meet(call: ModelCall[Any]) -> int:
            await asyncio.wait_for(barrier.wait(), 20)
            return answer(call)

        return Ensemble(["a/1"], client=FunctionClient(meet))


@needs_ray
def test_batches_are_asked_about_together(ray: Any) -> None:
    """An actor asks about the rows of several batches at a time: small batches do not slow it down."""
    rows = [{"messages": "four"}] * 12
    settings: dict[str, Any] = {"ensemble": Together(6), "response_format": int, "concurrency": 6}
    out = mapped(ray, rows, blocks=1, batch_size=2, **settings)
    assert [row["error"] for row in out] == [None] * 12


def paying(ledger: Path, cache: Path | None) -> Callable[[], Ensemble]:
    """Build an ensemble whose every paid call is a line in a file: who, for what."""

    def build() -> Ensemble:
        async def pay(call: ModelCall[Any]) -> int:
            text = str(call.messages[-1]["content"])
            with ledger.open("a") as file:
                file.write(f"{os.getpid()} {text}\n")
            await asyncio.sleep(0.02)
            return len(text)

        client = FunctionClient(pay)
        return Ensemble(["a/1"], client=Cache(cache, client=client) if cache else client)

    return build


def kill(ledger: Path, after: int) -> None:
    """Kill the first process that has made so many calls; it is one of Ray's workers, and the test's own."""
    while True:
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        for pid, calls in Counter(line.partition(" ")[0] for line in lines).items():
            if calls >= after:
                os.kill(int(pid), signal.SIGKILL)
                return
        time.sleep(0.005)


@needs_ray
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("cached", [True, False])
def test_a_killed_actor(ray: Any, tmp_path: Path, *, cached: bool) -> None:
    """Of a killed actor no row is lost; with a cache only what was under way is paid for twice, and without one all."""
    ledger, cache = tmp_path / "ledger", tmp_path / "answers.sqlite"
    rows = [{"id": number, "messages": f"text {number}"} for number in range(160)]
    source = paying(ledger, cache if cached else None)
    killer = threading.Thread(target=kill, args=(ledger, 40), daemon=True)
    killer.start()
    out = mapped(ray, rows, blocks=2, ensemble=source, response_format=int, concurrency=2)
    killer.join(1)
    assert not killer.is_alive()
    assert [(row["id"], row["answer"], row["error"]) for row in out] == [
        (number, len(f"text {number}"), None) for number in range(160)
    ]
    lines = ledger.read_text().splitlines()
    assert len({line.partition(" ")[0] for line in lines}) == 3  # the killed one, the other, and its successor
    twice = len(lines) - len({line.partition(" ")[2] for line in lines})
    # Under way were two; and answers are written behind one's back, those of some hundredths of a second at a time.
    assert twice <= 6 if cached else twice >= 38


def limited() -> Ensemble:
    """Can be built anywhere, and copied nowhere."""
    return Ensemble(["a/1"], budget=Budget(calls=5), client=FunctionClient(answer))


@needs_ray
def test_what_cannot_be_copied_to_an_actor(ray: Any) -> None:
    """An ensemble with a budget is refused with what to do; the function that builds it works."""
    with pytest.raises(Exception, match="Give the other process a function that builds the ensemble"):
        mapped(ray, [{"messages": "x"}], blocks=1, ensemble=limited(), response_format=int)
    (row,) = mapped(ray, [{"messages": "x"}], blocks=1, ensemble=limited, response_format=int)
    assert row["answer"] == 1


@needs_ray
def test_a_setting_that_cannot_work(ray: Any) -> None:
    """What is wrong with the settings ends the run, and Ray's error says what it is."""
    with pytest.raises(Exception, match="did you mean 'concurrency'"):
        mapped(ray, [{"messages": "x"}], blocks=1, ensemble=build, response_format=int, concurency=2)
    with pytest.raises(Exception, match="there is no column 'text'"):
        mapped(ray, [{"messages": "x"}], blocks=1, ensemble=build, response_format=int, messages="text")
