"""The consensus engine on values that are odd but valid: nothing is lost, nothing is made up and nothing crashes."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NotRequired

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    SerializeAsAny,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from ensemble_parse import (
    AnyOf,
    Arbitration,
    Candidate,
    Case,
    ConfigurationError,
    Decision,
    DecisionError,
    Ensemble,
    First,
    Items,
    Mean,
    Median,
    Medoid,
    Text,
    Together,
    Tolerance,
    Unanimous,
    Vote,
    Whole,
    consensus,
)
from ensemble_parse.testing import ScriptedClient

INFINITY = Decimal("Infinity")


class Point(TypedDict):
    """A dict of typing_extensions, which is another class than that of typing up to Python 3.12."""

    x: int


class Optionally(TypedDict):
    """One that may be left out."""

    point: NotRequired[Point]
    n: int


class Flags(BaseModel):
    """A value that Python takes for another."""

    x: bool | int


class ById(BaseModel):
    """Equal by its number alone."""

    number: int
    text: str

    def __eq__(self, other: object) -> bool:
        """Compare the number."""
        return isinstance(other, ById) and self.number == other.number

    def __hash__(self) -> int:
        """Hash the number."""
        return self.number


@dataclasses.dataclass
class Uncompared:
    """Equal whatever its second field is."""

    a: int
    b: int = dataclasses.field(default=0, compare=False)


@pytest.mark.parametrize(
    ("type_", "said", "output"),
    [
        (Point | None, [{"x": 1}, None, None], None),
        (Point | int, [{"x": 1}, {"x": 2}, {"x": 2}], {"x": 2}),
        (Optionally, [{"n": 1}, {"n": 1, "point": {"x": 1}}, {"n": 1, "point": {"x": 1}}], {"n": 1, "point": {"x": 1}}),
    ],
)
def test_typed_dicts_of_both_kinds_may_be_missing(type_: Any, said: list[Any], output: Any) -> None:
    """A TypedDict of typing_extensions is a variant like any other on every Python."""
    assert consensus(said, response_format=type_).output == output


def test_keys_that_one_dict_tells_apart_are_two() -> None:
    """Nothing is lost where keys differ in case alone; where nobody has both, they are one key as ever."""
    said = [{"CO": 1, "Co": 2}, {"CO": 1, "Co": 3}, {"CO": 1, "Co": 3}]
    decision = consensus(said, response_format=dict[str, int])
    assert (decision.output, decision.method) == ({"CO": 1, "Co": 3}, "vote")
    assert decision.verdicts["Co"].agreement == pytest.approx(2 / 3)
    assert consensus([{"A": 1}, {"a": 1}, {"A": 2}]).output == {"A": 1}


class Open(BaseModel):
    """It takes anything, and one of its fields has another name outside."""

    model_config = ConfigDict(extra="allow")
    x: int = Field(alias="y")


class OpenDict(TypedDict):
    """A TypedDict that takes anything."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    a: int


@pydantic_dataclass(config=ConfigDict(extra="allow"))
class OpenData:
    """A dataclass that takes anything."""

    a: int
    b: int = 1


def test_extras_of_models_differ_in_case() -> None:
    """What a model was given beyond its fields is a dict like any other."""
    said = [Open.model_validate({"y": 1, "CO": 1, "Co": at}) for at in (2, 3, 3)]
    assert consensus(said).output.__pydantic_extra__ == {"CO": 1, "Co": 3}


def test_extras_of_dataclasses_and_typed_dicts_are_voted_upon() -> None:
    """The second and third agree on the extra against the first."""
    dicts = consensus([{"a": 1, "z": 1}, {"a": 1, "z": 2}, {"a": 1, "z": 2}], response_format=OpenDict)
    assert (dicts.output, dicts.verdicts["z"].agreement) == ({"a": 1, "z": 2}, pytest.approx(2 / 3))
    make: Any = OpenData
    objects = consensus([make(a=1, z=1), make(a=2, z=2), make(a=2, z=1)], response_format=OpenData)
    assert vars(objects.output) == {"a": 2, "b": 1, "z": 1}


