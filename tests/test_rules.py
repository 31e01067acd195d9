"""Rules: how a field's values are compared and combined, in ``Annotated`` or by path."""

from __future__ import annotations

from decimal import Decimal
from statistics import fmean, median
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from ensemble_parse import (
    AllOf,
    AnyOf,
    AskJudge,
    ConfigurationError,
    DecisionError,
    Exact,
    FieldRule,
    Ignore,
    Items,
    Mean,
    Median,
    MustAgree,
    Rule,
    Text,
    Together,
    Tolerance,
    Whole,
    consensus,
)


class Money(BaseModel):
    """An amount that means nothing without its currency."""

    amount: int
    currency: str


class Line(BaseModel):
    """A line of an order."""

    sku: str
    price: float
    tags: list[str] = []


class Order(BaseModel):
    """What an order may hold."""

    lines: list[Line]
    prices: dict[str, float] = {}
    total: Money | None = None
    pair: tuple[int, str] = (0, "")


RULES: dict[str, tuple[Any, FieldRule, list[Any], Any, float]] = {
    "exact": (str, Exact(), ["Ab", "ab", "AB", "ab"], "ab", 0.5),
    "exact numbers": (float, Exact(), [0.3, 0.1 + 0.2, 0.1 + 0.2], 0.1 + 0.2, 2 / 3),
    "text": (str, Text(), ["a  b", "A b", "c"], "a  b", 2 / 3),
    "text with case": (str, Text(case=True), ["Ab", "ab ", "ab"], "ab ", 2 / 3),
    "text without punctuation": (str, Text(punctuation=False), ["U.S. (A)", "us a", "x"], "U.S. (A)", 2 / 3),
    "similar text": (str, Text(similar=0.8), ["Acme Corp", "Zeta", "Acme Corp.", "Acme Corps"], "Acme Corp", 0.75),
    "tolerance": (float, Tolerance(rel=0.01), [7.0, 100.0, 100.9], 100.0, 2 / 3),
    "tolerance is not carried over": (int, Tolerance(abs=1), [1, 2, 3, 9], 2, 0.75),
    "tolerance of decimals": (
        Decimal,
        Tolerance(abs=0.05),
        [Decimal("1.00"), Decimal("1.05"), Decimal(2)],
        Decimal("1.00"),
        2 / 3,
    ),
    "tolerance and nothing": (float | None, Tolerance(abs=1), [None, 1.0, 1.5], 1.0, 2 / 3),
    "median": (int, Median(), [1, 5, 100], 5, 1 / 3),
    "median of two": (float, Median(), [1.0, 2.0], 1.5, 0.0),
    "median of two whole numbers": (int, Median(), [1, 2], 1, 0.5),
    "median where most say nothing": (int | None, Median(), [None, None, 3], None, 2 / 3),
    "mean": (float, Mean(), [1.0, 2.0, 6.0], 3.0, 0.0),
    "mean of whole numbers": (int, Mean(), [1, 2, 2], 2, 2 / 3),
    "mean of decimals": (Decimal, Mean(), [Decimal(1), Decimal(2)], Decimal("1.5"), 0.0),
    "union": (list[str], AnyOf(), [["a"], ["b"], ["a", "c"]], ["a", "b", "c"], 0.0),
    "union of sets": (set[int], AnyOf(), [{1}, {2}], {1, 2}, 0.0),
    "union of dicts": (dict[str, int], AnyOf(), [{"a": 1}, {"b": 2}, {"a": 1}], {"a": 1, "b": 2}, 0.0),
    "intersection": (list[str], AllOf(), [["a", "b"], ["b", "a"], ["b"]], ["b"], 1 / 3),
    "intersection of sets": (frozenset[int], AllOf(), [frozenset({1, 2}), frozenset({2})], frozenset({2}), 0.5),
    "order counts": (list[int], Items(ordered=True), [[2, 1], [1, 2], [1, 2]], [1, 2], 2 / 3),
    "order of a tuple does not": (tuple[int, ...], Items(ordered=False), [(2, 1), (1, 2)], (2, 1), 1.0),
    "a function": (int, Rule(lambda said, _: max(said)), [1, 9, 2], 9, 1 / 3),
    "must agree": (int, MustAgree(), [1, 2, 2], 2, 2 / 3),
    "ask the judge, without one": (int, AskJudge(), [1, 2, 2], 2, 2 / 3),
    "ignore": (str, Ignore(), ["x", "y", "y"], "x", 1 / 3),
    "whole list": (list[int], Whole(), [[1], [1, 2], [2, 1], [1, 3]], [1, 2], 0.5),
}


