"""Ensembles in files: what can be said, what is told about mistakes, and that it is written as it was read."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tenacity import AsyncRetrying, wait_fixed

import ensemble_parse
from ensemble_parse import (
    AllOf,
    AnyOf,
    AskJudge,
    ConfigurationError,
    Ensemble,
    Exact,
    FieldRule,
    First,
    Ignore,
    Items,
    Judge,
    Mean,
    Median,
    Medoid,
    MustAgree,
    Processor,
    RetryPolicy,
    Rule,
    Text,
    Together,
    Tolerance,
    Unanimous,
    Vote,
    Whole,
    config,
)
from ensemble_parse._config._format import ENSEMBLE, JUDGE, MAKER, PROCESSOR, RETRY, RULES
from ensemble_parse.testing import FunctionClient

if TYPE_CHECKING:
    from pathlib import Path

    from ensemble_parse._config._tables import Table
    from tests.loopback import Loopback

FILE = """
[ensembles.invoices]
processors = [
  "openai/gpt-5-mini",
  { model = "anthropic/claude-haiku-4-5", weight = 1.2, retry = { attempts = 4, timeout = 20 } },
  { model = "ollama_chat/qwen3", name = "own", n = 2, mode = "json", max_concurrency = 3, temperature = 0.8 },
]
decision_maker = "openai/gpt-5"
deadline = 60
min_candidates = 2
strict = true
shuffle_examples = false
examples = [["One?", 1]]
max_tokens = 200
extra_body = { safe = true, "a b" = [1, 2] }

[ensembles.careful]
processors = 3

[ensembles.careful.decision_maker.vote]
arbiter = { model = "openai/gpt-5", mode = "select", fallback = "gemini/x", shuffle_seed = 1, temperature = 0 }
rules = { "items[].price" = { tolerance = { rel = 0.01 }, must_agree = {} }, "items" = { items = { key = "sku" } } }
"""


def settings(ensemble: Ensemble) -> dict[str, Any]:
    """Everything that decides how an ensemble behaves."""
    return {name: value for name, value in vars(ensemble).items() if not name.startswith("_")}


def one(**table: Any) -> dict[str, Any]:
    """A configuration with one ensemble."""
    return {"ensembles": {"one": table}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the file."""
    path = tmp_path / "ensembles.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def refused(source: Any, name: str | None = None) -> str:
    """Build, and return what was said against it."""
    with pytest.raises(ConfigurationError) as raised:
        Ensemble.from_config(source, name)
    assert raised.value.__cause__ is None
    return str(raised.value)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_file_says_what_python_says(path: Path) -> None:
    """Every setting arrives where the constructors put it, under the name of the table."""
    invoices = Ensemble(
        [
            "openai/gpt-5-mini",
            Processor("anthropic/claude-haiku-4-5", weight=1.2, retry=RetryPolicy(attempts=4, timeout=20)),
            Processor("ollama_chat/qwen3", name="own", n=2, mode="json", max_concurrency=3, temperature=0.8),
        ],
        "openai/gpt-5",
        deadline=60,
        min_candidates=2,
        strict=True,
        shuffle_examples=False,
        examples=[("One?", 1)],
        name="invoices",
        max_tokens=200,
        extra_body={"safe": True, "a b": [1, 2]},
    )
    judge = Judge("openai/gpt-5", "select", fallback="gemini/x", shuffle_seed=1, temperature=0)
    rules: Any = {"items[].price": (Tolerance(rel=0.01), MustAgree()), "items": Items("sku")}
    careful = Ensemble(3, Vote(arbiter=judge, rules=rules), name="careful")
    assert settings(Ensemble.from_config(path, "invoices")) == settings(invoices)
    assert settings(Ensemble.from_config(str(path), "careful")) == settings(careful)
    assert config.names(path) == ("invoices", "careful")


def test_only_one_ensemble_needs_no_name() -> None:
    """It is called by its table."""
    assert Ensemble.from_config(one(processors=["a/b"])).name == "one"


def test_a_class_of_ones_own_and_a_client() -> None:
    """``from_config`` builds the class that it is called on, with the client that it is given; it is written, too."""

    class Mine(Ensemble):
        """Mine."""

    client = FunctionClient(lambda _: 4)
    mine = Mine.from_config(one(processors=["a/b"]), client=client)
    assert isinstance(mine, Mine)
    assert mine.parse_sync("2 + 2?", int) == 4
    assert Mine.from_config(one(processors=["a/b"])).to_config()["ensembles"]["one"]["processors"] == ["a/b"]