def test_an_extra_called_like_a_field_is_not_the_field() -> None:
    """The field keeps its value and the extra its own, also in a blend."""
    said = [Open.model_validate({"y": y, "x": 5, "q": q}) for y, q in ((1, 1), (2, 2), (1, 2))]
    output = consensus([*said[:2], Open.model_validate({"y": 2, "x": 5, "q": 1})]).output
    assert (output.x, output.__pydantic_extra__) == (2, {"x": 5, "q": 1})


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ([[Flags(x=True)], [Flags(x=1)], [Flags(x=1)]], [Flags(x=1)]),
        ([[ById(number=1, text="a")], [ById(number=1, text="b")], [ById(number=1, text="b")]], "b"),
        ([[Uncompared(1, 1)], [Uncompared(1, 2)], [Uncompared(1, 2)]], 2),
    ],
)
def test_items_are_compared_by_their_fields(said: list[list[Any]], output: Any) -> None:
    """What a class calls equal decides nothing: two say otherwise than the first."""
    decision = consensus(said, response_format=list[type(said[0][0])])  # type: ignore[misc]
    item: Any = decision.output[0]
    assert decision.method == "vote"
    if isinstance(item, Flags):
        assert item.x is not True
    else:
        assert output in (getattr(item, "text", None), getattr(item, "b", None))


def test_bytes_that_are_no_text_are_shown_in_base64() -> None:
    """A verdict is JSON-like whatever the bytes."""
    verdict = consensus([b"\xff", b"a", b"\xff"]).verdicts[""]
    assert (verdict.value, verdict.dissenters[0].value) == ("_w==", "a")


def test_bytes_in_models_are_shown_in_base64() -> None:
    """A model would write its bytes as text, and has none to write."""

    class Blob(BaseModel):
        data: bytes
        size: int = 0

    decision = consensus([[Blob(data=b"\xff", size=1)], [Blob(data=b"\xff", size=2), Blob(data=b"a")]])
    assert decision.verdicts["[0].data"].value == "_w=="
    assert decision.verdicts[""].value == [{"data": "_w==", "size": 1}]


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "output", "agreement"),
    [
        ([INFINITY, Decimal(1), Decimal(1)], Decimal(1), 2 / 3),
        ([INFINITY, -INFINITY, INFINITY], INFINITY, 2 / 3),
        ([Decimal("NaN"), Decimal(1), Decimal(1)], Decimal(1), 2 / 3),
        ([Decimal("sNaN"), Decimal(1), Decimal(1)], Decimal(1), 2 / 3),
        ([10**400, 1.5, 1.5], 1.5, 2 / 3),
        ([Decimal("1e999999"), Decimal(1), 1.0], Decimal(1), 2 / 3),
    ],
)
def test_numbers_beyond_the_usual_are_values_like_others(said: list[Any], output: Any, agreement: float) -> None:
    """Infinities, what is no number and what no float holds are compared, not computed with."""
    decision = consensus(said, response_format=Any)
    assert (decision.output, decision.verdicts[""].agreement) == (output, pytest.approx(agreement))


@pytest.mark.parametrize(
    ("rule", "said", "output"),
    [
        (Median(), [float("nan"), 1.0, 3.0], 2.0),
        (Median(), [Decimal("NaN"), Decimal(1), Decimal(3)], Decimal(2)),
        (Median(), [Decimal(1), 3.0], Decimal(2)),
        (Median(), [1.5e308, 1.0e308], 1.25e308),
        (Median(), [1.0, float("inf")], 1.0),
        (Mean(), [2**63 + 1, 2**63 + 3, 2**63 + 5], 2**63 + 3),
        (Mean(), [10**400, 10**400 + 2], 10**400 + 1),
        (Mean(), [1.5e308, 1.5e308, 1.5e308 + 3e292], 1.5e308 + 1e292),
        (Mean(), [10**400, 1.0, 2.0], 2.0),
        (Mean(), [float("nan"), 1.0, 2.0], 1.5),
        (Mean(), [float("nan"), float("inf")], float("inf")),
        (Mean(), [Decimal("1.1"), 1.3], Decimal("1.2")),
    ],
)
def test_means_and_medians_are_exact_and_finite_where_there_is_one(rule: Any, said: list[Any], output: Any) -> None:
    """Nothing overflows, nothing is rounded on the way, and what is no number has no say."""
    assert consensus(said, response_format=Any, rules={"": rule}).output == output


