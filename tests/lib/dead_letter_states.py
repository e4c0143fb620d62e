"""The states of dead letters, by the table and by the newest event of each: two accounts that have to agree."""

from dataflow.tables.ops import DEAD_LETTER_EVENT, DEAD_LETTERS
from dataflow.validate.dead_letter_events import newest_states_sql
from lakehouse import Lake


def states_by_status(lake: Lake) -> dict[str, str]:
    return dict(lake.con.execute(f"SELECT dead_letter_id, status FROM {DEAD_LETTERS.in_lake}").fetchall())


def states_by_events(lake: Lake) -> dict[str, str]:
    return dict(lake.con.execute(newest_states_sql(DEAD_LETTER_EVENT.in_lake)).fetchall())