@pytest.mark.parametrize(
    ("said", "maker"),
    [
        ("first", First()),
        ("medoid", Medoid()),
        ("unanimous", Unanimous()),
        ("vote", Vote()),
        ("gpt-5", Vote(arbiter=Judge("gpt-5"))),
        ({"vote": {"arbiter": "a/b"}}, Vote(arbiter=Judge("a/b"))),
        ({"judge": "a/b"}, Judge("a/b")),
        ({"judge": {"model": {"model": "a/b", "n": 1}, "prompt": "P"}}, Judge("a/b", prompt="P")),
        (
            {"judge": {"model": "a/b", "mode": "select", "prompt": "P", "fallback": ["c/d", {"model": "e/f"}]}},
            Judge("a/b", "select", prompt="P", fallback=["c/d", Judge("e/f")]),
        ),
        ({"vote": {"rules": {"": "ignore"}}}, Vote(rules={"": Ignore()})),
        ({"vote": {"rules": {"": {"together": {"fields": ["a", "b"]}}}}}, Vote(rules={"": Together("a", "b")})),
        ({"vote": {"rules": {"*": {"text": {"similar": 0.5}}}}}, Vote(rules={"*": Text(similar=0.5)})),
    ],
)
def test_decision_makers(said: Any, maker: Any) -> None:
    """Each is said by name, with its settings under the name; a text that is no name is an arbiter's model."""
    assert Ensemble.from_config(one(processors=["a/b"], decision_maker=said)).decision_maker == maker


@pytest.mark.parametrize("table", [ENSEMBLE, PROCESSOR, RETRY, JUDGE, *MAKER.kinds.values(), *RULES.kinds.values()])
def test_nothing_that_can_be_set_is_forgotten(table: Table) -> None:
    """Every argument of a constructor has its line in the tables, or a word on why no file can hold it."""
    arguments = inspect.signature(table.makes).parameters.values()
    names = {each.name for each in arguments if each.kind is not each.VAR_KEYWORD}
    assert names - table.settings.keys() - table.python_only.keys() == set()
    assert table.settings.keys() <= names


