"""Edges found by Spark, for those whose records have outgrown one machine.

The spec, the frozen model as Splink writes it, and the statements are those of one machine, put into Spark's words by
spark_sql.py: what comes out is what `find_edges` gives, within the noise of floats, and what Splink's own Spark backend
says of the same pairs. Staged files go in; what comes out is written wherever Spark can write:

    # where the lake is: match records, the frozen model, and how common its values are
    con.execute("COPY (FROM resolved.match_record WHERE entity_type = 'person') TO 'staged/record.parquet'")
    stage_epoch(con, read_epochs(con)["person"], folder=Path("staged"))

    # edges.py, started by `spark-submit --archives environment.tar.gz edges.py`
    spark = SparkSession.builder.getOrCreate()
    model = Path("staged/epoch.json").read_text(encoding="utf-8")
    staged = "s3a://bucket/staged"
    records, frequencies = [f"{staged}/record.parquet"], f"{staged}/frequency.parquet"
    find_edges_on_spark(spark, records, model, frequencies, spec=PERSON, into="s3a://bucket/found")

The driver needs this project with its extra `spark`, and Java 17 or newer; executors need pyarrow and rapidfuzz. One
machine is much faster as long as it is enough: 198,000 pairs of 40,000 people took it 2.6 s of processor time, and
Spark on the same machine a minute, its start included (November 2026).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflow.errors import ConfigurationError
from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.candidates import cap_sql
from dataflow.resolve.pairs.numbers import number_of
from dataflow.resolve.pairs.scoring import levelled_sql, members_sql, records_to_compare, weighed_sql
from dataflow.resolve.pairs.spark_sql import JARO_WINKLER, spark_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def find_edges_on_spark(
    spark: SparkSession, records: Sequence[str], epoch: str, frequencies: str, *, spec: EntitySpec, into: str
) -> DataFrame:
    """Compare staged match records and write every pair from the review threshold up to the folder `into`/edge.

    `records` are Parquet files or folders of match records; those of other types are left out. `epoch` is the text of
    a frozen model, `frequencies` the Parquet file of its values. `into` also holds what is worked out on the way.
    Shape: record_id_l, record_id_r, match_weight, match_probability; one row per pair, smaller id left.
    Raises: ConfigurationError where a package is not installed.
    """
    frozen = Epoch.from_text(epoch, frequencies="frequency")
    register_jaro_winkler(spark)
    spark.read.parquet(frequencies).createOrReplaceTempView("frequency")
    _records_of(spark, records, spec.entity_type).createOrReplaceTempView("match_record")
    _write(spark, _candidates_sql(spec), into=into, name="candidate_pair")
    numbers = "SELECT one AS record FROM candidate_pair UNION SELECT other FROM candidate_pair"
    spark.sql(numbers).createOrReplaceTempView("pair_number")
    _write(spark, members_sql("match_record", frozen, spec), into=into, name="pair_member")
    _write(spark, records_to_compare(frozen, spec), into=into, name="pair_record")
    return _write(spark, _edges_sql(frozen, spec), into=into, name="edge")


def _candidates_sql(spec: EntitySpec) -> str:
    """SELECT of what candidates.py finds, with a join for its sorted numbers."""
    return f"""
        WITH every AS (SELECT {number_of("record_id")} AS record, unnest(block_keys) AS key FROM match_record),
        useful AS (SELECT key FROM every GROUP BY key HAVING count(*) BETWEEN 2 AND {cap_sql(spec, "key")}),
        kept AS (FROM every SEMI JOIN useful USING (key))
        SELECT DISTINCT l.record AS one, r.record AS other FROM kept l JOIN kept r ON l.key = r.key
        WHERE l.record < r.record
    """


def _edges_sql(epoch: Epoch, spec: EntitySpec) -> str:
    # the threshold stands outside of what is worked out: Spark would carry it down, and work out the weight for it
    weighed = weighed_sql(levelled_sql("candidate_pair", epoch, spec), epoch, spec, threshold=None)
    return f"""
        WITH scored AS MATERIALIZED ({weighed})
        SELECT * FROM scored WHERE match_probability >= {epoch.review_threshold}
    """


def _records_of(spark: SparkSession, paths: Sequence[str], entity_type: str) -> DataFrame:
    # Spark takes numbers without a sign for decimals, which are slow; half of 2^64 less, the low bits stay
    keys = "transform(block_keys, key -> CAST(key - 9223372036854775808 AS BIGINT)) AS block_keys"
    found = spark.read.parquet(*paths).where(f"entity_type = '{entity_type}'")
    return found.selectExpr("* EXCEPT (block_keys)", keys)


def _write(spark: SparkSession, query: str, *, into: str, name: str) -> DataFrame:
    """Have a query worked out, once: what follows reads its files."""
    spark.sql(spark_sql(query)).write.parquet(f"{into}/{name}", mode="overwrite")
    written = spark.read.parquet(f"{into}/{name}")
    written.createOrReplaceTempView(name)
    return written


def register_jaro_winkler(spark: SparkSession) -> None:
    """Give the session DuckDB's Jaro-Winkler similarity, which counts bytes; Spark's own gives other numbers."""
    try:
        from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined] # its stubs lack it
        from rapidfuzz.distance import JaroWinkler
    except ImportError as error:
        raise ConfigurationError(
            f"Finding edges on Spark needs {(error.name or '').split('.')[0]}, which is not installed.",
            next_move="Type: pip install 'dataflow[spark]'",
        ) from error

    # Defined here, so that it travels to the executors by value: they need not have this project.
    def similarity(left: pa.Array, right: pa.Array) -> pa.Array:
        texts = zip(left.cast(pa.binary()).to_pylist(), right.cast(pa.binary()).to_pylist(), strict=True)
        # DuckDB finds two empty texts unlike
        found = [None if None in pair else JaroWinkler.similarity(*pair) if any(pair) else 0.0 for pair in texts]
        return pa.array(found, pa.float64())

    spark.udf.register(JARO_WINKLER, arrow_udf(similarity, "double"))
