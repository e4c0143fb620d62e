"""The one transaction that brings the dataset from a publication to the next, as a script of GoogleSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dataflow.publish.commit import Publication
from dataflow.sinks.bigquery.copies import Copy
from dataflow.sinks.bigquery.load import Staged
from dataflow.sinks.bigquery.shape import GONE, PUBLICATION, ROW_HASH, Place, clusters, text
from dataflow.sinks.protocol import Shown
from dataflow.tables.subject import Subject
from lakehouse.table import SubjectColumn, Table

_FIRST_OF = {"DATE": "DATE", "TIMESTAMPTZ": "TIMESTAMP"}


def publish_script(
    staged: Sequence[Staged],
    counts: Mapping[Copy, int],
    publication: Publication,
    *,
    place: Place,
    lake_id: str,
    shown: Shown | None,
) -> str:
    """Return the script that writes the staged rows and the publication; `counts` are of all tables in the lake.

    It raises, which rolls it back, where another process has published meanwhile, where a table then has another number
    of rows than the lake's, or where the rows of this publication have another checksum.
    """
    changes = [one for each in staged for one in _change(each, place)]
    checks = [_check_count(copy, count) for copy, count in counts.items()]
    checks += [_check_sum(one, place) for one in staged]
    return _transaction(
        _variables(staged, place),
        [
            _raise_where([_check_shown(shown, place)]),
            *changes,
            _raise_where(checks),
            *_publish(publication, {copy.counted_as: count for copy, count in counts.items()}, lake_id, place),
        ],
    )


def clear_script(targets: Iterable[str], place: Place) -> str:
    """Return the script that empties all tables; policies, tags and grants stay."""
    names = [*targets, place.published(PUBLICATION)]
    return _transaction([], [f"DELETE FROM {name} WHERE TRUE" for name in names])


def forget_script(tables: Sequence[Table], roles: Iterable[str], subject: Subject, place: Place) -> str:
    """Return the script that removes a person's rows, and the person's ids in rows of others.

    `roles` are the tables of roles: their ids are masked, so they are emptied, and the next publication writes them.
    """
    statements = [
        statement
        for table in tables
        for column in table.subjects
        for statement in _forget(table, column, subject, place)
    ]
    statements += [f"DELETE FROM {name} WHERE TRUE" for name in roles]
    # What the dataset is expected to have from now on; without the tables of roles, which are then written whole.
    parts = [
        f"'\"{table.name}\": ', CAST((SELECT COUNT(*) FROM {place.published(table.name)}) AS STRING)"
        for table in tables
    ]
    counts = ", ', ', ".join(parts)
    statements.append(f"UPDATE {place.published(PUBLICATION)} SET row_counts = CONCAT('{{', {counts}, '}}') WHERE TRUE")
    return _transaction([], statements)


def forget_condition(table: Table, subject: Subject) -> str:
    """Return the condition of the rows that go with a person; "" where the table has none."""
    conditions = [
        f"`{column.column}` IN ({ids})"
        for column in table.subjects
        if column.erasure == "row" and (ids := _ids(column, subject))
    ]
    return " OR ".join(conditions)


def _transaction(variables: Iterable[str], statements: Iterable[str]) -> str:
    return ";\n".join([*variables, "BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION"]) + ";"


def _variables(staged: Sequence[Staged], place: Place) -> Iterator[str]:
    """Declare the bounds of the leading cluster column: as constants, they keep statements to the blocks of changes."""
    for one in staged:
        if lead := _lead(one):
            for bound, function in (("low", "MIN"), ("high", "MAX")):
                kind = _FIRST_OF.get(one.copy.shown.column(lead).type, "STRING")
                yield (
                    f"DECLARE {bound}_{one.copy.word} {kind} DEFAULT"
                    f" (SELECT {function}(`{lead}`) FROM {place.staged(one.name)})"
                )


def _lead(one: Staged) -> str:
    """Return the leading cluster column of a table that is changed in part; "" where there is none."""
    return "" if one.is_whole else next(iter(clusters(one.copy.shown, masked=one.copy.masked)), "")


def _within(one: Staged) -> str:
    """Return the condition on the leading cluster column of alias t."""
    lead, word = _lead(one), one.copy.word
    return f"t.`{lead}` BETWEEN low_{word} AND high_{word}" if lead else "TRUE"


def _change(one: Staged, place: Place) -> Iterator[str]:
    target = one.copy.target
    columns = ", ".join(f"`{name}`" for name in (*one.copy.shown.column_names, ROW_HASH))
    yield f"DELETE FROM {target} t WHERE {_within(one)}" + ("" if one.is_whole else f" AND {_is_staged(one, place)}")
    yield f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {place.staged(one.name)} WHERE NOT {GONE}"


def _is_staged(one: Staged, place: Place) -> str:
    on = " AND ".join(f"s.`{key}` = t.`{key}`" for key in one.copy.shown.key)
    return f"EXISTS (SELECT 1 FROM {place.staged(one.name)} s WHERE {on})"


def _check_shown(shown: Shown | None, place: Place) -> tuple[str, str]:
    wanted = "TRUE" if shown is None else f"publication = {shown.publication} AND lake_id = {text(shown.lake_id)}"
    expected = 0 if shown is None else 1
    return (
        f"(SELECT COUNT(*) FROM {place.published(PUBLICATION)} WHERE {wanted}) <> {expected}",
        text("df-differs another process has published meanwhile"),
    )


def _check_count(copy: Copy, count: int) -> tuple[str, str]:
    here = f"(SELECT COUNT(*) FROM {copy.target})"
    message = f"CONCAT({text(f'df-differs {copy.label}: {count} rows in the lake, ')}, CAST({here} AS STRING), ' here')"
    return f"{here} <> {count}", message


def _check_sum(one: Staged, place: Place) -> tuple[str, str]:
    rows = _within(one) + ("" if one.is_whole else f" AND {_is_staged(one, place)}")
    here = f"(SELECT COALESCE(BIT_XOR(t.{ROW_HASH}), 0) FROM {one.copy.target} t WHERE {rows})"
    return f"{here} <> {one.checksum}", text(f"df-differs {one.copy.label}: other values than in the lake")


def _raise_where(checks: Iterable[tuple[str, str]]) -> str:
    """Return the statement that raises the message of the first condition that is true."""
    return f"SELECT CASE {' '.join(f'WHEN {found} THEN ERROR({message})' for found, message in checks)} ELSE 'ok' END"


def _publish(publication: Publication, counts: Mapping[str, int], lake_id: str, place: Place) -> Iterator[str]:
    target = place.published(PUBLICATION)
    yield f"DELETE FROM {target} WHERE TRUE"
    yield (
        f"INSERT INTO {target} (publication, lake_id, run_id, row_counts) VALUES"
        f" ({publication.number}, {text(lake_id)}, {text(publication.run_id)}, '{json.dumps(dict(counts))}')"
    )


def _forget(table: Table, column: SubjectColumn, subject: Subject, place: Place) -> Iterator[str]:
    ids = _ids(column, subject)
    if not ids:
        return
    target = place.published(table.name)
    if column.erasure == "row":
        yield f"DELETE FROM {target} WHERE `{column.column}` IN ({ids})"
    elif column.shape == "value":
        emptied = ", ".join(f"`{name}` = NULL" for name in (column.column, *column.covers))
        yield f"UPDATE {target} SET {emptied} WHERE `{column.column}` IN ({ids})"


def _ids(column: SubjectColumn, subject: Subject) -> str:
    chosen = {"customer": subject.customer_ids, "record": subject.record_ids}.get(column.names, frozenset())
    return ", ".join(text(one) for one in sorted(chosen))