@pytest.mark.parametrize("case", RULES)
@pytest.mark.parametrize("way", ["annotated", "by path", "inside a model"])
def test_rules(case: str, way: str) -> None:
    """A rule does the same in ``Annotated``, in a mapping of paths, and on a field."""
    type_, rule, said, expected, agreement = RULES[case]
    if way == "annotated":
        decision = consensus(said, response_format=Annotated[type_, rule])
        output, verdict = decision.output, decision.verdicts[""]
    elif way == "by path":
        decision = consensus(said, response_format=type_, rules={"": rule})
        output, verdict = decision.output, decision.verdicts[""]
    else:

        class Box(BaseModel):
            value: type_  # type: ignore[valid-type]

        decision = consensus([Box(value=each) for each in said], rules={"value": rule})
        output, verdict = decision.output.value, decision.verdicts["value"]
    assert output == expected
    assert type(output) is type(expected)
    assert verdict.agreement == pytest.approx(agreement)


def test_an_order_without_a_majority_is_undecided() -> None:
    """Where order counts and nobody leads, the most trusted order stands, and it is for review."""
    decision = consensus([[1, 2], [2, 1]], response_format=Annotated[list[int], Items(ordered=True)])
    assert (decision.output, decision.review) == ([1, 2], ("",))
    assert decision.verdicts[""].how == "undecided"


def test_items_are_joined_by_their_key() -> None:
    """With a key, items are the same if their keys are, whatever else differs, and different if not."""

    class Basket(BaseModel):
        lines: Annotated[list[Line], Items(key="sku")]

    said = [
        Basket(lines=[Line(sku="A", price=1), Line(sku="B", price=2)]),
        Basket(lines=[Line(sku="b", price=9), Line(sku="a", price=7)]),
        Basket(lines=[Line(sku="A", price=7), Line(sku="C", price=2)]),
    ]
    decision = consensus(said)
    assert [(each.sku, each.price) for each in decision.output.lines] == [("A", 7), ("B", 2)]
    assert decision.verdicts["lines[0].price"].agreement == pytest.approx(2 / 3)


def test_rules_reach_everywhere_by_path() -> None:
    """Paths go into items of lists, values of dicts, variants of unions and places of tuples."""
    rules = {
        "lines[].price": Tolerance(rel=0.1),
        "lines[].tags": AnyOf(),
        "prices.*": Tolerance(abs=1),
        "total": Whole(),
        "pair[1]": Exact(),
    }
    said = [
        Order(
            lines=[Line(sku="A", price=1, tags=["x"])],
            prices={"a": 1},
            total=Money(amount=1, currency="EUR"),
            pair=(1, "a"),
        ),
        Order(
            lines=[Line(sku="A", price=1.05, tags=["y"])],
            prices={"a": 1.5},
            total=Money(amount=1, currency="USD"),
            pair=(1, "A"),
        ),
        Order(lines=[Line(sku="A", price=3)], prices={"a": 9}, total=Money(amount=2, currency="USD"), pair=(2, "A")),
        Order(lines=[Line(sku="A", price=4)], prices={"a": 1}, total=Money(amount=1, currency="eur"), pair=(1, "A")),
    ]
    output = consensus(said, rules=rules).output
    assert output.lines == [Line(sku="A", price=1, tags=["x", "y"])]
    assert output.prices == {"a": 1}
    assert output.total == Money(amount=1, currency="EUR")
    assert output.pair == (1, "A")


