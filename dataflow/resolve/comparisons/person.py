"""The spec of people: names, birth, generation, employer, and the adjustments of levels that depend on one another."""

from __future__ import annotations

from dataflow.resolve.comparisons.mailbox import EMAIL
from dataflow.resolve.comparisons.parts import (
    OTHER_SCRIPT,
    Adjustment,
    BlockingRule,
    Comparison,
    EntitySpec,
    Frequency,
    Level,
    both,
    typo,
)
from dataflow.resolve.comparisons.reach import COUNTRY, IDENTIFIER, LINE2, REGION, address, phone
from dataflow.vocabulary.given_names import FEMALE_FORMS
from dataflow.vocabulary.placeholders import DEFAULT_DATES, ZERO_DATES

_SWAPPED = "given_l = surname_r AND surname_l = given_r"
_CROSSED = (
    "jaro_winkler_similarity(given_l, surname_r) >= 0.9 OR jaro_winkler_similarity(surname_l, given_r) >= 0.9"
    " OR list_contains(given_tokens_l, surname_r) OR list_contains(given_tokens_r, surname_l)"
)

# spellings that sound alike: Eric and Erik, Steven and Stephen, Allison and Alison
_SOUNDS = (
    ("ph", "f"), ("ch", "k"), ("ck", "k"), ("th", "t"), ("ah", "a"), ("c", "k"), ("z", "s"), ("y", "i"), ("v", "f"),
    *((letter * 2, letter) for letter in "klmnrst"),
)  # fmt: skip


def _sound(side: str) -> str:
    written = f"given_{side}"
    for spelt, sound in _SOUNDS:
        written = f"replace({written}, '{spelt}', '{sound}')"
    return f"regexp_replace({written}, 'e$', '')"


_SOUNDS_ALIKE = f"{_sound('l')} = {_sound('r')}"
_PAIRS = ", ".join(f"'{male} {female}', '{female} {male}'" for female, male in FEMALE_FORMS.means.items())
_FORMS_OF_TWO = f"given_l || ' ' || given_r IN ({_PAIRS})"
# Jan and Jana, Maria and Mario, Gary and Mary are two people however few letters differ; letters inside, as in Kerstin
# and Kirstin, are mostly a spelling or a slip
_TWO_NAMES = (
    "(is_listed_given_l AND is_listed_given_r"
    " AND (left(given_l, 1) <> left(given_r, 1) OR right(given_l, 1) <> right(given_r, 1))"
    f" AND NOT {_SOUNDS_ALIKE}) OR {_FORMS_OF_TWO}"
)
_MISSPELT = (
    "(jaro_winkler_similarity(given_l, given_r) >= 0.9"
    f" OR (length(given_l) > 3 AND {typo('given', edits=1)})"
    f" OR (jaro_winkler_similarity(given_l, given_r) >= 0.85 AND {_SOUNDS_ALIKE}))"
)

