"""The adjustments of models stored before models held their own; their conditions count the levels of those models."""

from __future__ import annotations

from collections.abc import Mapping

from dataflow.resolve.comparisons.parts import Adjustment

_OTHERS = "gamma_birth, gamma_phone, gamma_address, gamma_employer, gamma_occupation, gamma_identifier"
_NOTHING_ELSE = f"greatest({_OTHERS}) <= 0 AND gamma_email <= 1"
_NOTHING_KNOWN = f"greatest({_OTHERS}, gamma_email) = -1"

EARLIER_ADJUSTMENTS: Mapping[str, tuple[Adjustment, ...]] = {
    "person": (
        Adjustment(
            name="other generation",
            condition="gamma_generation = 0",
            weight=-10,
            text="father and son share a name, a house and often a telephone.",
        ),
        Adjustment(
            name="namesakes",
            condition="gamma_given = 9 AND gamma_surname = 6 AND gamma_birth = 0 AND gamma_email IN (0, 1)",
            weight=-3,
            text="one name with other dates of birth and other mailboxes is mostly a parent and a child.",
        ),
        Adjustment(
            name="twins",
            condition="gamma_given IN (0, 2) AND gamma_birth = 6 AND gamma_surname = 6",
            weight=-1,
            text="twins share all but the given name.",
        ),
        Adjustment(
            name="a name that nothing else bears out",
            condition=_NOTHING_ELSE,
            weight=-2,
            text="other people have this name too, and no address, number or date supports the match.",
        ),
        Adjustment(
            name="a name alone",
            condition=f"{_NOTHING_ELSE} AND {_NOTHING_KNOWN}",
            weight=-1,
            text="there is nothing else to compare, and other people have this name too.",
        ),
    ),
    "company": (
        Adjustment(
            name="elsewhere",
            condition="gamma_name BETWEEN 0 AND 4 AND gamma_address IN (0, 1)",
            weight=-3,
            text="a longer name and another place are mostly a branch or a subsidiary.",
        ),
    ),
}