def test_what_belongs_together_stays_together() -> None:
    """``Together`` votes on several fields as one, where it is declared and in whatever way."""

    @Together("amount", "currency")
    class Price(Money):
        label: str

    rows = [(1, "EUR", "x"), (1, "USD", "y"), (2, "USD", "y"), (3, "EUR", "y"), (3, "EUR", "z")]
    said = [Price(amount=amount, currency=currency, label=label) for amount, currency, label in rows]
    decision = consensus(said)
    assert decision.output == Price(amount=3, currency="EUR", label="y")
    assert decision.verdicts["currency"].agreement == pytest.approx(3 / 5)
    plain = [Money(amount=amount, currency=currency) for amount, currency, _ in rows]
    assert consensus(plain).output == Money(amount=1, currency="EUR")
    together = Together("amount", "currency")
    for decision in (
        consensus(plain, rules={"": together}),
        consensus(plain, response_format=Annotated[Money, together]),
    ):
        assert decision.output == Money(amount=3, currency="EUR")


def test_whatever_is_inside_must_agree() -> None:
    """A rule about dissent holds for everything below it, unless a place there has its own."""

    class Box(BaseModel):
        money: Annotated[Money, MustAgree()]
        note: str

    said = [
        Box(money=Money(amount=1, currency="EUR"), note="a"),
        Box(money=Money(amount=1, currency="EUR"), note="a"),
        Box(money=Money(amount=2, currency="EUR"), note="b"),
    ]
    decision = consensus(said)
    assert decision.review == ("money.amount",)
    assert decision.verdicts["money.amount"].how == "undecided"
    assert consensus(said, rules={"money.amount": AskJudge()}).review == ()


def test_a_mapping_comes_before_the_type() -> None:
    """A rule by path replaces the type's own of the same kind, and adds to those of other kinds."""
    type_ = Annotated[float, Tolerance(rel=0.5), MustAgree()]
    assert consensus([1.0, 1.4], response_format=type_).verdicts[""].agreement == 1.0
    decision = consensus([1.0, 1.4], response_format=type_, rules={"": Exact()})
    assert (decision.verdicts[""].agreement, decision.verdicts[""].how) == (0.5, "undecided")
    several = consensus([1.0, 1.4, 9.0], response_format=float, rules={"": [Tolerance(rel=0.5), MustAgree()]})
    assert (several.verdicts[""].agreement, several.verdicts[""].how) == (pytest.approx(2 / 3), "undecided")


def test_ignored_fields_do_not_tell_items_apart() -> None:
    """Reasoning that differs makes no two items of one."""

    class Finding(BaseModel):
        fact: str
        evidence: Annotated[str, Ignore()]

    said = [[Finding(fact="f", evidence=each)] for each in ("page 1", "second page", "p. 2")]
    decision = consensus(said, response_format=list[Finding])
    assert decision.output == said[0]
    assert decision.review == ()

    class Case(BaseModel):
        finding: Finding
        weight: int

    cases = [
        [
            Case(finding=Finding(fact=f"fact {at}", evidence=each.finding.evidence * at), weight=10 * n + at)
            for at in (1, 2)
        ]
        for n, each in enumerate(Case(finding=finding, weight=0) for (finding,) in said)
    ]
    decision = consensus(cases, response_format=list[Case])
    assert decision.review == ("[0].weight", "[1].weight")