# -- classes -----------------------------------------------------------------------------------------------------------


class Base(BaseModel):
    """What is declared."""

    x: int


class Wider(Base):
    """What is there."""

    y: int


class Holder(BaseModel):
    """It keeps objects of subclasses as they are."""

    held: SerializeAsAny[Base]


def test_fields_of_a_subclass_count() -> None:
    """What the declared class does not know of is no less said."""
    said = [Holder(held=Wider(x=1, y=y)) for y in (1, 2, 2)]
    decision = consensus(said)
    assert decision.output == said[1]
    assert decision.verdicts["held.y"].agreement == pytest.approx(2 / 3)
    assert consensus([said[0], Holder(held=Base(x=1)), Holder(held=Base(x=1))]).output.held == Base(x=1)


@pytest.mark.parametrize(
    "said",
    [
        [collections.OrderedDict(a=1), collections.OrderedDict(a=1, b=2), collections.OrderedDict(a=2, b=2)],
        [collections.Counter("aab"), collections.Counter("abb"), collections.Counter("ab")],
        [collections.defaultdict(int, a=1), collections.defaultdict(int, b=1), collections.defaultdict(int, a=1, b=1)],
        [collections.deque([1, 2], 5), collections.deque([1], 5), collections.deque([2], 5)],
    ],
)
def test_a_blend_has_its_candidates_class(said: list[Any]) -> None:
    """Containers keep their class, a defaultdict its factory and a deque its length."""
    output: Any = consensus(said).output
    assert type(output) is type(said[0])
    assert getattr(output, "maxlen", 5) in (5, None)
    assert getattr(output, "default_factory", int) is int


@dataclasses.dataclass
class Numbered:
    """Each has a default of its own."""

    a: int
    ident: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    tags: list[str] = dataclasses.field(default_factory=list[str])


def test_defaults_made_anew_are_no_dissent_in_dataclasses() -> None:
    """Idents that nobody gave do not differ; lists, whose default is always the same, are voted upon."""
    decision = consensus([Numbered(1, tags=["a"]), Numbered(1, tags=["b"]), Numbered(1, tags=["b", "c"])])
    assert decision.verdicts["ident"].how == "unanimous"
    assert decision.output.tags == ["b"]


def test_paths_of_keys_do_not_collide() -> None:
    """Keys that are no texts stand without quotes."""
    said: list[Any] = [{1: 1, "1": 2, None: 3}, {1: 1, "1": 3, None: 4}]
    decision = consensus(said, response_format=dict[int | str | None, int])
    assert [*decision.verdicts] == ["", "[1]", '["1"]', "[None]"]
    assert decision.review == ('["1"]', "[None]")


class Frozen(BaseModel):
    """An item of a set."""

    model_config = ConfigDict(frozen=True)
    a: int
    b: int


def test_items_of_sets_are_numbered_by_their_text() -> None:
    """The path of an item says which it is, whatever order a set has."""
    sets = [{Frozen(a=9, b=1), Frozen(a=1, b=1)}, {Frozen(a=9, b=2), Frozen(a=1, b=1)}, {Frozen(a=9, b=2)}]
    decision = consensus(sets, response_format=set[Frozen])
    for at, each in enumerate(sorted(decision.output, key=repr)):
        assert (decision.verdicts[f"[{at}].a"].value, decision.verdicts[f"[{at}].b"].value) == (each.a, each.b)


# -- who said it -------------------------------------------------------------------------------------------------------


