"""Follow a record to the id that it has now, where its lake was made with keys as received.

The key of a record is its typed value: what was `shop|person|007` is `shop|person|7` since. The customer of a record
that is gone under the former id goes on with the record that is there under the present one.
"""

from __future__ import annotations

from dataflow.settings.model import Settings
from dataflow.sources.record_key import is_plain, object_keys, record_key_sql
from dataflow.tables.conformed import CUSTOMER_RECORD
from lakehouse.table import literal

AS_IT_IS = "record_id"
"""The SQL of a present id where keys are text and have no other form."""


def present_id_sql(settings: Settings) -> str:
    """Return the SQL of the present id of a customer record, given its `record_id`."""
    keys = object_keys(settings)
    kinds_by_prefix = {
        f"{mapping.object.partition('.')[0]}|{mapping.record_object or mapping.object.partition('.')[2]}|": kinds
        for mapping in settings.mappings.values()
        if mapping.table == CUSTOMER_RECORD.name and not mapping.group_by and mapping.object in keys
        for kinds in (keys[mapping.object].kinds,)
        if not is_plain(kinds)
    }
    cases = " ".join(
        f"WHEN starts_with(record_id, {literal(prefix)}) "
        f"THEN {literal(prefix)} || {record_key_sql(f'substr(record_id, {len(prefix) + 1})', kinds)}"
        for prefix, kinds in kinds_by_prefix.items()
    )
    return f"CASE {cases} ELSE {AS_IT_IS} END" if cases else AS_IT_IS