@pytest.mark.parametrize(
    ("type_", "rules", "message"),
    [
        (Order, {"lines[].prize": Exact()}, r"lines\[\]\.prize.*did you mean 'lines\[\]\.price'"),
        (Order, {"line": AnyOf()}, "did you mean 'lines'"),
        (Order, {"lines.price": Exact()}, r"no such path; did you mean 'lines\[\]\.price'"),
        (Order, {"lines[0].price": Exact()}, r"did you mean 'lines\[\]\.price'"),
        (Order, {"lines.*.price": Exact()}, r"did you mean 'lines\[\]\.price'"),
        (Order, {"sku": Exact()}, r"did you mean 'lines\[\]\.sku'"),
        (Order, {"prices[]": Exact()}, r"did you mean 'prices'"),
        (Order, {"prices.x": Exact()}, r"did you mean 'prices\.\*'"),
        (Order, {"total.Amount": Exact()}, r"did you mean 'total\.amount'"),
        (Order, {"pair.1": Exact()}, r"did you mean 'pair\[1\]'"),
        (Order, {"nothing at all": Exact()}, r"there is 'lines', 'lines\[\]', 'lines\[\]\.sku'"),
        (Order, {"lines[]..price": Exact()}, "give a path such as"),
        (Order, {".lines": Exact()}, "give a path such as"),
        (Order, {"lines": MustAgree}, "MustAgree is the class of a rule; write"),
        (Order, [MustAgree()], "give a mapping from path to rule"),
        (Order, {1: MustAgree()}, "give a path such as"),
        (Annotated[int, MustAgree], {}, "the answer: MustAgree is the class of a rule"),
        (Order, {"lines[].price": Tolerance(rel=0.1), "lines": Items("price")}, "a key is compared exactly"),
        (Order, {"lines[].sku": Text(similar=0.9), "lines": Items("sku")}, r"lines\[\]\.sku: .*compared exactly"),
        (list, {"": Items("sku")}, "give response_format"),
        (Order, {"lines": Median()}, r"lines: Median\(\) does not fit a list"),
        (Order, {"lines[].sku": Tolerance(rel=0.1)}, "does not fit text; it is for numbers"),
        (Order, {"lines[]": Exact()}, "does not fit a model; it is for text, numbers or single values such as dates"),
        (Order, {"lines": Items(key="skew")}, "no field 'skew'; did you mean 'sku'"),
        (Order, {"lines[].tags": Items(key="x")}, "an item has no fields"),
        (
            Order,
            {"total": Together("amount", "curency")},
            r"Together\('amount', 'curency'\): no field 'curency'; did you mean 'currency'",
        ),
        (Order, {"lines[].price": [Median(), Mean()]}, "exclude each other"),
        (Order, {"lines[": Exact()}, "give a path such as"),
        (Order, {"lines": "median"}, "'median' is no rule"),
        (Annotated[str, Median()], {}, "the answer: Median"),
        (Annotated[int | None, Text()], {}, "does not fit"),
        (Annotated[SecretStr, Text(case=True)], {}, "Text.* does not fit single values"),
        (Annotated[SecretBytes | None, Tolerance(rel=0.1)], {}, "Tolerance.* does not fit single values"),
        (Annotated[Money, Together("amount", "currency"), Items()], {}, "does not fit a model"),
    ],
)
def test_misuse(type_: Any, rules: dict[str, Any], message: str) -> None:
    """A rule that does not fit, or a path that is not there, is said at once, with what was meant."""
    with pytest.raises(ConfigurationError, match=message):
        consensus([None], response_format=type_, rules=rules)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Text(similar=0),
        lambda: Text(similar=1.5),
        lambda: Text(similar="0.9"),  # type: ignore[arg-type]
        lambda: Text(case=0.9),  # type: ignore[arg-type]
        Tolerance,
        lambda: Tolerance(abs="0.05"),  # type: ignore[arg-type]
        lambda: Tolerance(rel=True),
        lambda: Tolerance(rel=float("nan")),
        lambda: Items(5),  # type: ignore[arg-type]
        lambda: Items(["a", 1]),  # type: ignore[list-item]
        lambda: Items(ordered="yes"),  # type: ignore[arg-type]
        lambda: Together("one", 2),  # type: ignore[arg-type]
        lambda: Tolerance(rel=-1),
        lambda: Tolerance(abs=float("inf")),
        lambda: Together("one"),
        lambda: Rule(3),  # type: ignore[arg-type]
    ],
)
def test_rules_check_themselves(make: Any) -> None:
    """A rule that makes no sense cannot be made."""
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize(
    ("function", "written"),
    [
        (max, r"Rule\(max\): .* such as Rule\(lambda values, weights: max\(values\)\)"),
        (median, r"such as Rule\(lambda values, weights: median\(values\)\)"),
        (lambda values: values[0], r"such as Rule\(lambda values, weights: max\(values\)\)"),
        (3, r"Rule\(3\): give a function of the values and their weights"),
    ],
)
def test_a_function_that_does_not_take_values_and_weights(function: Any, written: str) -> None:
    """What cannot be called with the two is refused where it is written, with what to write instead."""
    with pytest.raises(ConfigurationError, match=written):
        Rule(function)


