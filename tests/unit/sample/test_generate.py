"""The same spec writes the same bytes; the days add up."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dataflow.errors import UsageError
from dataflow.sample import SampleSpec, generate
from tests.lib.sample import delivered, digest
from tests.unit.sample.conftest import SPEC

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def test_same_spec_gives_same_bytes(sample: Path, tmp_path: Path) -> None:
    generate(SPEC, tmp_path)
    assert digest(tmp_path) == digest(sample)


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(SampleSpec(records_per_day=600, seed=seed), tmp_path / str(seed))
    contacts = [delivered(tmp_path / str(seed), "salesforce", "contact", DAYS[0]) for seed in (1, 2)]
    assert contacts[0] != contacts[1]
    # the reference networks are part of no seed
    assert (tmp_path / "1/reference/geoip.mmdb").read_bytes() == (tmp_path / "2/reference/geoip.mmdb").read_bytes()


def test_first_day_does_not_depend_on_how_many_follow(sample: Path, tmp_path: Path) -> None:
    generate(SampleSpec(days=1, records_per_day=SPEC.records_per_day, seed=SPEC.seed), tmp_path)
    kept = {name: hash_ for name, hash_ in digest(sample).items() if DAYS[0] in name}
    assert {name: hash_ for name, hash_ in digest(tmp_path).items() if DAYS[0] in name} == kept


@pytest.mark.parametrize("day", range(3))
def test_counts_are_what_was_delivered(sample: Path, day: int) -> None:
    counts = json.loads((sample / "truth/counts.json").read_text())["days"][day]
    total = 0
    for name, said in counts["objects"].items():
        source, object_name = name.split("/")
        rows = len(delivered(sample, source, object_name, counts["date"]))
        assert rows == said["delivered"] == said["new"] + said["updated"] + said["repeated"] + said["stale"]
        total += rows
    assert total == SPEC.records_per_day


def test_defects_are_about_a_two_hundredth_of_a_large_day(tmp_path: Path) -> None:
    summary = generate(SampleSpec(records_per_day=20_000), tmp_path)
    assert 0.0045 <= summary.defects / summary.records <= 0.0065
    assert pq.read_metadata(tmp_path / "truth/defects.parquet").num_rows == summary.defects


def test_progress_reaches_its_total(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    generate(SampleSpec(records_per_day=600), tmp_path, progress=lambda *step: told.append(step))
    assert told[-1] == ("sample", 600, 600)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_an_older_sample_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    generate(SampleSpec(days=2, records_per_day=600), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    generate(SampleSpec(days=1, records_per_day=600), tmp_path)
    assert not (tmp_path / "tickets" / DAYS[1]).exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("wrong", [{"days": 0}, {"records_per_day": 10}])
def test_impossible_specs_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SampleSpec(**wrong)  # type: ignore[arg-type]