GIVEN = Comparison(
    name="given",
    columns=("given",),
    # a single name can be in either column
    missing=f"({both('given')}) AND NOT coalesce({_CROSSED}, false) OR {OTHER_SCRIPT}",
    levels=(
        Level(label="same given name", condition="given_l = given_r", m=0.64, kin=0.04, frequency_of="given"),
        Level(label="names swapped", condition=_SWAPPED, m=0.01, kin=0.001),
        Level(label="nickname", condition="list_has_any(given_roots_l, given_roots_r)", m=0.09, kin=0.01),
        Level(
            label="given name misspelt",
            condition=f"{_MISSPELT} AND NOT ({_TWO_NAMES})",
            m=0.11,
            kin=0.02,
        ),
        Level(
            label="initial",
            condition="(length(given_l) = 1 OR length(given_r) = 1) AND given_l[1] = given_r[1]",
            m=0.05,
            kin=0.02,
        ),
        # an initial is of many names; Anna Maria and Rosa Maria are sisters
        Level(
            label="one of several given names",
            condition="list_has_any(list_filter(all_roots_l, x -> length(x) > 1), all_roots_r)"
            " AND (list_has_any(given_roots_l, all_roots_r) OR list_has_any(given_roots_r, all_roots_l)"
            " OR NOT (is_known_given_l AND is_known_given_r) OR jaro_winkler_similarity(given_l, given_r) >= 0.8)",
            m=0.02,
            kin=0.02,
        ),
        Level(label="a name in the other's place", condition=_CROSSED, m=0.01, kin=0.01),
        Level(label="another given name, spelt much alike", condition=_MISSPELT, m=0.003, kin=0.05, most=0),
        Level(
            label="given name garbled",
            condition="jaro_winkler_similarity(given_l, given_r) >= 0.75"
            " AND NOT (is_known_given_l AND is_known_given_r)",
            m=0.03,
            kin=0.06,
        ),
        Level(
            label="other given name",
            condition="NOT (is_known_given_l AND is_known_given_r)",
            m=0.015,
            kin=0.5,
            most=-2,
        ),
        # two known names are of two people: spouses, twins, parent and child
        Level(label="another given name", condition="ELSE", m=0.006, kin=0.45, fixed=True, most=-4),
    ),
)

_MIDDLE_INITIALS = "list_transform(middle_{}, x -> left(x, 1))"

MIDDLE = Comparison(
    name="middle",
    columns=("middle",),
    missing=f"({both('middle')}) OR {OTHER_SCRIPT}",
    levels=(
        Level(
            label="same middle name",
            condition="list_has_any(list_filter(middle_l, x -> length(x) > 1),"
            " list_filter(middle_r, x -> length(x) > 1))",
            m=0.45,
            kin=0.06,
        ),
        Level(
            label="same middle initial",
            condition=f"list_has_any(middle_l, {_MIDDLE_INITIALS.format('r')})"
            f" OR list_has_any({_MIDDLE_INITIALS.format('l')}, middle_r)",
            m=0.40,
            kin=0.06,
        ),
        Level(
            label="middle name misspelt",
            condition="jaro_winkler_similarity(array_to_string(middle_l, ' '), array_to_string(middle_r, ' ')) >= 0.85",
            m=0.05,
            kin=0.02,
        ),
        # neutral: the given name's comparison counts it
        Level(
            label="a middle name in the other's place",
            condition="list_contains(middle_l, given_r) OR list_contains(middle_r, given_l)",
            m=0.02,
            kin=0.02,
            u=0.02,
            fixed=True,
        ),
        Level(label="other middle name", condition="ELSE", m=0.08, kin=0.86),
    ),
)

SURNAME = Comparison(
    name="surname",
    columns=("surname",),
    missing=f"{both('surname')} OR {OTHER_SCRIPT}",
    levels=(
        Level(label="same surname", condition="surname_l = surname_r", m=0.78, kin=0.75, frequency_of="surname"),
        # neutral: the given name's comparison counts the swap
        Level(label="names swapped", condition=_SWAPPED, m=0.01, kin=0.01, u=0.01, fixed=True),
        Level(
            label="surname misspelt",
            condition="jaro_winkler_similarity(surname_l, surname_r) >= 0.92"
            f" OR (length(surname_l) > 4 AND {typo('surname', edits=1)})",
            m=0.10,
            kin=0.05,
        ),
        Level(
            label="part of a compound surname",
            condition="list_has_any(surname_tokens_l, surname_tokens_r)",
            m=0.02,
            kin=0.02,
        ),
        Level(label="a name in the other's place", condition=_CROSSED, m=0.01, kin=0.01, u=0.01, fixed=True),
        Level(
            label="surname garbled",
            condition="jaro_winkler_similarity(surname_l, surname_r) >= 0.78",
            m=0.02,
            kin=0.02,
        ),
        Level(label="other surname", condition="ELSE", m=0.06, kin=0.15),
    ),
)


def _part(side: str, start: int, length: int) -> str:
    return f"try_cast(substr(date_of_birth_{side}, {start}, {length}) AS INT)"


