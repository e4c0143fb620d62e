"""Spark gives the edges that one machine gives: the same spec, the same frozen model, the same caps."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import ConfigurationError
from dataflow.resolve.comparisons import COMPANY, SPECS, EntitySpec
from dataflow.resolve.model.model import JUDGEMENT_WEIGHTS, Epoch
from dataflow.resolve.pairs.candidates import cap_sql, find_candidates
from dataflow.resolve.pairs.chunks import stage_epoch
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.pairs.scoring import levelled_sql
from dataflow.resolve.pairs.spark import find_edges_on_spark, register_jaro_winkler
from dataflow.resolve.pairs.spark_sql import spark_sql
from dataflow.resolve.training.epoch import train_epoch
from dataflow.tables.resolved import MATCH_RECORD
from tests.lib.identities import Record, match_records, population

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Edges = dict[tuple[str, str], tuple[float, ...]]

# what folding leaves, and what it does not: letters of several bytes
TEXT = st.text("ab01e x", max_size=8) | st.text("aé漢1", max_size=12) | st.sampled_from(["1e2", "0x1f", "0b11", "12b"])
SCHEMA = pa.schema([("a", pa.string()), ("b", pa.string())])
NOT_COMPARED = ("block_keys", "content", "is_copy")
COLUMNS = {column.name: column.type for column in MATCH_RECORD.columns if column.name not in NOT_COMPARED} | {
    "org_token_idf": "DOUBLE[]",
    "is_known_given": "BOOLEAN",
    "is_listed_given": "BOOLEAN",
}
ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE[]": pa.list_(pa.float64()),
    "BOOLEAN": pa.bool_(),
}
WORDS = ("anna", "hannah", "a", "müller", "smith", "hjt", "hill", "jones", "trading", "mainstreet", "漢字", "no 7")
VALUES = {
    "date_of_birth": ("1980-01-01", "1980-02-11", "1981-11-02", "1990-12-28", "1990-12-01"),
    "house_number": ("7", "9", "1e2", "102", "0x1f", "33", "12b"),
    "identifier": ("tax:123456", "tax:123457 passport:9", "passport:9", "123456"),
    "phone": ("+15550001111", "+15550001112", "+445550001111"),
    "email": (
        "anna@example.com",
        "anna72@example.com",
        "72.anna@example.org",
        "anna81@example.com",
        "j.smith@example.org",
    ),
    "surname": ("anna", "smith", "jsmith", "müller", "jones", "hill", "anna smith", "hannah jones"),
    "unit": ("1", "2"),
    "org": ("hill jones trading", "hjt", "hj", "smith trading", "smith trading 7"),
}
SWAPPED = {"given": "surname", "surname": "given", "street": "line2", "line2": "street", "org": "org_key"}


@pytest.fixture(scope="module")
def on_spark(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Epoch, Path]]:
    """Find the edges of a type once, whichever test asks first: the frozen model, and the folder of what was found.

    Spark's views are those of the type that came last.
    """

    @cache
    def find(kind: str) -> tuple[Epoch, Path]:
        folder = tmp_path_factory.mktemp(kind)
        with duckdb.connect() as con:
            epoch = _staged(con, SPECS[kind], folder)
        _find_on_spark(spark, SPECS[kind], folder)
        return epoch, folder / "out"

    return find


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Find the edges of companies; in a soak those of people too, whose conditions the next test tries in any case."""
    if "edges_of" in metafunc.fixturenames:
        metafunc.parametrize("edges_of", ["company", "person"] if metafunc.config.getoption("--soak") else ["company"])