def test_items_of_a_union_are_the_rules() -> None:
    """What one of three has is there by the rule, not by a majority."""
    decision = consensus([["a"], ["a", "b"], ["a"]], rules={"": AnyOf()})
    assert {path: verdict.how for path, verdict in decision.verdicts.items()} == {
        "": "rule",
        "[0]": "unanimous",
        "[1]": "rule",
    }


def test_a_list_stands_in_the_review_for_its_items() -> None:
    """That it is undecided whether there is an item is said once, of the list, and the item's verdict says it too."""
    decision = consensus([["a", "b"], ["a"]])
    assert [path for path, verdict in decision.verdicts.items() if verdict.how == "undecided"] == ["", "[1]"]
    assert decision.review == ("",)


# -- what a validator makes of it --------------------------------------------------------------------------------------


Twice = Annotated[int, AfterValidator(lambda value: 2 * value)]
NotEmpty = Annotated[list[int], Field(min_length=1)]


class Row(NamedTuple):
    """A tuple whose class checks nothing by itself."""

    a: NotEmpty
    b: str


@pytest.mark.parametrize("maker", [Vote(), Unanimous(), Medoid(), First()])
@pytest.mark.parametrize(
    ("type_", "answer", "output"),
    [
        (Twice, 3, 6),
        (Annotated[dt.date, BeforeValidator(dt.date.fromisoformat)], "2020-01-01", dt.date(2020, 1, 1)),
        (Json[list[int]], "[1]", [1]),
    ],
)
def test_what_was_said_is_validated_once(maker: Any, type_: Any, answer: Any, output: Any) -> None:
    """A validator that makes something else of it each time does not change an answer on which all agree."""
    client = ScriptedClient({"a/1": [answer], "b/2": [answer]})
    result = Ensemble(["a/1", "b/2"], maker, client=client).run_sync("Go", type_)
    assert result.output == output


class Blunt:
    """Somebody's own decision maker, that decides on what nobody said."""

    async def decide(self, candidates: Sequence[Candidate[Any]], case: Case) -> Decision[Any]:
        """Decide."""
        del candidates, case
        return Decision(output=7, method="blunt")


def test_a_decision_that_a_validator_crashes_on_is_refused() -> None:
    """Whatever a validator raises, what was paid for is on the error."""
    client = ScriptedClient({"a/1": ["2020-01-01"]})
    type_: Any = Annotated[dt.date, BeforeValidator(dt.date.fromisoformat)]
    with pytest.raises(DecisionError, match=r"Blunt\.decide decided on something") as caught:
        Ensemble(["a/1"], Blunt(), client=client).run_sync("Go", type_)
    assert caught.value.candidates[0].output == dt.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (tuple[NotEmpty, str], [([1], "a"), ([2], "a"), ([3], "a")]),
        (Row, [Row([1], "a"), Row([2], "a"), Row([3], "a")]),
        (Annotated[int, Field(multiple_of=10), Mean()], [10, 20, 20]),
        (Annotated[Decimal, Field(decimal_places=1), Median()], [Decimal("1.1"), Decimal("1.2")]),
    ],
)
def test_what_no_class_validates_is_valid(type_: Any, said: list[Any]) -> None:
    """Tuples, and numbers that a rule made, satisfy the constraints of their type, or are a candidate's."""
    decision = consensus(said, response_format=type_)
    assert decision.output in said
    assert decision.reasons


# -- what is near ------------------------------------------------------------------------------------------------------

A, B, C = 1.0000000001, 1.0000000002, 1.0000000003


@Together("amount", "unit")
class Amount(BaseModel):
    """Two that hang together."""

    amount: float
    unit: str


class Deep(BaseModel):
    """A value with parts, voted upon as one."""

    value: Annotated[dict[str, list[float]], Whole()]


