"""A stored model scores with the adjustments that it was trained with, whatever the spec declares today."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from dataflow.resolve.comparisons import PERSON, Adjustment
from dataflow.resolve.comparisons.earlier import EARLIER_ADJUSTMENTS
from dataflow.resolve.model.model import ADJUSTMENTS, Epoch
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.resolve.training.epoch import train_epoch
from tests.lib.identities import match_records, population

FAR = Adjustment(name="far", condition="gamma_address = 0", weight=-7.5)


def weight_of(con: duckdb.DuckDBPyConnection, epoch: Epoch) -> float:
    pairs = numbered("(SELECT 'a|b|l' AS record_id_l, 'a|b|r' AS record_id_r)")
    score_pairs(con, pairs, "side", epoch, spec=PERSON, into="scored", keep_levels=True)
    (adjustment,) = con.execute("SELECT adjustment FROM scored").fetchall()[0]
    return float(adjustment)


def test_a_stored_model_keeps_its_adjustments() -> None:
    one = {"entity_type": "person", "given_name": "Ann", "surname": "Gray", "phone": "+15551234567"}
    sides = [
        {**one, "record_id": f"a|b|{side}", "street": street, "house_number": number, "city": city, "postcode": code}
        for side, street, number, city, code in (
            ("l", "Mill Lane", "9", "Dover", "10399"), ("r", "Ocean Drive", "310", "Springfield", "77001")
        )
    ]  # fmt: skip
    with duckdb.connect() as con:
        match_records(con, [record for _, record in population(3, people=30).values()], into="record")
        match_records(con, sides, into="side")
        spec = replace(PERSON, adjustments=(FAR,))
        epoch = train_epoch(con, "record", spec=spec, frequencies="frequency")
        stored = Epoch.from_text(epoch.as_text(), frequencies="frequency")
        assert stored.adjustments == (FAR,)
        assert weight_of(con, stored) == FAR.weight
        before = {name: part for name, part in stored.model.items() if name != ADJUSTMENTS}
        older = replace(stored, model=before)
        assert older.adjustments == EARLIER_ADJUSTMENTS["person"]
        assert weight_of(con, older) == 0