@pytest.mark.soak
def test_spark_gives_the_edges_of_one_machine(on_spark: Callable[[str], tuple[Epoch, Path]], edges_of: str) -> None:
    spec = SPECS[edges_of]
    epoch, out = on_spark(edges_of)
    with duckdb.connect() as con:
        _match(con, spec)
        con.execute(f"CREATE TEMP TABLE frequency AS FROM '{out.parent}/frequency.parquet'")
        find_edges(con, "record", epoch=epoch, spec=spec, into="edge")
        expected = _edges(con, "edge")
        found = _edges(con, f"read_parquet('{out}/edge/*.parquet')")
        find_candidates(con, "record", spec=spec, into="pair")
        con.execute(f"CREATE TEMP TABLE member AS SELECT {number_of('record_id')} AS record, record_id FROM record")
        # Spark gives the records numbers of its own
        on_sparks = (f"read_parquet('{out}/{of}/*.parquet')" for of in ("candidate_pair", "pair_member"))
        assert _named_pairs(con, *on_sparks) == _named_pairs(con, "pair", "member")
        # a telephone of so many brings no pairs
        keys = "SELECT unnest(block_keys) AS key FROM record"
        capped = f"SELECT key FROM ({keys}) GROUP BY key HAVING count(*) > {cap_sql(spec, 'key')}"
        assert con.execute(capped).fetchall() != []
    assert len(expected) > 100
    assert found.keys() == expected.keys()
    assert {pair: pytest.approx(weights, abs=1e-6) for pair, weights in expected.items()} == found


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["person", "company"])
def test_every_condition_is_true_of_the_same_pairs(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    register_jaro_winkler(spark)
    texts = [text for c in SPECS[kind].comparisons for text in (c.missing, *(level.condition for level in c.levels))]
    conditions = sorted({text for text in texts if text != "ELSE"})
    with duckdb.connect() as con:
        _write_pairs(con, tmp_path / "pair.parquet")
        spark.read.parquet(str(tmp_path / "pair.parquet")).createOrReplaceTempView("pair")
        query = (
            f"SELECT number, {', '.join(f'({text}) AS c{place}' for place, text in enumerate(conditions))} FROM pair"
        )
        expected = sorted(con.execute(query).fetchall())
    found = sorted(map(tuple, spark.sql(spark_sql(query)).collect()))
    for place, condition in enumerate(conditions, 1):
        assert [row[place] for row in found] == [row[place] for row in expected], condition
        assert {True, False} <= {row[place] for row in expected}, f"nothing to tell by: {condition}"


@pytest.mark.soak
def test_texts_are_as_like_as_in_duckdb(spark: SparkSession) -> None:
    register_jaro_winkler(spark)

    @settings(max_examples=20)
    @given(st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), min_size=1, max_size=300))
    def holds(pairs: list[tuple[str | None, str | None]]) -> None:
        pair = pa.table(dict(zip("ab", map(list, zip(*pairs, strict=True)), strict=True)), SCHEMA)
        query = "SELECT a, b, jaro_winkler_similarity(a, b), levenshtein(a, b), try_cast(a AS INT) FROM pair"
        with duckdb.connect() as con:
            expected = con.execute(query).fetchall()
        spark.createDataFrame(pair).createOrReplaceTempView("pair")
        assert sorted(map(repr, map(tuple, spark.sql(spark_sql(query)).collect()))) == sorted(map(repr, expected))

    holds()


@pytest.mark.soak
def test_splinks_own_spark_backend_gives_the_same_weights(
    spark: SparkSession, on_spark: Callable[[str], tuple[Epoch, Path]]
) -> None:
    epoch, _ = on_spark("company")
    levels = ", ".join(f"gamma_{name}" for name in epoch.comparison_names)
    ours = spark.sql(spark_sql(levelled_sql("candidate_pair", epoch, COMPANY)))
    weighed = ours.selectExpr("record_id_l", "record_id_r", "splink_weight", *levels.split(", ")).collect()
    splinks = (
        f"SELECT least(rid_l, rid_r), greatest(rid_l, rid_r), match_weight, {levels} FROM {_by_splink(spark, epoch)}"
    )
    assert {(row[0], row[1]): pytest.approx(tuple(row[2:]), abs=1e-9) for row in weighed} == {
        (row[0], row[1]): tuple(row[2:]) for row in spark.sql(splinks).collect()
    }


def test_nobody_needs_spark_who_does_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = "import sys, dataflow.resolve.pairs.spark; print({'pyspark', 'rapidfuzz'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", imported], check=True, capture_output=True, text=True)
    assert told.stdout == "set()\n"
    monkeypatch.setitem(sys.modules, "rapidfuzz.distance", None)
    with pytest.raises(ConfigurationError, match=r"needs rapidfuzz, .*pip install 'dataflow\[spark\]'"):
        register_jaro_winkler(None)  # type: ignore[arg-type]


def _staged(con: duckdb.DuckDBPyConnection, spec: EntitySpec, folder: Path) -> Epoch:
    """Train on a small population and stage it; stewards have taught the model something."""
    _match(con, spec)
    trained = train_epoch(con, "record", spec=spec, frequencies="frequency")
    epoch = replace(trained, model=trained.model | {JUDGEMENT_WEIGHTS: {"": [0.5], "address": [-0.25] * 12}})
    con.execute(f"COPY everybody TO '{folder}/record.parquet'")
    stage_epoch(con, epoch, folder=folder)
    return epoch


def _match(con: duckdb.DuckDBPyConnection, spec: EntitySpec) -> None:
    """Make the match records `everybody`, and `record` of the spec's type."""
    match_records(con, _records(), into="everybody")
    con.execute(f"CREATE TEMP TABLE record AS FROM everybody WHERE entity_type = '{spec.entity_type}'")


def _records() -> list[Record]:
    """People and companies, with one telephone that many share, and texts that engines may read differently."""
    records = [record for _, record in population(6, people=120, companies=100).values()]
    for number, record in enumerate(records):
        if number % 4 == 0:
            record["phone"] = "+15550000001"
        if number % 7 == 0:
            record["house_number"] = ("1e2", "0x1f", "12b")[number % 3]
        if number % 11 == 0:
            record["identifier"] = f"tax:é{number // 22} passport:{number:07}"
    return records


