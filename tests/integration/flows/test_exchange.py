"""Windows and pairs exchanged through a bucket by a run and workers that share no disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from dataflow.errors import ConfigurationError, DataFlowError, ShareOver
from dataflow.land import plan_windows, stage_windows
from dataflow.land.fetch import landing_name
from dataflow.land.heartbeats import HEARTBEATS, last_heartbeat
from dataflow.land.shares import Share, answer_name, collect_share, is_answered, share_name, write_share
from dataflow.resolve.pairs.chunks import edges_name, names_for
from dataflow.run.exchange import Exchange, join, landing_exchange, offer
from dataflow.settings import Settings, load_settings
from flows.fetching import _refresh, fetch
from flows.scoring import score
from lakehouse import LakeUnreachable, LakeUnwritable
from tests.lib.chunks import edges_of_a_population, spread
from tests.lib.deliveries import run
from tests.lib.servers.prefect import PrefectServer
from tests.lib.servers.s3 import S3Server

LOST = DataFlowError("The share was lost.")
CONFIG = """
landing = "{disk}/landing"
[lake]
catalogue = "{disk}/lake.ducklake"
data = "{bucket}/data"
[lake.s3]
endpoint = "{s3.endpoint}"
key_id = "{s3.key_id}"
secret = "{s3.secret}"
url_style = "path"
use_tls = false
[prefect]
exchange = "{bucket}/exchange"
retries = 0
[sources.shop]
root = "{source}"
[sources.shop.objects.visit]
format = "csv"
path = "{{date}}.csv"
key = "id"
cursor = "at"
fields = {{ id = "BIGINT", at = "TIMESTAMPTZ" }}
[enrich]
geoip = ""
firmographics = ""
"""


class Machines:
    """Machines with a disk each, that read one source and reach one bucket."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.folder, self.s3 = folder, s3
        self.bucket = s3.create_bucket(f"exchange-{folder.name[-30:].strip('_').replace('_', '-').lower()}")
        self.source = folder / "source"
        self.source.mkdir()
        for day in (1, 2, 3):
            (self.source / f"2026-01-0{day}.csv").write_text(f"id,at\n{day},2026-01-0{day}T10:00:00Z\n")

    def config(self, name: str) -> Path:
        disk = self.folder / name
        disk.mkdir(exist_ok=True)
        file = disk / "dataflow.toml"
        file.write_text(CONFIG.format(disk=disk, source=self.source, bucket=self.bucket, s3=self.s3))
        return file

    def settings(self, name: str) -> Settings:
        return load_settings(self.config(name), home=self.folder / name)

    def stored(self) -> set[str]:
        """Return the names of all objects of the bucket."""
        place = self.s3.folder / self.bucket.removeprefix("s3://")
        return {str(file.relative_to(place)) for file in place.rglob("*") if file.is_file()}


@pytest.fixture
def machines(tmp_path: Path, s3: S3Server) -> Machines:
    return Machines(tmp_path, s3)


@pytest.fixture
def offered(machines: Machines) -> tuple[Settings, Exchange, Share]:
    """Return what the machine of the run has: its settings, and a share that it offers."""
    settings = machines.settings("run")
    folder = settings.home / "runs" / "one" / "fetch-1"
    folder.mkdir(parents=True)
    share = Share(run(1), tuple(plan_windows(None, settings, source="shop")))
    exchange = offer(folder, settings)
    write_share(folder, 0, share)
    exchange.push([share_name(0)])
    return settings, exchange, share