def test_no_rule_is_forgotten() -> None:
    """Every rule but the user's own function can stand in a file."""
    public = [getattr(ensemble_parse, name) for name in ensemble_parse.__all__]
    every = {each for each in public if isinstance(each, type) and issubclass(each, FieldRule)}
    assert {table.makes for table in RULES.kinds.values()} == every - {FieldRule, Rule}


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            {"procesors": ["a/b"]},
            "ensembles.one: Ensemble: there is no setting 'procesors'; did you mean 'processors'?",
        ),
        ({"deadlne": 2}, "did you mean 'deadline'?"),
        ({"deadline": "2"}, "ensembles.one.deadline: Input should be a valid number"),
        ({"deadline": -2}, "ensembles.one: deadline=-2"),
        ({"strict": 1}, "ensembles.one.strict: Input should be a valid boolean"),
        ({"min_candidates": 4, "processors": 3}, "min_candidates=4: give 1 to 3, the number of candidates"),
        ({"client": "x"}, "'client' cannot be set here"),
        ({"name": "x"}, "the name of the table is the ensemble's"),
        ({"processors": ["a/b", 5]}, "ensembles.one.processors[1]: give a table of settings, or a text: the model"),
        (
            {"processors": [{"model": "a/b", "wieght": 2}]},
            "processors[0]: Processor: there is no setting 'wieght'; did",
        ),
        ({"processors": [{"model": "a/b", "temprature": 2}]}, "did you mean 'temperature'?"),
        (
            {"processors": [{"model": "a/b", "mode": "jsn"}]},
            "processors[0].mode: give one of 'auto', 'json_schema'",
        ),
        (
            {"pace": "paralel"},
            "ensembles.one.pace: give one of 'parallel', 'hedged', 'thrifty'; did you mean 'parallel'?",
        ),
        ({"pace": 5}, "ensembles.one.pace: give one of 'parallel', 'hedged', 'thrifty'"),
        ({"processors": [{"model": "${M}"}]}, "processors[0].model: ${...} is for model parameters alone"),
        (
            {"processors": [{"retry": {"atempts": 2}}]},
            "[0].retry: there is no setting 'atempts'; did you mean 'attempts'",
        ),
        ({"processors": [{"retry": {"wait": 2}}]}, "a tenacity wait strategy is an object"),
        ({"decision_maker": "frist"}, "there is no decision maker 'frist'; did you mean 'first'?"),
        ({"decision_maker": "judge"}, "ensembles.one.decision_maker.judge.model: Field required"),
        ({"decision_maker": {"vot": {}}}, "ensembles.one.decision_maker: there is no 'vot'; did you mean 'vote'?"),
        (
            {"decision_maker": {"first": {}, "vote": {}}},
            "give one of vote, judge, first, medoid, unanimous, not first and",
        ),
        ({"decision_maker": 5}, "ensembles.one.decision_maker: give one of vote, judge"),
        ({"decision_maker": {}}, "ensembles.one.decision_maker: give one of vote, judge"),
        (
            {"decision_maker": {"vote": {"arbitr": "x"}}},
            "decision_maker.vote: there is no setting 'arbitr'; did you mean",
        ),
        ({"decision_maker": {"judge": {"model": "a/b", "falback": []}}}, "did you mean 'fallback'?"),
        ({"decision_maker": {"judge": {"model": "a/b", "retry": {}}}}, "it is a setting of the judge's model"),
        (
            {"decision_maker": {"vote": {"rules": {"items[].price": {"tolerance": {"real": 1}}}}}},
            "rules[\"items[].price\"].tolerance: there is no setting 'real'; did you mean 'rel'?",
        ),
        (
            {"decision_maker": {"vote": {"rules": {"a": "ignor"}}}},
            "rules.a: there is no 'ignor'; did you mean 'ignore'?",
        ),
        (
            {"decision_maker": {"vote": {"rules": {"a": {"tolerance": {"rel": -1}}}}}},
            "rules.a.tolerance: Tolerance(rel",
        ),
        ({"temperature": object()}, "ensembles.one.temperature: a object is no plain data"),
        ({"extra_body": {5: 5}}, "ensembles.one.extra_body: the key 5 is a int; write it in quotes"),
        ({"stop": b"x"}, "ensembles.one.stop: a bytes is no plain data"),
    ],
)
def test_mistakes(table: dict[str, Any], told: str) -> None:
    """What is wrong is told with its path, and what may have been meant."""
    assert told in refused(one(**table))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Each on a line with the file's name."""
    path = tmp_path / "x.toml"
    path.write_text("[ensembles.one]\ndeadline = true\nprocessors = [{ n = 0 }, { weight = 'x' }]", encoding="utf-8")
    lines = refused(path).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(path)] * 3
    assert sorted(line.split(": ")[1] for line in lines) == [
        "ensembles.one.deadline",
        "ensembles.one.processors[0]",
        "ensembles.one.processors[1].weight",
    ]