@pytest.mark.parametrize(
    ("type_", "said", "rules"),
    [
        (list[float], [[A], [B], [C]], {}),
        (list[float], [[A, 5.0], [5.0, B], [C, 5.0]], {}),
        (set[float], [{A}, {B}, {C}], {}),
        (list[float], [[100.0], [100.4], [100.2]], {"[]": Tolerance(rel=0.01)}),
        (Amount, [Amount(amount=each, unit="kg") for each in (A, B, C)], {}),
        (Amount, [Amount(amount=each, unit="KG") for each in (100.0, 100.4, 100.2)], {"amount": Tolerance(rel=0.01)}),
        (Deep, [Deep(value={"a": [each, 2.0]}) for each in (A, B, C)], {}),
        (
            Deep,
            [Deep(value={"a": [A, 2.0, 2.0]}), Deep(value={"a": [2.0, B, 2.0]}), Deep(value={"a": [2.0, 2.0, C]})],
            {},
        ),
        (list[str], [["colour"], ["color"], ["colours"]], {"": Whole(), "[]": Text(similar=0.7)}),
    ],
)
def test_what_is_near_is_the_same_wherever_it_stands(type_: Any, said: list[Any], rules: Any) -> None:
    """In lists, in groups and in whole values a hair's breadth is no more dissent than in a field."""
    decision = consensus(said, response_format=type_, rules=rules)
    assert decision.output == said[0]
    assert decision.review == ()


def test_one_of_two_is_no_majority_among_six() -> None:
    """Twice a sixth is a third: rounding does not make a majority of a tie."""
    said: list[Any] = [{"k": 1}, {"k": 2}, {}, {}, {}, {}]
    verdict = consensus(said, response_format=dict[str, int], rules={"": AnyOf()}).verdicts["k"]
    assert (verdict.how, verdict.agreement) == ("undecided", pytest.approx(1 / 6))


# -- what is large -----------------------------------------------------------------------------------------------------


class Tree(BaseModel):
    """It contains itself."""

    value: int
    kids: list[Tree] = []


def chain(depth: int, value: int) -> Tree:
    """Make a tree that has no width."""
    tree = Tree(value=value)
    for at in range(depth):
        tree = Tree(value=at, kids=[tree])
    return tree


@pytest.mark.parametrize("depth", [10, 30, 150])
def test_deep_trees_are_decided(depth: int) -> None:
    """Two agree on what lies at the bottom; however deep that is, nothing breaks."""
    decision = consensus([chain(depth, value) for value in (0, 1, 1)])
    assert decision.output == chain(depth, 1)
    assert dict(decision.verdicts)
    assert all(verdict.how in ("unanimous", "majority") for verdict in decision.verdicts.values())


def test_lists_of_lists_and_dicts_are_paired_by_what_is_alike() -> None:
    """Rows that differ in one cell are the same row, in whatever order they stand."""
    rows = [[f"{row}-{cell}" for cell in "abcdef"] for row in ("first", "second", "third")]
    wrong = [[*row[:-1], "?"] for row in rows]
    said = [rows, [wrong[2], rows[0], rows[1]], [wrong[1], rows[2], wrong[0]]]
    assert consensus(said, response_format=list[list[str]]).output == rows
    tables = [[{str(at): cell for at, cell in enumerate(row)} for row in each] for each in said]
    assert consensus(tables, response_format=list[dict[str, str]]).output == tables[0]


def test_marks_without_end_and_long_prose_are_compared() -> None:
    """Marks in another order are the same text; of long texts it says how alike they are."""
    one, other = ("e" + marks * 5 + "\u4e00" * 3000 for marks in ("\u0301\u0316", "\u0316\u0301"))
    assert consensus([one, "b", other]).verdicts[""].agreement == pytest.approx(2 / 3)
    prose = ["a b c d e " * 4000 + end for end in ("x", "y", "z")]
    assert consensus(prose).verdicts[""].similarity == 1.0


# -- what is refused ---------------------------------------------------------------------------------------------------


class Once(BaseModel):
    """A field that can be read only once."""

    numbers: Iterable[int]


def named(name: str, output: Any, weight: float = 1.0) -> Candidate[Any]:
    """Make a candidate."""
    return Candidate(name=name, processor=name, position=0, model="", output=output, weight=weight)


