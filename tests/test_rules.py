"""Rules: how a field's values are compared and combined, in ``Annotated`` or by path."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from ensemble_parse import (
    AllOf,
    AnyOf,
    AskJudge,
    ConfigurationError,
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


@pytest.mark.parametrize(
    ("type_", "rules", "message"),
    [
        (Order, {"lines[].prize": Exact()}, r"lines\[\]\.prize.*did you mean 'price'"),
        (Order, {"line": AnyOf()}, "did you mean 'lines'"),
        (Order, {"lines.price": Exact()}, "no such path"),
        (Order, {"lines": Median()}, r"lines: Median\(\) does not fit a list"),
        (Order, {"lines[].sku": Tolerance(rel=0.1)}, "does not fit text values; it is for number values"),
        (Order, {"lines": Items(key="skew")}, "no field 'skew'; did you mean 'sku'"),
        (Order, {"lines[].tags": Items(key="x")}, "an item has no fields"),
        (Order, {"total": Together("amount", "curency")}, "no field 'curency'; did you mean 'currency'"),
        (Order, {"lines[].price": [Median(), Mean()]}, "exclude each other"),
        (Order, {"lines[": Exact()}, "give a path such as"),
        (Order, {"lines": "median"}, "is no rule"),
        (Annotated[str, Median()], {}, "the answer: Median"),
        (Annotated[int | None, Text()], {}, "does not fit"),
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
