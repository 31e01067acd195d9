"""Rules: how one field's values are compared and combined, written in ``Annotated``.

    class Item(BaseModel):
        sku: str
        price: Annotated[float, Tolerance(rel=0.01)]

    class Invoice(BaseModel):
        items: Annotated[list[Item], Items(key="sku")]
        notes: Annotated[str, Ignore()]

For a type that cannot be edited the same rules go in a mapping from path to rule, such as
``{"items[].price": Tolerance(rel=0.01)}``: ``[]`` is every item of a list, set or tuple, ``*`` every value of a dict,
and ``""`` the answer itself.

A field takes one rule of each kind: how to compare (``Exact``, ``Text``, ``Tolerance``, ``Items``), how to combine
(``Median``, ``Mean``, ``AnyOf``, ``AllOf``, ``Whole``, ``Rule``), and what to make of dissent (``AskJudge``,
``MustAgree``, ``Ignore``).
"""

from __future__ import annotations

from ensemble_parse._rules._combine import ON_CLASS, AllOf, AnyOf, Mean, Median, Rule, Together, Whole
from ensemble_parse._rules._compare import Exact, Items, Text, Tolerance
from ensemble_parse._rules._dissent import AskJudge, Ignore, MustAgree
from ensemble_parse._rules._field import FieldRule, Kind, RuleKind

__all__ = [
    "ON_CLASS",
    "AllOf",
    "AnyOf",
    "AskJudge",
    "Exact",
    "FieldRule",
    "Ignore",
    "Items",
    "Kind",
    "Mean",
    "Median",
    "MustAgree",
    "Rule",
    "RuleKind",
    "Text",
    "Together",
    "Tolerance",
    "Whole",
]