@pytest.mark.parametrize(
    ("said", "settings", "message"),
    [
        ([named("a", 1), named("a", 2)], {}, "several candidates are called 'a'"),
        ([1, 2], {"weights": [1e308, 1e308]}, "the weights add up to more than a number holds"),
        ([Once(numbers=[1])], {}, r"numbers: .* can be read only once.*use list"),
        (
            [[None]],
            {"response_format": list[Base | None], "rules": {"": Items("x")}},
            "an item may be of several types",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(said: list[Any], settings: Any, message: str) -> None:
    """Each says what is wrong and what to give."""
    with pytest.raises(ConfigurationError, match=message):
        consensus(said, **settings)


def test_candidates_are_of_the_type_that_is_asked_for() -> None:
    """What a candidate says is checked like any object, and left as it is where it is valid already."""
    assert consensus([named("a", "7"), named("b", 7)], response_format=int).method == "unanimous"
    assert consensus([named("a", 2), named("b", 2)], response_format=Twice).output == 2
    with pytest.raises(ValidationError):
        consensus([named("a", "seven")], response_format=int)


@pytest.mark.parametrize("choice", [-1, 2, "b"])
def test_an_arbiters_choice_is_one_of_the_answers(choice: Any) -> None:
    """A number that no answer has is the arbiter's mistake, and said so."""

    class Careless:
        async def arbitrate(self, contests: Any, candidates: Any, case: Case) -> Arbitration:
            del candidates, case
            return Arbitration(choices={contests[0].place: choice}, by="careless")

    client = ScriptedClient({"a/1": [1], "b/2": [2]})
    with pytest.raises(DecisionError, match=r"choice .*: there are 2 answers, numbered from 0"):
        Ensemble(["a/1", "b/2"], Vote(arbiter=Careless()), client=client).run_sync("Go", int)


class Apart(BaseModel):
    """Three fields, two of which have values that exclude each other."""

    a: int
    b: int
    c: int

    @model_validator(mode="after")
    def _apart(self) -> Apart:
        if (self.a, self.b) == (2, 3):
            message = "2 and 3 exclude each other"
            raise ValueError(message)
        return self


def test_choices_that_are_invalid_together_are_kept_as_far_as_they_go() -> None:
    """An arbiter's choice counts for something: a repair gives up no more of them than it has to."""

    class Picky:
        async def arbitrate(self, contests: Any, candidates: Any, case: Case) -> Arbitration:
            del candidates, case
            wanted = {"a": 2, "b": 3, "c": 1}
            choices = {
                each.place: [answer.value for answer in each.answers].index(wanted[each.path]) for each in contests
            }
            return Arbitration(choices=choices, by="picky")

    client = ScriptedClient({f"m/{at}": [{"a": at, "b": at, "c": at}] for at in (1, 2, 3)})
    result = Ensemble(["m/1", "m/2", "m/3"], Vote(arbiter=Picky()), client=client).run_sync("Go", Apart)
    assert result.output == Apart(a=1, b=3, c=1)
    told = {path: (verdict.how, verdict.lost) for path, verdict in result.decision.verdicts.items()}
    assert told == {"a": ("repaired", 0.0), "b": ("judge", 0.0), "c": ("judge", 0.0)}


def test_a_majority_is_worth_more_than_an_arbiters_choices() -> None:
    """Where either has to go, it is the choice."""

    class Picky:
        async def arbitrate(self, contests: Any, candidates: Any, case: Case) -> Arbitration:
            del candidates, case
            (contest,) = contests
            return Arbitration(choices={contest.place: [each.value for each in contest.answers].index(3)}, by="picky")

    said = [{"a": 2, "b": 1, "c": 0}, {"a": 2, "b": 2, "c": 0}, {"a": 0, "b": 3, "c": 0}]
    client = ScriptedClient({f"m/{at}": [each] for at, each in enumerate(said)})
    result = Ensemble(["m/0", "m/1", "m/2"], Vote(arbiter=Picky()), client=client).run_sync("Go", Apart)
    assert result.output == Apart(a=2, b=1, c=0)
    assert result.decision.verdicts["a"].how == "majority"


def test_fields_with_dots_are_read() -> None:
    """A name that is no word of Python is a name."""
    model: Any = create_model("Dotted", **{"a.b": (int, ...), "c": (int, ...)})
    said = [model(**{"a.b": a, "c": c}) for a, c in ((1, 1), (1, 2), (2, 2))]
    assert consensus(said).output.model_dump() == {"a.b": 1, "c": 2}


class Part(BaseModel):
    """An item."""

    name: str
    count: int
    metal: str


def test_no_item_is_doubled_by_blending() -> None:
    """Where a blend comes to what is there already, a candidate's own item is taken."""
    bolt = Part(name="bolts", count=0, metal="steel")
    brass = Part(name="bolt", count=0, metal="brass")
    said = [
        [bolt, Part(name="bolts", count=0, metal="brass"), brass],
        [bolt, Part(name="bolts", count=1, metal="steel"), brass],
        [Part(name="bolt", count=0, metal="steel"), bolt, Part(name="nut", count=0, metal="brass")],
    ]
    decision = consensus(said, response_format=list[Part])
    assert decision.output.count(bolt) == 1
    assert len(decision.output) == 3
    assert [path for path, verdict in decision.verdicts.items() if verdict.how == "repaired"]


# -- how much work -----------------------------------------------------------------------------------------------------

BUILT: list[object] = []
"""For every schema that was built of it, a ``Size``."""


class Size(str):
    """A text that counts how often it is prepared."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: Any) -> Any:
        """Count."""
        BUILT.append(cls)
        return handler(str)


class Bolt(TypedDict):
    """A dict that only its keys tell from a ``Nut``."""

    length: Size


class Nut(TypedDict):
    """A dict that only its keys tell from a ``Bolt``."""

    width: Size


class Parts(BaseModel):
    """A list of either."""

    parts: list[Bolt | Nut]


def test_a_type_is_prepared_once_however_many_values_it_takes_to_tell() -> None:
    """Where only validation tells two types apart, a list of them costs no schema for each item."""
    texts = [[{"length": Size(at)}, {"width": Size(at * n)}] for at, n in [(1, 1), (1, 2)]]
    consensus([Parts.model_validate({"parts": each}) for each in texts])
    once = len(BUILT)
    decision = consensus([Parts.model_validate({"parts": each * 20}) for each in texts])
    assert len(decision.output.parts) == 40
    assert len(BUILT) == once


def test_a_repair_makes_anew_only_what_it_changes() -> None:
    """Hundreds of combinations are tried on a long list, and its items are not all validated for each of them."""
    made: list[int] = []

    class Row(BaseModel):
        at: int
        x: int
        y: int
        z: int

        @field_validator("at")
        @classmethod
        def _count(cls, at: int) -> int:
            made.append(at)
            return at

    class Sheet(BaseModel):
        rows: Annotated[list[Row], Items(key="at")]
        of: int

        @model_validator(mode="after")
        def _all_alike(self) -> Sheet:
            if {(row.x, row.y, row.z, self.of) for row in self.rows} - {(1, 1, 9, 0), (1, 2, 8, 1), (2, 2, 9, 2)}:
                message = "of several kinds"
                raise ValueError(message)
            return self

    kinds = enumerate([(1, 1, 9), (1, 2, 8), (2, 2, 9)])
    said = [Sheet(rows=[Row(at=at, x=x, y=y, z=z) for at in range(100)], of=of) for of, (x, y, z) in kinds]
    made.clear()
    decision = consensus(said)
    assert decision.output == said[0]
    assert "repaired" in {reason.kind for reason in decision.reasons}
    assert len(made) < 8 * 100


def test_long_lists_of_numbers_are_compared_as_wholes() -> None:
    """In another order, and a hair's breadth apart, they are the same: each is looked for where it is equal first."""
    up = [float(at) for at in range(6_000)]
    down = [*up[:0:-1], 1e-15]
    decision = consensus(
        [up, down, up[1:]], response_format=list[float], rules={"": Whole(), "[]": Tolerance(abs=1e-9)}
    )
    assert decision.output == up
    assert decision.verdicts[""].supporters == ("candidate 1", "candidate 2")