@pytest.mark.parametrize(
    "function", [lambda *said: said[0][0], fmean, lambda values, weights, most=0: values[most] + 0 * weights[most]]
)
def test_a_function_that_takes_values_and_weights(function: Any) -> None:
    """However it is written, what can be called with the two is taken."""
    assert consensus([9.0, 9.5], rules={"": Rule(function)}).output in {9.0, 9.25}


def test_alike_texts_may_be_optional() -> None:
    """A text that may be ``None`` can be compared by likeness; ``None`` is like no text."""

    class Note(BaseModel):
        text: Annotated[str | None, Text(similar=0.9)] = None

    said = [Note(text="the quick brown fox"), Note(), Note(text="the quick brown foxes"), Note()]
    decision = consensus(said, weights=[2, 1, 2, 1])
    assert decision.output.text == "the quick brown fox"
    assert decision.verdicts["text"].agreement == pytest.approx(4 / 6)


def test_settings_go_by_their_names() -> None:
    """A number that stands alone does not say which setting it is for."""
    with pytest.raises(TypeError):
        Tolerance(0.01)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Text(0.9)  # type: ignore[call-arg]


@pytest.mark.parametrize("cents", [100, 125, 200, 9999, 124_000, 12_345_678])
@pytest.mark.parametrize("kind", [float, Decimal])
def test_a_tolerance_means_what_is_written(cents: int, kind: Any) -> None:
    """Numbers a cent apart are equal within a cent, however they look in binary; two cents apart they are not."""
    one, next_, far = (kind(str(each / 100)) for each in (cents, cents + 1, cents + 2))
    rules = {"": Tolerance(abs=0.01)}
    assert consensus([one, next_], rules=rules).method == "unanimous"
    assert consensus([one, far], rules=rules).review == ("",)


def test_a_relative_tolerance_means_what_is_written() -> None:
    """The same for a share: 0.99 is within one per cent of 1.00."""
    assert consensus([1.0, 0.99], rules={"": Tolerance(rel=0.01)}).method == "unanimous"
    assert consensus([1.0, 0.9899], rules={"": Tolerance(rel=0.01)}).review == ("",)


def test_a_class_in_a_model_is_no_rule() -> None:
    """A rule's class in ``Annotated`` would do nothing; it is refused with the name of the field."""

    class Box(BaseModel):
        value: Annotated[int, MustAgree]

    with pytest.raises(ConfigurationError, match="value: MustAgree is the class"):
        consensus([Box(value=1)])


class Row(BaseModel):
    """An item whose key may be missing, and may be there twice."""

    sku: str | None
    quantity: int


