"""Rules that say what is made of dissent."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble_parse._rules._field import FieldRule


@dataclass(frozen=True, slots=True)
class AskJudge(FieldRule):
    """Every dissent about this field goes to the judge, even against a majority; without a judge the vote decides.

    Examples:
        >>> AskJudge()
        AskJudge()
    """

    kind = "dissent"


@dataclass(frozen=True, slots=True)
class MustAgree(FieldRule):
    """Anything less than all candidates is undecided, and for a person to look at; the vote's winner stands meanwhile.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([5, 5, 6], rules={"": MustAgree()}).review
        ('',)
    """

    kind = "dissent"


@dataclass(frozen=True, slots=True)
class Ignore(FieldRule):
    """The field is no matter of agreement: the most trusted candidate's value is taken, as for reasoning or evidence.

    Examples:
        >>> from ensemble_parse import consensus
        >>> consensus([{"why": "x", "n": 1}, {"why": "y", "n": 1}], rules={"*": Ignore()}).output
        {'why': 'x', 'n': 1}
    """

    kind = "dissent"
