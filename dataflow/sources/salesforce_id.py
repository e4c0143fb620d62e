"""One form for the ids of Salesforce: the 18 characters, whose last three say which of the first 15 are capitals.

Interfaces give 18 characters, reports and formulas 15, and other systems write either in capitals. The first 15 are
case-sensitive; the last three restore their case. Of 15 characters in capitals the case is lost: they stay another id.
Source: Salesforce, "Convert 15 character Ids to 18 character Ids" (one check character per five, a bit per capital).
"""

from __future__ import annotations

_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_GROUPS, _LENGTH = 3, 5


def salesforce_id_sql(text: str) -> str:
    """Return the SQL expression of an id in 18 characters; null for a text that is not an id."""
    bare = f"trim({text})"
    check = " || ".join(map(_check_sql, _groups(bare)))
    # In a lambda, which is computed for ids in another case only: parts of a CASE that repeat are computed for all.
    return f"""
        CASE
        WHEN regexp_full_match({bare}, '[0-9A-Za-z]{{15}}') THEN {bare} || {check}
        WHEN NOT coalesce(regexp_full_match({bare}, '[0-9A-Za-z]{{15}}[A-Za-z0-5]{{3}}'), false) THEN NULL
        WHEN {check} = substr({bare}, 16) THEN {bare}
        ELSE list_transform([{bare}], lambda other_case: {_in_case_sql("other_case")})[1]
        END
    """


def _in_case_sql(identity: str) -> str:
    """Return an id of 18 characters in the case that its check characters give; null where they do not fit it."""
    checks = [f"upper(substr({identity}, {_GROUPS * _LENGTH + group + 1}, 1))" for group in range(_GROUPS)]
    restored = [_restored_sql(group, one) for group, one in zip(_groups(identity), checks, strict=True)]
    is_sound = " AND ".join(f"{_check_sql(group)} = {one}" for group, one in zip(restored, checks, strict=True))
    return f"CASE WHEN {is_sound} THEN {' || '.join((*restored, *checks))} END"


def _groups(identity: str) -> list[str]:
    return [f"substr({identity}, {group * _LENGTH + 1}, {_LENGTH})" for group in range(_GROUPS)]


def _check_sql(group: str) -> str:
    """Return the check character of five characters."""
    # Not by translate(), which takes ten times as long.
    bits = " + ".join(
        f"CASE WHEN ascii(substr({group}, {place + 1}, 1)) BETWEEN 65 AND 90 THEN {1 << place} ELSE 0 END"
        for place in range(_LENGTH)
    )
    return f"substr('{_CHECK}', 1 + {bits}, 1)"


def _restored_sql(group: str, check: str) -> str:
    """Return five characters in the case that their check character gives."""
    number = f"(strpos('{_CHECK}', {check}) - 1)"
    characters = []
    for place in range(_LENGTH):
        one = f"substr({group}, {place + 1}, 1)"
        characters.append(f"CASE WHEN ({number} >> {place}) & 1 = 1 THEN upper({one}) ELSE lower({one}) END")
    return f"({' || '.join(characters)})"
