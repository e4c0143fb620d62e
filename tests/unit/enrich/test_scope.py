"""Who is asked again: changed customers, expired values, crossed bands, new releases; nobody else."""

from datetime import timedelta
from pathlib import Path

from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.enriching import Enriched, write_mmdb
from tests.lib.publishing import settings_in
from tests.lib.tables import NOW, small_lake


def test_only_those_who_may_have_changed_are_asked_again(lake: Lake, tmp_path: Path) -> None:
    mmdb = write_mmdb(tmp_path / "city.mmdb")
    enriched = Enriched(lake, tmp_path, settings_in(tmp_path, geoip=str(mmdb)))
    without = Enriched(lake, tmp_path, settings_in(tmp_path))
    world = World()
    for name in ("by network", "by address", "plain", "leaves"):
        world.customer(name)
    world.customer("by network", ip_address="198.51.100.7")
    world.customer("by address", country_code="DE", industry_text="Banking")
    world.order("o", record_of("plain"), NOW - timedelta(days=20), 10)

    def asked(now_in_days: int = 0, *, by: Enriched = enriched, keep: bool = True) -> tuple[int, int, int]:
        tables = by.run(world, now=NOW + timedelta(days=now_in_days), keep=keep)
        (counts,) = tables["asked"]
        return counts["geography"], counts["industry"], counts["lifecycle"]

    assert asked() == (4, 4, 4)
    assert asked(1) == (0, 0, 0)
    world.customer("plain", country_code="FR")
    assert asked(2) == (1, 1, 1)
    world.order("o2", record_of("plain"), NOW - timedelta(days=19), 10)
    assert asked(3) == (0, 0, 1)
    # 31 days after its last order, and no day sooner, its band is crossed.
    assert asked(11) == (0, 0, 0)
    assert asked(12) == (0, 0, 1)
    assert asked(13) == (0, 0, 0)
    del world.customers["leaves"], world.links[record_of("leaves")]
    gone = enriched.run(world, now=NOW + timedelta(days=14), keep=True)
    assert "leaves" not in {row["customer_id"] for row in gone["lifecycle"]}
    # The first answers expire after 90 days; the same answer gets a new date, so once is enough.
    assert asked(91, keep=False)[0] == 2
    enriched.run(world, now=NOW + timedelta(days=91), keep=True)
    assert asked(91)[0] == 0
    # A provider that is switched off takes its values along; one that is new is asked about everybody.
    off = without.run(world, now=NOW + timedelta(days=91), keep=True)
    assert [row["provider"] for row in off["geography"]] == ["source records"] * 2
    assert asked(91)[0] == 3


def test_what_was_obtained_under_a_clock_ahead_is_computed_anew(tmp_path: Path) -> None:
    mmdb = write_mmdb(tmp_path / "city.mmdb")
    with small_lake(tmp_path) as lake:
        enriched = Enriched(lake, tmp_path, settings_in(tmp_path, geoip=str(mmdb)))
        world = World()
        world.customer("buyer", country_code="DE")
        world.order("o", record_of("buyer"), NOW - timedelta(days=20), 10)

        def run(days: int) -> tuple[object, object, object]:
            tables = enriched.run(world, now=NOW + timedelta(days=days), keep=True)
            [lifecycle], [geography] = tables["lifecycle"], tables["geography"]
            return lifecycle["stage"], lifecycle["obtained_at"], geography["expires_at"]

        assert run(0) == ("new", NOW, NOW + timedelta(days=90))
        ten_years = 3_650
        assert run(ten_years)[0] == "lapsed"
        back = NOW + timedelta(days=1)
        assert run(1) == ("new", back, back + timedelta(days=90))
        assert run(2) == ("new", back, back + timedelta(days=90))
