"""The measure of baselines and bridge: simulated histories are judged as publications are, and the costs are shares."""

import pytest

from dataflow.bench.histories import SHIFTED, best_share, simulate
from dataflow.bench.quality import measure_costs


def test_shifts_are_seen_both_times_and_little_else() -> None:
    found = simulate(2, noise="uniform")
    assert found.publications == 2 * 46
    assert found.false_alarms <= 2
    assert {found.share(measure, occurrence) for measure in SHIFTED for occurrence in (1, 2)} == {1.0}


def test_no_rule_sees_every_shift_in_normal_noise_of_many_series() -> None:
    assert best_share(1) > 0.98
    assert 0.7 < best_share(200) < 0.9


@pytest.mark.soak
def test_costs_are_shares_of_an_increment() -> None:
    costs = list(measure_costs(500, notify=lambda _: None))
    assert [figure.figure.partition(",")[0] for figure in costs] == [
        "contracts and baselines",
        "bridge of key figures",
    ]
    assert all(0 < figure.value < 100 for figure in costs)