@pytest.mark.parametrize(
    ("source", "name", "told"),
    [
        (
            {"ensembles": {"invoices": {}, "b": {}}},
            "invoice",
            "no ensemble 'invoice'; did you mean 'invoices'? (there is",
        ),
        ({"ensembles": {"invoices": {}, "b": {}}}, None, "name one of its ensembles: 'invoices', 'b'"),
        ({"ensemble": {}}, None, "there is no 'ensembles'"),
        ({"ensembles": {"a": {}}, "defaults": {}}, None, "there is no place for 'defaults'"),
        ({"ensembles": {}}, None, "'ensembles' is empty"),
        ({"ensembles": {"a": 5}}, None, "ensembles.a: give a table of settings"),
        ("no-such.toml", None, "no-such.toml: it cannot be read: No such file"),
        ("x.ini", None, "x.ini: give a file that ends in .toml, .yaml, .yml"),
    ],
)
def test_which_ensemble(source: Any, name: str | None, told: str) -> None:
    """A name that is missing or wrong is told with the names that there are."""
    assert told in refused(source, name)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("a.toml", b"x = = 1", "a.toml: it is no TOML: Invalid value (at line 1"),
        ("a.toml", b"\xff", "a.toml: it is not in UTF-8"),
        ("a.yaml", b"a: [sk-123", "it is no YAML (at line 1, column"),
        ("a.yml", b"a: \x01", "it is no YAML"),
        ("a.yml", b"- 1", "there is no 'ensembles'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, file: str, content: bytes, told: str) -> None:
    """They are told by name and line, and never quoted."""
    if not file.endswith("toml"):
        pytest.importorskip("yaml")
    (tmp_path / file).write_bytes(content)
    message = refused(tmp_path / file)
    assert told in message
    assert "sk-123" not in message


def test_yaml(tmp_path: Path) -> None:
    """YAML says what TOML says, ``null`` included."""
    pytest.importorskip("yaml")
    path = tmp_path / "x.yml"
    path.write_text(
        "ensembles:\n  one:\n    processors: [a/b, {model: c/d, max_concurrency: null}]\n    deadline: null\n",
        encoding="utf-8",
    )
    expected = Ensemble(["a/b", "c/d"], name="one")
    assert settings(Ensemble.from_config(path)) == settings(expected)


def test_yaml_in_itself(tmp_path: Path) -> None:
    """A table that holds itself is no configuration."""
    (tmp_path / "x.yaml").write_text("ensembles: &all\n  one: *all\n", encoding="utf-8")
    assert "it is nested without end" in refused(tmp_path / "x.yaml")


def test_yaml_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the extra is told how."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "x.yaml").write_text("", encoding="utf-8")
    assert "pip install 'ensemble-parse[yaml]'" in refused(tmp_path / "x.yaml")


# -- keys and references ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"api_key": "abc"}, "ensembles.one.api_key"),
        ({"processors": [{"model": "a/b", "api_key": "abc"}]}, "ensembles.one.processors[0].api_key"),
        ({"extra_headers": {"Authorization": "abc"}}, "ensembles.one.extra_headers.Authorization"),
        ({"extra_headers": {"x-api-key": "abc"}}, 'ensembles.one.extra_headers["x-api-key"]'),
        ({"extra_headers": {"X-Goog-Key": "abc"}}, "X-Goog-Key"),
        ({"extra_headers": {"X-Org": "Bearer abcdefghijklm"}}, "X-Org"),
        ({"aws_secret_access_key": "abc"}, "aws_secret_access_key"),
        ({"azure_ad_token": "abc"}, "azure_ad_token"),
        ({"vertex_credentials": "abc"}, "vertex_credentials"),
        ({"user": "sk-abcdefgh12345678"}, "user"),
        ({"user": ["x", "sk-proj-abcdefgh_12345678"]}, "user[1]"),
        ({"user": "AKIAABCDEFGHIJKLMNOP"}, "user"),
        ({"api_base": "https://me:word@host/v1"}, "api_base"),
        ({"api_base": "https://:word@host/v1"}, "api_base"),
        ({"api_base": "https://abcdefgh12345678@host/v1"}, "api_base"),
        ({"api_base": "https://host/v1?key=abcdefgh"}, "api_base"),
        ({"api_base": "https://host/v1?v=1&access_token=abcdefgh"}, "api_base"),
        ({"api_base": "https://host/v1?subscription-key=abcdefgh"}, "api_base"),
        ({"api_base": "https://host/v1?X-Amz-Signature=abcdefgh"}, "api_base"),
        ({"api_base": "https://host/api/f?code=abcdefgh"}, "api_base"),
        ({"user": "nvapi-abcdefgh12345678"}, "user"),
        ({"user": "github_pat_abcdefgh12345678"}, "user"),
        ({"user": "ya29.abcdefgh12345678abcdefgh"}, "user"),
        ({"user": "-----BEGIN RSA PRIVATE KEY-----\nabcdefgh"}, "user"),
        ({"decision_maker": {"judge": {"model": "a/b", "api_key": "abc"}}}, "decision_maker.judge.api_key"),
        ({"examples": [["sk-abcdefgh12345678", 1]]}, "examples[0][0]"),
    ],
)
def test_a_key_in_a_file(table: dict[str, Any], where: str) -> None:
    """It is refused by its name or its looks, wherever it stands, also in an ensemble that is not asked for."""
    source = {"ensembles": {"one": table, "two": {"processors": ["a/b"]}}}
    message = refused(source, "two")
    assert where in message
    assert "looks like a key" in message
    assert not any(secret in message for secret in ("'abc", "sk-a", "sk-p", "AKIA", "word", "abcdefgh"))


