"""What `dataflow bench rules` measures is an evaluation that finds what it should."""

from dataflow.bench.rules import RULES, measure_rules


def test_the_rules_that_are_measured_find_breaches() -> None:
    found = measure_rules(400)
    assert (found.rows, found.rules) == (400, RULES)
    # A quarter of the rows has no status; one rule over it fails then, the others pass.
    assert found.breaches == 100