def rows(*said: tuple[str | None, int]) -> list[Row]:
    """Make some."""
    return [Row(sku=sku, quantity=quantity) for sku, quantity in said]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([[("a", 1), ("a", 2)], [("a", 2), ("a", 1)], [("a", 2), ("a", 5)]], [("a", 1), ("a", 2)]),
        ([[("a", 1), ("b", 7)], [("b", 7), ("a", 1), ("a", 2)], [("a", 2), ("a", 1)]], [("a", 1), ("a", 2), ("b", 7)]),
        ([[(None, 1), (None, 9)], [(None, 9), (None, 1)], [(None, 9)]], [(None, 1), (None, 9)]),
        ([[(None, 1)], [("a", 1)], [("a", 1)]], [("a", 1)]),
    ],
)
def test_keys_that_are_there_twice_or_not_at_all(said: list[list[tuple[str | None, int]]], expected: list[Any]) -> None:
    """Items of one key are paired by what else is said of them, and so are those without a key; not by place."""
    decision = consensus([rows(*each) for each in said], response_format=Annotated[list[Row], Items(key="sku")])
    assert sorted(((each.sku, each.quantity) for each in decision.output), key=str) == expected
    assert decision.review == ()


def test_items_of_one_key_are_the_same_however_they_differ() -> None:
    """What is left of the items of one key is paired even where nothing else is alike."""
    said = [rows(("a", 1), ("a", 2)), rows(("a", 1), ("a", 3)), rows(("a", 1), ("a", 3))]
    decision = consensus(said, response_format=list[Row], rules={"": Items("sku")})
    assert decision.verdicts[""].how == "unanimous"
    assert decision.verdicts["[1].quantity"].dissenters[0].value == 2


@pytest.mark.parametrize(
    ("type_", "said", "function"),
    [
        (int, [1, 2], lambda *_: "many"),
        (Annotated[int, Field(gt=0)], [1, 2], lambda *_: -1),
        (list[int], [[1], [2]], lambda *_: 7),
        (Money, [{"amount": 1, "currency": "EUR"}, {"amount": 2, "currency": "EUR"}], lambda *_: {"amount": "?"}),
    ],
)
def test_what_a_rule_returns_is_checked(type_: Any, said: list[Any], function: Any) -> None:
    """A rule of one's own that returns something else than its field is an error that names the path, not a repair."""

    class Box(BaseModel):
        value: type_

    with pytest.raises(DecisionError, match="value: its Rule returned") as caught:
        consensus([Box(value=each) for each in said], rules={"value": Rule(function)})
    assert caught.value.__cause__ is not None


def test_what_a_rule_returns_becomes_the_fields_type() -> None:
    """What validates is taken as the type: data for a model, digits for a number, ``None`` where it may be."""
    said = [Money(amount=1, currency="EUR"), Money(amount=2, currency="EUR")]
    decision = consensus(said, rules={"": Rule(lambda said, _: said[1].model_dump())})
    assert decision.output == said[1]
    assert consensus([1, 2], rules={"": Rule(lambda said, _: str(sum(said)))}).output == 3
    none = consensus([1.0, None], response_format=float | None, rules={"": Rule(lambda *_: None)})
    assert none.output is None


def test_a_rule_that_fails_says_where() -> None:
    """An exception of the user's own function comes through, with a note that names the path."""

    class Box(BaseModel):
        value: Annotated[int, Rule(lambda said, _: said[5])]

    with pytest.raises(IndexError) as caught:
        consensus([Box(value=1), Box(value=2)])
    assert caught.value.__notes__ == ["in the Rule of value"]


def test_a_rule_is_called_only_where_candidates_differ() -> None:
    """Where all say the very same there is nothing to combine."""
    assert consensus([1, 1], rules={"": Rule(lambda *_: 7)}).output == 1


class Part(BaseModel):
    """A type that contains itself, with a rule on the part that does."""

    size: Annotated[int, Rule(lambda said, _: max(said))]
    parts: list[Annotated[Part, Rule(lambda said, _: said[-1])]] = []