@pytest.mark.parametrize(
    "table",
    [
        {"max_tokens": 5, "seed": 1, "user": "task-force-2026-11-22-risk-averse"},
        {"api_base": "http://localhost:11434/v1", "prompt_cache_key": "invoices"},
        {"api_base": "https://me@host/v1?api-version=2026-11-01-preview&keyboard=german"},
        {"decision_maker": {"vote": {"rules": {"user.api_key": "exact", "token": "ignore"}}}},
        {"examples": [["Which?", {"token": "end", "password": "hunter2"}]]},
        {"decision_maker": {"vote": {"rules": {"items": {"items": {"key": "sku"}}}}}},
        {"decision_maker": {"judge": {"model": "a/b", "prompt": "Use sk-learn-classifier-names, and no keys."}}},
    ],
)
def test_what_is_no_key(table: dict[str, Any]) -> None:
    """Names of fields, sizes and prose are none."""
    assert Ensemble.from_config(one(processors=["a/b"], **table)).name == "one"


def test_references(monkeypatch: pytest.MonkeyPatch, server: Loopback) -> None:
    """``${NAME}`` is read when the ensemble is built, reaches the vendor, and is written as it was, value never."""
    monkeypatch.setenv("GATEWAY_KEY", "key-of-the-gateway")
    source = one(
        processors=[{"model": "openai/gpt-5-mini", "api_key": "${GATEWAY_KEY}"}],
        decision_maker="vote",
        extra_headers={"X-Team": "Bearer ${GATEWAY_KEY}!", "X-Cost": "$5 $${GATEWAY_KEY} ${not one}"},
    )
    ensemble = Ensemble.from_config(source)
    ensemble.parse_sync("One?", int)
    (request,) = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["authorization"] == "Bearer key-of-the-gateway"
    assert headers["x-team"] == "Bearer key-of-the-gateway!"
    assert headers["x-cost"] == "$5 ${GATEWAY_KEY} ${not one}"
    for each in (ensemble, copy.deepcopy(ensemble.params), pickle.loads(pickle.dumps(ensemble.processors[0].params))):
        assert "key-of-the-gateway" not in repr(vars(each) if isinstance(each, Ensemble) else each)
    assert ensemble.to_config() == source
    assert "key-of-the-gateway" not in config.dumps(ensemble)