def _apart(start: int, length: int) -> str:
    return f"abs({_part('l', start, length)} - {_part('r', start, length)})"


_NO_DATES = ", ".join(f"'{date}'" for date in sorted({*DEFAULT_DATES, *ZERO_DATES}))

# a default date is not a date of birth
_NO_BIRTH = f"{both('date_of_birth')} OR date_of_birth_l IN ({_NO_DATES}) OR date_of_birth_r IN ({_NO_DATES})"
_MISTYPED = (
    # one digit, two neighbours, or day and month changed places
    "levenshtein(date_of_birth_l, date_of_birth_r) <= 1"
    " OR (levenshtein(date_of_birth_l, date_of_birth_r) <= 2"
    " AND list_sort(split(date_of_birth_l, '')) = list_sort(split(date_of_birth_r, '')))"
    " OR (left(date_of_birth_l, 4) = left(date_of_birth_r, 4)"
    " AND right(date_of_birth_l, 2) = substr(date_of_birth_r, 6, 2)"
    " AND right(date_of_birth_r, 2) = substr(date_of_birth_l, 6, 2))"
)
_A_LITTLE_OUT = (
    f"{_apart(1, 4)} IN (0, 1, 10) AND {_apart(6, 2)} IN (0, 1, 11) AND ({_apart(9, 2)} <= 3 OR {_apart(9, 2)} >= 27)"
)
_TWO_DIGITS = "levenshtein(date_of_birth_l, date_of_birth_r) <= 2"
_SAME_YEAR_OR_DAY = (
    "left(date_of_birth_l, 4) = left(date_of_birth_r, 4) OR right(date_of_birth_l, 5) = right(date_of_birth_r, 5)"
)
# of a first of January mostly the year alone is known, and that of an age by one; years that are one or two apart, or
# about ten, are often one date out or mistyped
_BIRTHS_CONTRADICT = (
    f"NOT ({_NO_BIRTH} OR date_of_birth_l = date_of_birth_r OR {_MISTYPED} OR {_TWO_DIGITS} OR {_SAME_YEAR_OR_DAY}"
    f" OR {_apart(1, 4)} IN (0, 1, 2, 9, 10, 11))"
)

BIRTH = Comparison(
    name="birth",
    columns=("date_of_birth",),
    missing=_NO_BIRTH,
    levels=(
        Level(
            label="same date of birth",
            condition="date_of_birth_l = date_of_birth_r AND right(date_of_birth_l, 5) <> '01-01'",
            m=0.78,
            kin=0.03,
            frequency_of="date_of_birth",
        ),
        # systems write the first of January where only the year is known
        Level(label="same first of January", condition="date_of_birth_l = date_of_birth_r", m=0.08, kin=0.01),
        Level(
            label="date of birth mistyped",
            condition=_MISTYPED,
            m=0.06,
            kin=0.01,
        ),
        Level(
            label="date of birth out by a little",
            condition=_A_LITTLE_OUT,
            m=0.02,
            kin=0.01,
        ),
        Level(
            label="two digits wrong",
            condition=_TWO_DIGITS,
            m=0.02,
            kin=0.03,
        ),
        Level(
            label="same year or same day of the year",
            condition=_SAME_YEAR_OR_DAY,
            m=0.02,
            kin=0.05,
            most=0,
        ),
        Level(label="other date of birth", condition="ELSE", m=0.012, kin=0.9),
    ),
)


GENERATION = Comparison(
    name="generation",
    columns=("suffix",),
    missing=both("suffix"),
    levels=(
        Level(label="same generation", condition="suffix_l = suffix_r", m=0.985, kin=0.5, u=0.45, fixed=True),
        Level(label="other generation", condition="ELSE", m=0.015, kin=0.5, u=0.55, fixed=True),
    ),
)