def test_a_type_with_a_rule_may_contain_itself() -> None:
    """A rule of one's own inside a recursive type ends like any other."""
    said = [Part(size=1, parts=[Part(size=2)]), Part(size=3, parts=[Part(size=2, parts=[Part(size=5)])])]
    assert consensus(said).output.size == 3


@pytest.mark.parametrize("rule", [Median(), Mean()])
@pytest.mark.parametrize(
    ("said", "weights", "expected", "how"),
    [
        ([None, 1.0, 5.0], [1, 1, 1], 3.0, "rule"),
        ([1.0, None, 5.0], [1, 1, 1], 3.0, "rule"),
        ([5.0, 1.0, None], [1, 1, 1], 3.0, "rule"),
        ([None, None, 5.0], [1, 1, 1], None, "majority"),
        ([None, 1.0, 5.0], [3, 1, 1], None, "majority"),
        ([None, 1.0, 5.0], [2, 1, 1], None, "undecided"),
        ([5.0, None], [1, 1], 5.0, "undecided"),
    ],
)
def test_nothing_or_a_number_is_decided_first(
    rule: FieldRule, said: list[Any], weights: list[float], expected: Any, how: str
) -> None:
    """Numbers that differ are together against nothing, in whatever order candidates stand."""
    decision = consensus(said, weights=weights, response_format=float | None, rules={"": rule})
    assert (decision.output, decision.verdicts[""].how) == (expected, how)


LONG = "The committee approved the budget for the coming year, and adjourned until the {} of May."


def test_must_agree_comes_before_what_else_there_is() -> None:
    """Long texts, orders, unions of lists, numbers made by a rule: less than all is undecided, and for review."""
    texts = [LONG.format(each) for each in ("first", "second", "third")]
    cases: list[tuple[Any, list[Any], list[FieldRule]]] = [
        (str, texts, []),
        (list[int], [[1, 2], [2, 1], [1, 2]], [Items(ordered=True)]),
        (list[int], [[1], [2]], [AnyOf()]),
        (list[int], [[1], [1, 2]], [AllOf()]),
        (float, [1.0, 2.0, 6.0], [Median()]),
        (int, [1, 2, 2], [Rule(lambda *_: 2)]),
    ]
    for type_, said, rules in cases:
        decision = consensus(said, response_format=type_, rules={"": [MustAgree(), *rules]})
        assert decision.verdicts[""].how == "undecided"
        assert decision.review == ("",)
        assert [each.detail for each in decision.reasons] == [
            "the answer: not all agree, and they must; meanwhile the vote stands"
        ]
    near = consensus([1.0, 1.01], rules={"": [MustAgree(), Tolerance(abs=0.01)]})
    assert (near.method, near.review) == ("unanimous", ())


def test_must_agree_on_a_part_holds_for_what_belongs_together() -> None:
    """A part that must be agreed on takes those that are decided with it along; a tolerance of a part counts, too."""

    class Price(BaseModel):
        amount: Annotated[float, Tolerance(abs=0.01)]
        currency: Annotated[str, MustAgree()]

    rules = {"": Together("amount", "currency")}
    said = [Price(amount=1, currency="EUR"), Price(amount=1.01, currency="eur"), Price(amount=1, currency="USD")]
    decision = consensus(said, rules=rules)
    assert decision.output == said[0]
    assert decision.verdicts["amount"].agreement == 1.0
    assert decision.review == ("currency",)
    assert consensus(said[:2], rules=rules).method == "unanimous"


def test_must_agree_counts_those_who_have_no_such_path() -> None:
    """Of an item that only some have, nothing is agreed on by all."""
    said = [rows(("a", 1), ("b", 2)), rows(("a", 1), ("b", 2)), rows(("a", 1))]
    decision = consensus(said, response_format=list[Row], rules={"[].quantity": MustAgree()})
    assert decision.review == ("[1].quantity",)
    assert decision.verdicts["[1].sku"].how == "majority"