def test_a_missing_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable and the place are told, for the ensemble that is asked for only."""
    monkeypatch.delenv("GATEWAY_KEY", raising=False)
    source = {"ensembles": {"a": {"processors": [{"extra_headers": {"X-Key": "${GATEWAY_KEY}"}}]}, "b": {}}}
    assert 'ensembles.a.processors[0]: extra_headers["X-Key"]: the environment has no variable GATEWAY_KEY' in refused(
        source, "a"
    )
    assert Ensemble.from_config(source, "b").name == "b"


# -- overrides --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "changed"),
    [
        ("DEADLINE", "20", lambda it: it.deadline == 20),
        ("STRICT", "false", lambda it: it.strict is False),
        ("MAX_TOKENS", "7", lambda it: it.params["max_tokens"] == 7),
        ("EXTRA_BODY__A_B", "[3]", lambda it: it.params["extra_body"] == {"safe": True, "a b": [3]}),
        ("EXTRA_BODY__A_B__1", "3", lambda it: it.params["extra_body"]["a b"] == [1, 3]),
        ("DECISION_MAKER", "first", lambda it: it.decision_maker == First()),
        ("DECISION_MAKER__VOTE__ARBITER__MODE", "select", lambda it: it.decision_maker.arbiter.mode == "select"),
        ("DECISION_MAKER__VOTE__ARBITER__MODEL", "a/b", lambda it: it.decision_maker.arbiter == Judge("a/b")),
        ("PROCESSORS", "5", lambda it: it.processors[0].n == 5),
        ("PROCESSORS__0__MODEL", "a/b", lambda it: it.processors[0].model == "a/b"),
        ("PROCESSORS__0__MODEL", '"1"', lambda it: it.processors[0].model == "1"),
        ("PROCESSORS__0__RETRY__ATTEMPTS", "9", lambda it: it.processors[0].retry == RetryPolicy(attempts=9)),
        (
            "PROCESSORS__1__RETRY__ATTEMPTS",
            "9",
            lambda it: it.processors[1].retry == RetryPolicy(attempts=9, timeout=20),
        ),
        ("PROCESSORS__OWN__N", "4", lambda it: it.processors[2].n == 4),
        ("PROCESSORS__OWN__TEMPERATURE", "0.1", lambda it: it.processors[2].params["temperature"] == 0.1),
    ],
)
def test_overrides(path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, changed: Any) -> None:
    """A variable changes one setting and no other, of one ensemble and no other."""
    before, other = Ensemble.from_config(path, "invoices"), Ensemble.from_config(path, "careful")
    assert not changed(before)
    monkeypatch.setenv(f"ENSEMBLE_PARSE__INVOICES__{variable}", value)
    after = Ensemble.from_config(path, "invoices")
    assert changed(after)
    assert [name for name, was in settings(before).items() if settings(after)[name] != was] in (
        ["processors"],
        [variable.partition("__")[0].lower()],
        ["params"],
        ["decision_maker", "pace"],  # a failover has a pace of its own
    )
    assert settings(Ensemble.from_config(path, "careful")) == settings(other)
    assert settings(Ensemble.from_config(before.to_config())) == settings(before)  # a mapping is not overridden


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("INVOICE__DEADLINE", "1", "INVOICE__DEADLINE: there is no ensemble 'INVOICE'; did you mean 'INVOICES'?"),
        ("INVOICES", "1", "name a setting, such as ENSEMBLE_PARSE__INVOICES__DEADLINE"),
        ("INVOICES__DEADLNE", "1", "there is no 'DEADLNE' to set; did you mean 'DEADLINE'?"),
        ("INVOICES__TEMPERATURE", "1", "there is no 'TEMPERATURE' to set"),
        ("INVOICES__DEADLINE__X", "1", "there is no 'X' to set"),
        ("INVOICES__PROCESSORS__3__N", "1", "there is no '3' to set"),
        ("INVOICES__PROCESSORS__OWN__TEMPRATURE", "1", "no 'TEMPRATURE' to set; did you mean 'TEMPERATURE'?"),
        ("INVOICES__DECISION_MAKER__VOTE__RULES__A", "1", "there is no 'A' to set"),
        (
            "INVOICES__DEADLINE",
            "soon",
            "deadline: Input should be a valid number (changed by ENSEMBLE_PARSE__INVOICES__DEA",
        ),
        (
            "INVOICES__PROCESSORS__0__N",
            "0",
            "n=0; give a whole number, 1 or more (changed by ENSEMBLE_PARSE__INVOICES__PRO",
        ),
    ],
)
def test_overrides_of_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    """A variable that fits nothing is told, with the file; one whose value does not fit is named beside the setting."""
    monkeypatch.setenv(f"ENSEMBLE_PARSE__{variable}", value)
    message = refused(path, "invoices")
    assert told in message
    assert message.startswith(str(path))


def test_an_override_that_means_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names that are one in a variable are told apart by nobody, so that nothing is changed in silence."""
    path = tmp_path / "two.toml"
    path.write_text(
        '[ensembles."a-b"]\nprocessors = ["v/m"]\n[ensembles.a_b]\nprocessors = ["v/m"]\n', encoding="utf-8"
    )
    assert Ensemble.from_config(path, "a-b").deadline is None
    monkeypatch.setenv("ENSEMBLE_PARSE__A_B__DEADLINE", "20")
    assert "ENSEMBLE_PARSE__A_B__DEADLINE: it means 'a-b' and 'a_b'" in refused(path, "a-b")


# -- writing ----------------------------------------------------------------------------------------------------------


class Answer(BaseModel):
    """An answer."""

    value: int


def test_what_is_written(path: Path) -> None:
    """Defaults are left out, and the short forms are used."""
    assert Ensemble.from_config(path, "careful").to_config()["ensembles"]["careful"] == {
        "processors": [{"n": 3}],
        "decision_maker": {
            "vote": {
                "arbiter": {
                    "model": {"model": "openai/gpt-5", "temperature": 0},
                    "mode": "select",
                    "shuffle_seed": 1,
                    "fallback": [{"model": "gemini/x", "mode": "select"}],
                },
                "rules": {
                    "items[].price": {"tolerance": {"rel": 0.01}, "must_agree": {}},
                    "items": {"items": {"key": ["sku"]}},
                },
            }
        },
    }
    told = Ensemble(
        ["a/b", "a/b", Processor("c/d", name="x")], First(), examples=[("One?", Answer(value=1))]
    ).to_config()
    assert told["ensembles"]["ensemble"] == {
        "processors": ["a/b", {"model": "a/b", "name": "a/b (2)"}, {"model": "c/d", "name": "x"}],
        "decision_maker": "first",
        "examples": [["One?", {"value": 1}]],
    }