EMPLOYER = Comparison(
    name="employer",
    columns=("org_key",),
    missing=both("org_key"),
    levels=(
        Level(label="same employer", condition="org_key_l = org_key_r", m=0.62, kin=0.4, frequency_of="org_key"),
        Level(
            label="employer misspelt",
            condition="jaro_winkler_similarity(org_l, org_r) >= 0.92",
            m=0.10,
            kin=0.05,
        ),
        Level(label="other employer", condition="ELSE", m=0.28, kin=0.55),
    ),
)

OCCUPATION = Comparison(
    name="occupation",
    columns=("occupation",),
    missing=both("occupation"),
    levels=(
        Level(label="same occupation", condition="occupation_l = occupation_r", m=0.8, kin=0.2,
              frequency_of="occupation"),
        Level(label="other occupation", condition="ELSE", m=0.2, kin=0.8),
    ),
)  # fmt: skip

GENDER = Comparison(
    name="gender",
    columns=("gender",),
    missing=both("gender"),
    levels=(
        Level(label="same gender", condition="gender_l = gender_r", m=0.95, kin=0.4),
        Level(label="other gender", condition="ELSE", m=0.05, kin=0.6),
    ),
)

# kin of people: of one household, one office, one street
PHONE = phone((0.35, 0.01, 0.03, 0.61))
ADDRESS = address((0.50, 0.08, 0.01, 0.06, 0.03, 0.02, 0.08, 0.02, 0.08, 0.01, 0.01, 0.10))

_OTHERS = "gamma_birth, gamma_phone, gamma_address, gamma_employer, gamma_occupation, gamma_identifier"
_NO_MAIL = EMAIL.level("surname and other numbers in both mailboxes", "e-mail alike as names are", "other e-mail")
_NOTHING_ELSE = f"greatest({_OTHERS}) <= 0 AND (gamma_email = -1 OR {_NO_MAIL})"
_NOTHING_KNOWN = f"greatest({_OTHERS}, gamma_email) = -1"

