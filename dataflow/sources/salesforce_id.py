"""One form for the ids of Salesforce: the 18 characters, whose last three say which of the first 15 are capitals.

Interfaces give 18 characters, reports and formulas 15, and other systems write either in capitals. The first 15 are
case-sensitive; the last three restore their case. Of 15 characters in capitals the case is lost: they stay another id.
Source: Salesforce, "Convert 15 character Ids to 18 character Ids" (one check character per five, a bit per capital).
"""

from __future__ import annotations

_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_GROUPS, _LENGTH = 3, 5
_BARE = _GROUPS * _LENGTH


def salesforce_id_sql(text: str) -> str:
    """Return the SQL expression of an id in 18 characters; null for a text that is not an id.

    It is short: DuckDB binds it for each key in each statement, also where there are no rows.
    """
    bare, check = f"trim({text})", _checks_sql(f"trim({text})")
    given = f"substr({bare}, {_BARE + 1})"
    # In a lambda, which is computed for ids in another case only: parts of a CASE that repeat are computed for all.
    return f"""
        CASE
        WHEN NOT coalesce(regexp_full_match({bare}, '[0-9A-Za-z]{{15}}([A-Za-z0-5]{{3}})?'), false) THEN NULL
        WHEN {given} IN ('', {check}) THEN substr({bare}, 1, {_BARE}) || {check}
        ELSE list_transform([{bare}], lambda other_case: {_in_case_sql("other_case")})[1]
        END
    """


def _in_case_sql(identity: str) -> str:
    """Return an id of 18 characters in the case that its check characters give; null where they do not fit it."""
    checks = f"upper(substr({identity}, {_BARE + 1}))"
    number = f"strpos('{_CHECK}', substr({checks}, 1 + place // {_LENGTH}, 1)) - 1"
    one = f"substr({identity}, place + 1, 1)"
    cased = f"CASE WHEN (({number}) >> (place % {_LENGTH})) & 1 = 1 THEN upper({one}) ELSE lower({one}) END"
    restored = f"array_to_string(list_transform(range({_BARE}), lambda place: {cased}), '')"
    sound = f"CASE WHEN {_checks_sql('restored')} = {checks} THEN restored || {checks} END"
    return f"list_transform([{restored}], lambda restored: {sound})[1]"


def _checks_sql(bare: str) -> str:
    """Return the three check characters of an id's first 15."""
    return " || ".join(_check_sql(bare, group * _LENGTH) for group in range(_GROUPS))


def _check_sql(identity: str, start: int) -> str:
    """Return the check character of the five characters after `start`."""
    # Not by translate(), which takes ten times as long.
    bits = " + ".join(
        f"CASE WHEN ascii(substr({identity}, {start + place + 1}, 1)) BETWEEN 65 AND 90 THEN {1 << place} ELSE 0 END"
        for place in range(_LENGTH)
    )
    return f"substr('{_CHECK}', 1 + {bits}, 1)"