def test_fallbacks_of_fallbacks_are_written_in_the_order_in_which_they_are_asked() -> None:
    """A file has one list of fallbacks; the same judges judge in the same order."""
    judge = Judge("a/a", fallback=[Judge("b/b", "select", fallback="c/c"), "d/d"])
    ensemble = Ensemble(["a/b"], judge)
    again = Ensemble.from_config(ensemble.to_config()).decision_maker
    assert isinstance(again, Judge)
    assert again.processors == judge.processors
    assert [each.mode for each in again.fallback] == ["select", "select", "auto"]


class Mine:
    """A decision maker of one's own, and an arbiter."""

    async def decide(self, candidates: Any, case: Any) -> Any:
        """Decide."""

    async def arbitrate(self, contests: Any, candidates: Any, case: Any) -> Any:
        """Arbitrate."""


class MyVote(Vote):
    """A vote of one's own."""


@pytest.mark.parametrize(
    ("ensemble", "told"),
    [
        (Ensemble(["a/b"], Mine()), "ensembles.e.decision_maker: a Mine cannot be written"),
        (Ensemble(["a/b"], MyVote()), "ensembles.e.decision_maker: a MyVote cannot be written"),
        (Ensemble(["a/b"], Vote(arbiter=Mine())), "decision_maker.vote.arbiter: a Mine cannot be written"),
        (
            Ensemble(["a/b"], Vote(rules={"x": Rule(lambda said, _: said[0])})),
            "decision_maker.vote.rules.x: a Rule cannot be written",
        ),
        (Ensemble(["a/b"], client=FunctionClient(max)), "ensembles.e.client: a FunctionClient cannot be written"),
        (Ensemble([Processor("a/b", retry=RetryPolicy(wait=wait_fixed(2)))]), "[0].retry.wait: a wait_fixed cannot"),
        (Ensemble([Processor("a/b", retry=AsyncRetrying())]), "processors[0].retry: a Tenacity cannot be written"),
        (Ensemble(["a/b"], http_client=object()), "ensembles.e.http_client: a object is no plain data"),
        (Ensemble(["a/b"], examples=[("x", object())]), "a tuple cannot be written"),
        (Ensemble(["a/b"], api_key="abc"), "ensembles.e.api_key: this looks like a key"),
        (Ensemble([Processor("a/b", extra_headers={"Authorization": "abc"})]), "processors[0].extra_headers.Auth"),
        (Ensemble(["a/b"], name=""), "needs a text to call it by"),
    ],
)
def test_what_cannot_be_written(ensemble: Ensemble, told: str) -> None:
    """What is code, and what is a key, is refused by its path and kind; the key is not told."""
    ensemble.name = ensemble.name and "e"
    with pytest.raises(ConfigurationError) as raised:
        ensemble.to_config()
    assert told in str(raised.value)
    assert "'abc'" not in str(raised.value)


def test_several_in_one_text() -> None:
    """They stand under their names, which must differ; TOML has no null."""
    first, second = Ensemble(["a/b"], name="first one"), Ensemble(["a/b"], name="second")
    assert config.names(tomllib.loads(config.dumps(first, second.to_config()))) == ("first one", "second")
    with pytest.raises(ConfigurationError, match="two ensembles are called 'second'"):
        config.dumps(second, second)
    with pytest.raises(ConfigurationError, match=r"ensembles\.ensemble\.stop: TOML has no null"):
        config.dumps(Ensemble(["a/b"], stop=None))


texts = st.text() | st.sampled_from(["${A}", "$${A}", "$", 'a"""\\', "\r\n\x7f\t\x00", "é\n", 'x\n\'\'\'""""', "true"])
names = st.text(min_size=1).filter(str.strip)
numbers = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
data = st.recursive(texts | numbers | st.booleans(), lambda it: st.lists(it) | st.dictionaries(texts, it), max_leaves=6)
params = st.dictionaries(
    st.sampled_from(["temperature", "seed", "user", "extra_body", "stop", "top_p"]), data | st.dates(), max_size=3
)
positive = st.floats(0.001, 1e9)
paths = st.sampled_from(["", "total", "items", "items[].price", "by_name.*", "pair[1]", "items[].tags[]"])
retries = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 9),
    timeout=positive,
    reasks=st.integers(0, 3),
    longest_wait=positive,
)
models = st.sampled_from(["a/b", "c/d", "gpt-5", "ollama_chat/qwen3:4b"])
modes = st.sampled_from(["auto", "json", "tools", "md_json", "json_schema"])


