"""What a benchmark's figures say: growth between sizes, and whether a target was met."""

import pytest

from dataflow.bench import TARGETS, Figures, Target, exponent, judge


def figures(records: int, seconds: float, *, step: str = "first run", memory: int = 0, **stages: float) -> Figures:
    return Figures(step=step, records=records, seconds=seconds, peak_rss_bytes=memory, stages=stages)


@pytest.mark.parametrize(("seconds", "power"), [(100.0, 1.0), (10.0, 0.0), (1000.0, 2.0)])
def test_exponent(seconds: float, power: float) -> None:
    found = exponent(figures(1000, 10.0, resolve=10.0), figures(10_000, seconds, resolve=seconds))
    assert found == pytest.approx({"total": power, "resolve": power})


def test_a_stage_too_short_to_measure_is_left_out() -> None:
    assert set(exponent(figures(1000, 10.0, plan=0.01), figures(10_000, 20.0, plan=0.5))) == {"total"}


@pytest.mark.parametrize("target", TARGETS)
def test_targets(target: Target) -> None:
    memory = target.peak_rss_bytes or 0
    kept = figures(target.records, target.seconds, step=target.step, memory=memory)
    slow = figures(target.records, target.seconds + 1, step=target.step, memory=memory)
    assert judge(kept).startswith("met")
    assert judge(slow).startswith("MISSED")
    if memory:
        big = figures(target.records, target.seconds, step=target.step, memory=memory + 1)
        assert judge(big).startswith("MISSED")


def test_no_target_no_judgement() -> None:
    assert judge(figures(12_345, 1.0)) == ""


def test_share_of_orchestration() -> None:
    measured = Figures(step="first run", records=1000, seconds=20.0, orchestration_seconds=3.0, stages={})
    assert measured.orchestration_share == pytest.approx(0.15)
    assert measured.rows_per_second == pytest.approx(50.0)
