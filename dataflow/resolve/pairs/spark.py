"""Find edges on Spark, for more records than one machine can hold.

The spec, the frozen model as Splink writes it, and the statements are those of one machine, translated by spark_sql.py:
the edges equal those of `find_edges` and of Splink's own Spark backend, up to the rounding of floats. It reads staged
files and writes wherever Spark can write:

    # where the lake is: match records, the frozen model, and the frequencies of its values
    con.execute("COPY (FROM resolved.match_record WHERE entity_type = 'person') TO 'staged/record.parquet'")
    stage_epoch(con, read_epochs(con)["person"], folder=Path("staged"))

    # edges.py, started by `spark-submit --archives environment.tar.gz edges.py`
    spark = SparkSession.builder.getOrCreate()
    model = Path("staged/epoch.json").read_text(encoding="utf-8")
    staged = "s3a://bucket/staged"
    records, frequencies = [f"{staged}/record.parquet"], f"{staged}/frequency.parquet"
    find_edges_on_spark(spark, records, model, frequencies, spec=PERSON, into="s3a://bucket/found")

The driver needs this project with its extra `spark`, and Java 17 or newer; executors need pyarrow and rapidfuzz. One
machine is much faster as long as the records fit: 198,000 pairs of 40,000 people took it 2.6 s of processor time, and
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
    a frozen model, `frequencies` the Parquet file of its frequencies. `into` also holds the intermediate results.
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
    """Return the SELECT of the candidates of candidates.py, by a join instead of sorted numbers."""
    return f"""
        WITH every AS (SELECT {number_of("record_id")} AS record, unnest(block_keys) AS key FROM match_record),
        useful AS (SELECT key FROM every GROUP BY key HAVING count(*) BETWEEN 2 AND {cap_sql(spec, "key")}),
        kept AS (FROM every SEMI JOIN useful USING (key))
        SELECT DISTINCT l.record AS one, r.record AS other FROM kept l JOIN kept r ON l.key = r.key
        WHERE l.record < r.record
    """


def _edges_sql(epoch: Epoch, spec: EntitySpec) -> str:
    # the threshold is applied outside: Spark would push it down, and compute the weight a second time for it
    weighed = weighed_sql(levelled_sql("candidate_pair", epoch, spec), epoch, spec, threshold=None)
    return f"""
        WITH scored AS MATERIALIZED ({weighed})
        SELECT * FROM scored WHERE match_probability >= {epoch.review_threshold}
    """


def _records_of(spark: SparkSession, paths: Sequence[str], entity_type: str) -> DataFrame:
    # Spark reads unsigned numbers as decimals, which are slow; subtracting 2^63 keeps the low bits
    keys = "transform(block_keys, key -> CAST(key - 9223372036854775808 AS BIGINT)) AS block_keys"
    found = spark.read.parquet(*paths).where(f"entity_type = '{entity_type}'")
    return found.selectExpr("* EXCEPT (block_keys)", keys)


def _write(spark: SparkSession, query: str, *, into: str, name: str) -> DataFrame:
    """Compute a query once and write it to files; register a view of those under `name`."""
    spark.sql(spark_sql(query)).write.parquet(f"{into}/{name}", mode="overwrite")
    written = spark.read.parquet(f"{into}/{name}")
    written.createOrReplaceTempView(name)
    return written


def register_jaro_winkler(spark: SparkSession) -> None:
    """Register DuckDB's Jaro-Winkler similarity, which compares bytes; Spark's own gives other results."""
    try:
        from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined] # its stubs lack it
        from rapidfuzz.distance import JaroWinkler
    except ImportError as error:
        raise ConfigurationError(
            f"Finding edges on Spark needs {(error.name or '').split('.')[0]}, which is not installed.",
            next_move="Type: pip install 'dataflow[spark]'",
        ) from error

    # Defined here, so that it is sent to the executors by value: they need not have this project.
    def similarity(left: pa.Array, right: pa.Array) -> pa.Array:
        texts = zip(left.cast(pa.binary()).to_pylist(), right.cast(pa.binary()).to_pylist(), strict=True)
        # in DuckDB the similarity of two empty texts is 0
        found = [None if None in pair else JaroWinkler.similarity(*pair) if any(pair) else 0.0 for pair in texts]
        return pa.array(found, pa.float64())

    spark.udf.register(JARO_WINKLER, arrow_udf(similarity, "double"))