def processors(n: st.SearchStrategy[int]) -> st.SearchStrategy[Processor]:
    """Processors with any settings."""
    return st.builds(
        lambda model, params, settings: Processor(model, **settings, **params),
        models | st.none(),
        params,
        st.fixed_dictionaries(
            {},
            optional={
                "n": n,
                "weight": positive,
                "retry": retries,
                "mode": modes,
                "max_concurrency": st.integers(1, 9),
                "rest": positive | st.just(0),
            },
        ),
    )


judge_settings = {
    "mode": st.sampled_from(["auto", "select", "synthesize"]),
    "prompt": texts,
    "shuffle_seed": st.integers() | st.none(),
}
lone_judges = st.builds(Judge, models | processors(st.just(1)), **judge_settings)  # type: ignore[arg-type]
judges = st.builds(
    Judge, models | processors(st.just(1)), fallback=st.lists(models | lone_judges, max_size=2), **judge_settings
)  # type: ignore[arg-type]
similar = st.floats(0.01, 1) | st.none()
rules = st.one_of(
    *(
        st.just(rule)
        for rule in (Exact(), Median(), Mean(), AnyOf(), AllOf(), Whole(), AskJudge(), MustAgree(), Ignore())
    ),
    st.builds(Text, case=st.booleans(), punctuation=st.booleans(), similar=similar),
    st.builds(Tolerance, rel=st.floats(0.01, 0.9), abs=st.floats(0, 9)),
    st.builds(Items, texts | st.lists(texts).map(tuple), ordered=st.booleans() | st.none()),
    st.lists(texts, min_size=2, unique=True).map(lambda fields: Together(*fields)),
)
written = [kind.makes for kind in RULES.kinds.values()]
several = rules | st.lists(rules, min_size=2, unique_by=type).map(
    lambda several: tuple(sorted(several, key=lambda rule: written.index(type(rule))))  # as they stand in a file
)
makers = st.one_of(
    st.none(),
    st.just(First()),
    st.just(Medoid()),
    st.just(Unanimous()),
    models.filter(lambda model: "/" in model),
    judges,
    st.builds(Vote, st.none() | judges, st.none() | st.dictionaries(paths, several, min_size=1, max_size=3)),
)
ensembles = st.builds(
    lambda processors, maker, params, settings: Ensemble(processors, maker, **settings, **params),
    st.integers(1, 9) | st.lists(models | processors(st.integers(1, 9)), min_size=1, max_size=4),
    makers,
    params,
    st.fixed_dictionaries(
        {},
        optional={
            "deadline": positive,
            "strict": st.booleans(),
            "shuffle_examples": st.booleans(),
            "examples": st.lists(st.tuples(texts, data), max_size=2),
            "name": names,
        },
    ),
)


@given(ensembles)
def test_round_trip(ensemble: Ensemble) -> None:
    """What is written, as data and as text, builds an ensemble with the same settings, and is written alike again."""
    told = ensemble.to_config()
    again = Ensemble.from_config(told)
    assert settings(again) == settings(ensemble)
    assert again.to_config() == told
    assert tomllib.loads(config.dumps(ensemble)) == told


def test_limits_are_written() -> None:
    """Budgets and rate limits are tables of their settings; what is spent of them is not."""
    limits = {"requests": 500, "tokens": 9000, "per": 30.0}
    table = {
        "processors": [{"model": "a/b", "rate_limit": limits, "rest": 5.0}],
        "decision_maker": {"vote": {"stop": "two"}},
        "pace": "thrifty",
        "budget": {"usd": 1.5, "calls": 9, "unknown_price": "allow"},
    }
    ensemble = Ensemble.from_config(one(**table))
    assert ensemble.to_config() == one(**table)
    assert repr(ensemble.budget) == "Budget(usd=0.0 of 1.5, calls=0 of 9)"
    assert repr(ensemble.processors[0].rate_limit) == "RateLimit(requests=500, tokens=9000, per=30.0)"