PERSON = EntitySpec(
    entity_type="person",
    comparisons=(
        GIVEN,
        MIDDLE,
        SURNAME,
        BIRTH,
        GENERATION,
        EMAIL,
        PHONE,
        ADDRESS,
        LINE2,
        REGION,
        COUNTRY,
        EMPLOYER,
        OCCUPATION,
        GENDER,
        IDENTIFIER,
    ),
    frequencies=(
        Frequency(column="given", apart="surname"),
        Frequency(column="surname", apart="given_root"),
        Frequency(column="date_of_birth", apart="name_key"),
        Frequency(column="door", apart="name_key"),
        Frequency(column="postcode", apart="name_key"),
        Frequency(column="city", apart="name_key"),
        Frequency(column="region", apart="name_key"),
        Frequency(column="org_key", apart="name_key"),
        Frequency(column="occupation", apart="name_key"),
    ),
    kin="given_root[1] || surname[1]",
    known="given",
    blocking=(
        BlockingRule(name="e-mail", key="email", cap=50),
        BlockingRule(name="telephone", key="phone", cap=50),
        BlockingRule(name="e-mail and name", key="email || surname || given[1]", cap=50),
        BlockingRule(name="telephone and given name", key="phone || given_root", cap=50),
        BlockingRule(name="name before the @", key="CASE WHEN length(email_local) > 5 THEN email_local END", cap=20),
        # the next two are broad: they find misspelt and changed names, in tables small enough for their caps
        BlockingRule(name="birth and surname", key="date_of_birth || surname[1:3]", cap=3),
        BlockingRule(name="birth and start of the given name", key="date_of_birth || given[1:2]", cap=3),
        BlockingRule(name="birth and given name", key="date_of_birth || given", cap=2),
        BlockingRule(name="birth and initials", key="date_of_birth || given[1] || surname[1]", cap=3),
        BlockingRule(name="birth and postcode", key="date_of_birth || postcode", cap=3),
        BlockingRule(name="name and postcode", key="surname[1:4] || given[1] || postcode", cap=3),
        BlockingRule(name="name and city", key="name_key || city", cap=8),
        BlockingRule(name="name and employer", key="surname || org_key", cap=30),
        BlockingRule(name="door and given name", key="house_number || postcode || given[1:3]", cap=3),
        # broad keys: useful where the value is rare or the table small, over their caps elsewhere
        BlockingRule(name="rare name", key="name_key", cap=4),
        BlockingRule(name="rare name by root", key="given_root || surname", cap=3),
        BlockingRule(name="rare birth", key="date_of_birth", cap=8),
        BlockingRule(name="rare surname", key="surname", cap=4),
        BlockingRule(name="rare start of the name", key="given[1] || surname[1:4]", cap=4),
        BlockingRule(name="given name and city", key="given_root || city", cap=2),
        BlockingRule(name="surname and city", key="surname[1:3] || city", cap=2),
        BlockingRule(name="given name and postcode", key="given_root || postcode", cap=2),
        BlockingRule(name="identifier", key="split_part(identifier, ' ', 1)", cap=50),
        BlockingRule(name="last identifier", key="split_part(identifier, ' ', -1)", cap=50),
    ),
    wide=(
        BlockingRule(name="all of a small table", key="'all'", cap=800),
        BlockingRule(name="birth alone", key="date_of_birth", cap=80),
        BlockingRule(name="surname and year", key="surname || date_of_birth[1:4]", cap=80),
        BlockingRule(name="given name and year", key="given_root || date_of_birth[1:4]", cap=60),
        BlockingRule(name="surname and day", key="surname[1:2] || date_of_birth[6:]", cap=40),
        BlockingRule(name="given name and day", key="given[1:2] || date_of_birth[6:]", cap=40),
        BlockingRule(name="postcode alone", key="postcode", cap=60),
        BlockingRule(name="surname in city", key="surname[1:4] || city", cap=80),
        BlockingRule(name="given name in city", key="given_root || city", cap=60),
        BlockingRule(name="surname alone", key="surname", cap=60),
        BlockingRule(name="name alone", key="given_root || surname", cap=80),
        BlockingRule(name="consonants", key="given[1] || regexp_replace(surname, '[aeiouyhw]', '', 'g')", cap=60),
        BlockingRule(name="end of the surname", key="given[1] || reverse(surname)[1:4]", cap=40),
        BlockingRule(name="street and number", key="street[1:5] || house_number", cap=40),
        BlockingRule(name="street and city", key="street[1:5] || city[1:4]", cap=40),
        BlockingRule(name="second line", key="line2", cap=40),
        BlockingRule(name="given name and street", key="given[1:3] || street[1:5]", cap=40),
        BlockingRule(name="start of the e-mail", key="email[1:6]", cap=40),
        BlockingRule(name="end of the telephone", key="phone[-7:]", cap=40),
        BlockingRule(name="occupation and surname", key="occupation || surname[1:2]", cap=60),
        BlockingRule(name="city and year", key="city || date_of_birth[1:4]", cap=60),
    ),
    adjustments=(
        # father and son: one name, one house, one telephone
        Adjustment(
            name="other generation",
            condition="gamma_generation = 0",
            weight=-10,
            text="father and son share a name, a house and often a telephone.",
        ),
        # the same without a suffix: similar e-mail addresses are no evidence where both are made of the one name
        Adjustment(
            name="namesakes",
            condition=" AND ".join(
                (
                    GIVEN.level("same given name"),
                    SURNAME.level("same surname"),
                    BIRTH.level("other date of birth"),
                    _NO_MAIL,
                )
            ),
            weight=-3,
            text="one name with other dates of birth and other mailboxes is mostly a parent and a child.",
        ),
        # one surname and date of birth, and another given name that is not a garbled form of the other
        Adjustment(
            name="twins",
            condition=" AND ".join(
                (
                    GIVEN.level("another given name", "other given name", "another given name, spelt much alike"),
                    BIRTH.level("same date of birth"),
                    SURNAME.level("same surname"),
                )
            ),
            weight=-1,
            text="twins share all but the given name.",
        ),
        # the table is a sample of its country: other people outside it can have a rare name too
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
    contradiction=_BIRTHS_CONTRADICT,
)