def test_a_worker_with_another_disk_fetches_a_share(
    machines: Machines, offered: tuple[Settings, Exchange, Share], prefect_server: PrefectServer
) -> None:
    settings, exchange, share = offered
    assert exchange.address.startswith(machines.bucket)
    with prefect_server.in_process():
        fetch(exchange.address, 0, config=machines.config("worker"), home=machines.folder / "worker")
    assert not is_answered(exchange.folder, 0)
    _refresh(exchange, 0)
    assert is_answered(exchange.folder, 0)
    assert last_heartbeat(exchange.folder, 0) > 0
    landing = landing_exchange(settings)
    landing.pull(landing_name(planned, share.run) for planned in share.windows)
    staged = collect_share(exchange.folder, 0, share, settings, lost=LOST)
    assert (len(staged.fetched), staged.failures) == (3, ())
    files = [str(window.file) for window in staged.fetched]
    assert all(file.startswith(f"{settings.home}/") for file in files)
    with duckdb.connect() as con:
        rows = con.execute("SELECT record_key FROM read_parquet(?) ORDER BY ALL", [files]).fetchall()
    assert rows == [("1",), ("2",), ("3",)]
    landing.remove(landing_name(planned, share.run) for planned in share.windows)
    exchange.remove([share_name(0), answer_name(0), f"{HEARTBEATS}0.json"])
    assert machines.stored() == set()


def test_a_second_worker_goes_on_from_what_a_crashed_one_has_staged(
    machines: Machines, offered: tuple[Settings, Exchange, Share], prefect_server: PrefectServer
) -> None:
    settings, exchange, share = offered
    first = machines.settings("first")
    staged = stage_windows(replace(share, windows=share.windows[:1]).windows, first, share.run)
    landing_exchange(first).push(landing_name(window.planned, share.run) for window in staged.fetched)
    with prefect_server.in_process():
        fetch(exchange.address, 0, config=machines.config("second"), home=machines.folder / "second")
        # Given the share again, a third worker finds it answered.
        fetch(exchange.address, 0, config=machines.config("third"), home=machines.folder / "third")
    assert not (machines.folder / "third" / "landing").exists()
    _refresh(exchange, 0)
    landing_exchange(settings).pull(landing_name(planned, share.run) for planned in share.windows)
    collected = collect_share(exchange.folder, 0, share, settings, lost=LOST)
    assert [window.is_reused for window in collected.fetched] == [True, False, False]


def test_a_share_that_is_over_is_named(machines: Machines, prefect_server: PrefectServer) -> None:
    with prefect_server.in_process(), pytest.raises(ShareOver):
        fetch(f"{machines.bucket}/exchange/gone", 0, config=machines.config("worker"), home=machines.folder / "worker")


def test_pairs_are_scored_by_workers_with_other_disks(machines: Machines, prefect_server: PrefectServer) -> None:
    settings = machines.settings("run")

    def by_workers(folder: Path, chunks: Sequence[int]) -> None:
        exchange = offer(folder, settings)
        sent = {name for chunk in chunks for name in names_for(chunk)}
        exchange.push(sent)
        for chunk in chunks:
            score(exchange.address, chunk, config=machines.config(f"w{chunk}"), home=machines.folder / f"w{chunk}")
        edges = [edges_name(chunk) for chunk in chunks]
        exchange.pull(edges)
        exchange.remove([*sent, *edges])

    with prefect_server.in_process(), duckdb.connect() as con:
        find = edges_of_a_population(con)
        assert find(spread(settings.home / "chunks", by_workers, chunks=2)) == find(None) != []
    assert machines.stored() == set()


def test_a_bucket_that_does_not_answer_is_named(machines: Machines) -> None:
    wrong = _exchanging(machines.settings("run"), "s3://no-such-bucket/x")
    folder = machines.folder / "a" / "b" / "c"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    with pytest.raises(LakeUnwritable, match=r"prefect\.exchange"):
        offer(folder, wrong).push(["file"])
    with pytest.raises(LakeUnreachable, match=r"prefect\.exchange"):
        offer(folder, wrong).pull_times("x")


@pytest.mark.parametrize("place", ["exchange", "gs://bucket/exchange"])
def test_a_place_that_is_not_a_bucket_is_refused(machines: Machines, place: str) -> None:
    with pytest.raises(ConfigurationError, match="which is not a bucket"):
        offer(machines.folder, _exchanging(machines.settings("run"), place))


def test_over_a_shared_disk_nothing_is_sent(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    exchange = offer(tmp_path, settings)
    exchange.push(["missing"])
    exchange.pull(["missing"])
    with join(exchange.address, settings) as joined:
        assert joined == exchange


def _exchanging(settings: Settings, place: str) -> Settings:
    return settings.model_copy(update={"prefect": settings.prefect.model_copy(update={"exchange": place})})