def _find_on_spark(spark: SparkSession, spec: EntitySpec, folder: Path) -> None:
    """Find edges from what is staged, and write them below the folder `out`."""
    model = (folder / "epoch.json").read_text(encoding="utf-8")
    records, frequencies = [f"{folder}/record.parquet"], f"{folder}/frequency.parquet"
    find_edges_on_spark(spark, records, model, frequencies, spec=spec, into=f"{folder}/out")


def _edges(con: duckdb.DuckDBPyConnection, edges: str) -> Edges:
    rows = con.execute(f"SELECT record_id_l, record_id_r, match_weight, match_probability FROM {edges}").fetchall()
    assert len(rows) == len({row[:2] for row in rows})
    return {(row[0], row[1]): row[2:] for row in rows}


def _write_pairs(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Pairs of which one side is often the other, a little changed; every column that a condition may speak of."""
    chance = random.Random(5)
    rows: list[dict[str, Any]] = []
    for number in range(1500):
        left = {name: _value(chance, kind, name) for name, kind in COLUMNS.items()}
        right = {name: _changed(chance, left, kind, name) for name, kind in COLUMNS.items()}
        sides = {f"{name}_{side}": value for side, of in (("l", left), ("r", right)) for name, value in of.items()}
        rows.append({"number": number, **sides})
    columns = {f"{name}_{side}": kind for name, kind in COLUMNS.items() for side in "lr"}
    schema = pa.schema([("number", pa.int32()), *((name, ARROW[kind]) for name, kind in columns.items())])
    pair = pa.Table.from_pylist(rows, schema)
    con.execute(f"CREATE TABLE pair AS FROM pair; COPY pair TO '{path}'")
    assert pair.num_rows == 1500


def _named_pairs(con: duckdb.DuckDBPyConnection, pairs: str, members: str) -> list[tuple[str, str]]:
    return con.execute(f"""
        SELECT least(l.record_id, r.record_id), greatest(l.record_id, r.record_id)
        FROM {pairs} JOIN {members} l ON l.record = one JOIN {members} r ON r.record = other ORDER BY ALL
    """).fetchall()


def _value(chance: random.Random, kind: str, name: str) -> Any:
    if chance.random() < 0.15:
        return None
    if kind == "BOOLEAN":
        return chance.random() < 0.5
    if kind == "DOUBLE[]":
        return [chance.choice([1.0, 3.5, 9.25]) for _ in range(3)]
    if kind == "VARCHAR[]":
        return [chance.choice(WORDS) for _ in range(3)]
    return " ".join(
        chance.choice(VALUES.get(name, WORDS)) for _ in range(1 if name in VALUES else chance.randint(1, 3))
    )


def _changed(chance: random.Random, other: dict[str, Any], kind: str, name: str) -> Any:
    """The other side's value, or one in another's place, a letter wrong, or a value of its own."""
    value = other[SWAPPED.get(name, name)] if chance.random() < 0.2 else other[name]
    if value is None or chance.random() < 0.3:
        return _value(chance, kind, name)
    if kind == "VARCHAR" and value and chance.random() < 0.6:
        spot = chance.randrange(len(value))
        return value[:spot] + chance.choice(["", "7", "é", value[spot] * 2]) + value[spot + 1 :]
    return value


def _by_splink(spark: SparkSession, epoch: Epoch) -> str:
    """Have Splink score the candidate pairs, from the model in Spark's words; the view of what it says."""
    from splink import Linker
    from splink.backends.spark import SparkAPI

    api = SparkAPI(spark_session=spark, break_lineage_method="persist", register_udfs_automatically=False)
    columns = epoch.frequency_columns
    values = [column for column in columns if column not in spark.table("pair_record").columns]
    joined = spark.table("pair_record").join(spark.table("match_record").select("record_id", *values), "record_id")
    records = joined.drop(*(f"tf_{column}" for column in columns)).withColumnRenamed("record_id", "rid")
    linker = Linker(
        api.register(records), _in_sparks_words(epoch.splink_model), validate_settings=False, log_level=None
    )
    for column in columns:
        common = joined.select(column, f"tf_{column}").where(f"{column} IS NOT NULL").distinct()
        linker.table_management.register_term_frequency_lookup(api.register(common), column)
    pairs = """
        SELECT l.record_id AS join_key_l, r.record_id AS join_key_r, '0' AS match_key FROM candidate_pair
        JOIN pair_member l ON l.record = one JOIN pair_member r ON r.record = other
    """
    linker.table_management.register_blocked_pairs_for_predict(api.register(spark.sql(pairs)))
    return str(linker.inference.predict(warning_mode="never").physical_name)


def _in_sparks_words(model: dict[str, Any]) -> dict[str, Any]:
    translated = json.loads(json.dumps(model))
    for comparison in translated["comparisons"]:
        for level in comparison["comparison_levels"]:
            if level["sql_condition"] != "ELSE":
                level["sql_condition"] = spark_sql(level["sql_condition"])
    return dict(translated)
