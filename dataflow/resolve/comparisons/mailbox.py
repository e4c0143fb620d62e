"""The comparison of mailboxes of people."""

from __future__ import annotations

from dataflow.resolve.comparisons.parts import Comparison, Level, alike, both, typo

_DIGITS = "regexp_replace(email_{}, '[^0-9]', '', 'g')"


def _local(side: str) -> str:
    return f"split_part(email_{side}, '@', 1)"


def _number(side: str) -> str:
    return f"regexp_replace({_local(side)}, '[^0-9]', '', 'g')"


_BOXES_OF_A_SURNAME = (
    "surname_l = surname_r AND length(surname_l) > 2"
    f" AND contains({_local('l')}, surname_l) AND contains({_local('r')}, surname_r)"
)

EMAIL = Comparison(
    name="email",
    columns=("email",),
    missing=both("email"),
    levels=(
        Level(label="same e-mail", condition="email_l = email_r", m=0.62, kin=0.10, odds=14, frequency_of="email"),
        Level(
            label="same name before the @",
            condition="email_local_l = email_local_r AND length(email_local_l) > 4",
            m=0.09,
            kin=0.01,
            odds=1.5,
            frequency_of="email_local",
        ),
        # "jordan1982" and "jordan1987" are two mailboxes: only letters count as mistyped
        Level(
            label="e-mail a letter or two apart",
            condition=f"{typo('email', edits=2)} AND {_DIGITS.format('l')} = {_DIGITS.format('r')}",
            m=0.05,
            kin=0.02,
        ),
        # susan.cochran723 and cochran.susan723
        Level(
            label="surname and number in both mailboxes",
            condition=f"{_BOXES_OF_A_SURNAME} AND {_number('l')} = {_number('r')} AND length({_number('l')}) > 1",
            m=0.02,
            kin=0.01,
        ),
        Level(
            label="surname and other numbers in both mailboxes",
            condition=f"{_BOXES_OF_A_SURNAME} AND {_number('l')} <> {_number('r')}"
            f" AND least(length({_number('l')}), length({_number('r')})) > 1",
            m=0.01,
            kin=0.05,
            most=-1,
        ),
        # mailboxes are made of names: those of people with similar names are similar
        Level(label="e-mail alike as names are", condition=alike("email", 0.88), m=0.03, kin=0.08, u=0.03, fixed=True),
        Level(label="other e-mail", condition="ELSE", m=0.21, kin=0.75),
    ),
)
