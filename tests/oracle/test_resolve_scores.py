"""Our one statement gives each pair the levels and the weight that Splink's own prediction gives it."""

from __future__ import annotations

import duckdb
import pytest
from splink import DuckDBAPI, Linker

from dataflow.resolve.comparisons import COMPANY, PERSON, EntitySpec
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs import scoring
from dataflow.resolve.pairs.candidates import find_candidates
from dataflow.resolve.pairs.numbers import number_of, numbered
from dataflow.resolve.pairs.scoring import levelled_sql, score_pairs
from dataflow.resolve.training.epoch import train_epoch
from tests.lib.identities import match_records, population

Scores = dict[tuple[str, str], tuple[float | int, ...]]


@pytest.mark.parametrize("spec", [PERSON, COMPANY], ids=["people", "companies"])
def test_levels_and_weights_are_those_of_splink(spec: EntitySpec) -> None:
    with duckdb.connect() as con:
        epoch = _trained(con, spec)
        con.execute(f"CREATE TEMP TABLE pair_number AS SELECT {number_of('record_id')} AS record FROM record")
        con.execute(f"CREATE TEMP TABLE pair_member AS {scoring.members_sql('record', epoch, spec)}")
        con.execute(f"CREATE TEMP TABLE pair_record AS {scoring.records_to_compare(epoch, spec)}")
        levels = ", ".join(f"gamma_{name}" for name in epoch.comparison_names)
        ours = f"SELECT record_id_l, record_id_r, splink_weight, {levels} FROM ({levelled_sql('pair', epoch, spec)})"
        found = _scores(con, ours)
        assert found == _by_splink(con, epoch, levels)
        assert len(set(found.values())) > 50


def test_batches_give_what_one_statement_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as con:
        epoch = _trained(con, PERSON)
        found = []
        for size in (10**9, 37):
            monkeypatch.setattr(scoring, "BATCH_PAIRS", size)
            score_pairs(con, "pair", "record", epoch, spec=PERSON, into="scored", threshold=epoch.review_threshold)
            found.append(con.execute("FROM scored ORDER BY ALL").fetchall())
        assert found[0] == found[1]
        assert 0 < len(found[0]) < con.table("pair").shape[0]


def _trained(con: duckdb.DuckDBPyConnection, spec: EntitySpec) -> Epoch:
    """A model of `record`, and pairs of it to score: candidates, and strangers."""
    people = [record for _, record in population(4, people=80).values()]
    if spec is COMPANY:
        people = [
            {**record, "entity_type": "company", "company_name": f"{record['surname']} and Sons {record['city']} Ltd"}
            for record in people
        ]
    match_records(con, people, into="record")
    epoch = train_epoch(con, "record", spec=spec, frequencies="frequency")
    find_candidates(con, "record", spec=spec, into="pair")
    every = """(
        SELECT l.record_id AS record_id_l, r.record_id AS record_id_r
        FROM record l JOIN record r ON l.record_id < r.record_id
    )"""
    con.execute(f"""
        INSERT INTO pair FROM {numbered(every)} ANTI JOIN pair USING (one, other) ORDER BY xor(one, other) LIMIT 500
    """)
    return epoch


def _by_splink(con: duckdb.DuckDBPyConnection, epoch: Epoch, levels: str) -> Scores:
    con.execute("CREATE TEMP TABLE numbered AS SELECT row_number() OVER () AS rid, * FROM pair_record")
    con.execute("""
        CREATE TEMP TABLE numbered_pair AS SELECT l.rid AS join_key_l, r.rid AS join_key_r, '0' AS match_key
        FROM pair p JOIN numbered l ON l.record = p.one JOIN numbered r ON r.record = p.other
    """)
    api = DuckDBAPI(connection=con)
    linker = Linker(api.register("numbered"), epoch.splink_model, validate_settings=False, log_level=None)
    for column in epoch.frequency_columns:
        # the records bring their frequencies along
        con.execute(f"CREATE TEMP TABLE no_{column} ({column} VARCHAR, tf_{column} DOUBLE)")
        linker.table_management.register_term_frequency_lookup(api.register(f"no_{column}"), column)
    linker.table_management.register_blocked_pairs_for_predict(api.register("numbered_pair"))
    scored = linker.inference.predict(warning_mode="never").physical_name
    numbers = "JOIN numbered l ON l.rid = s.rid_l JOIN numbered r ON r.rid = s.rid_r"
    ids = "least(l.record_id, r.record_id), greatest(l.record_id, r.record_id)"
    return _scores(con, f"SELECT {ids}, s.match_weight, {levels} FROM {scored} s {numbers}")


def _scores(con: duckdb.DuckDBPyConnection, query: str) -> Scores:
    return {(row[0], row[1]): row[2:] for row in con.execute(query).fetchall()}
