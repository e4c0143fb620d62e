"""The canonical form of a record's key: its typed value, so that 7, 007 and 7.0 are one record of a BIGINT key.

Raw keeps keys as received. Whatever reads them there, or links to a record by its key, compares this form. Keys
declared as text stay byte for byte; ids of Salesforce have one form (salesforce_id.py). The parts of a composite key
are canonical one by one. A part that is not a value of its type stays as received: validation sets its row aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.settings import ObjectSettings, Settings, SourceSettings
from dataflow.settings.field_types import SALESFORCE_ID
from dataflow.sources.exact import canonical_sql, is_text
from dataflow.sources.rows import key_fields

KeyKinds = tuple[str, ...]
"""The type of each field of a key, as declared."""

SENT_ID = "SALESFORCE_ID as sent"
"""The Id of a record that an interface of Salesforce sent: its 18 characters are canonical, and not looked at closely.

To write an id in the right case takes ten microseconds, which a million records would pay for nothing.
"""

_ID = "Id"


def key_kinds(source: SourceSettings, declared: ObjectSettings) -> KeyKinds:
    """Return the types of an object's key fields; the Id of Salesforce is one of its ids, however it is declared."""
    is_salesforce = source.adapter == "salesforce" or declared.format == "rest-json"
    return tuple(
        SENT_ID if is_salesforce and name == _ID else declared.fields.get(name, "VARCHAR")
        for name in key_fields(declared)
    )


@dataclass(frozen=True)
class ObjectKey:
    """The fields of an object's key, and their types."""

    fields: tuple[str, ...]
    kinds: KeyKinds

    def form_of(self, field: str) -> KeyKinds | None:
        """Return the types of the key where the field alone is the key."""
        return self.kinds if self.fields == (field,) else None


def object_keys(settings: Settings) -> dict[str, ObjectKey]:
    """Return the key of each declared object, by `source.object`."""
    return {
        f"{source}.{name}": ObjectKey(key_fields(declared), key_kinds(system, declared))
        for source, system in settings.sources.items()
        for name, declared in system.objects.items()
    }


def is_of_salesforce(kinds: KeyKinds) -> bool:
    """Return whether the key is an id of Salesforce."""
    return kinds in ((SALESFORCE_ID,), (SENT_ID,))


def is_plain(kinds: KeyKinds) -> bool:
    """Return whether all parts are text, which has no other form."""
    return all(is_text(kind) for kind in kinds)


def record_key_sql(key: str, kinds: KeyKinds) -> str:
    """Return the SQL of the canonical form of a key, given as the SQL of its text."""
    if is_plain(kinds):
        return key
    if len(kinds) == 1:
        return f"coalesce({_canonical(key, kinds[0])}, {key})"
    parts = ", ".join(_part_sql(key, number, kind) for number, kind in enumerate(kinds, start=1))
    count = f"length({key}) - length(replace({key}, '|', ''))"
    return f"CASE WHEN {count} = {len(kinds) - 1} THEN concat_ws('|', {parts}) ELSE {key} END"


def raw_key_sql(alias: str, kinds: KeyKinds) -> str:
    """Return the SQL of the canonical key of a row of raw. A row without a key is named by its hash, which stays."""
    prefix = f"{alias}." if alias else ""
    key, row_hash = f"{prefix}_record_key", f"{prefix}_row_hash"
    if is_plain(kinds):
        return key
    stays = f"{key} = {row_hash}" + (f" OR length({key}) = 18" if kinds == (SENT_ID,) else "")
    return f"CASE WHEN {stays} THEN {key} ELSE {record_key_sql(key, kinds)} END"


def misfit_sql(key: str, kinds: KeyKinds) -> Sequence[str]:
    """Return for each part of a key the SQL condition that it is not a value of its type."""
    if len(kinds) == 1:
        return [_misfit(key, kinds[0])]
    return [_misfit(_plain(key, number), kind) for number, kind in enumerate(kinds, start=1)]


def _misfit(text: str, kind: str) -> str:
    return "false" if is_text(kind) else f"({_canonical(text, kind)}) IS NULL"


def _canonical(text: str, kind: str) -> str:
    return canonical_sql(text, SALESFORCE_ID if kind == SENT_ID else kind)


def _part_sql(key: str, number: int, kind: str) -> str:
    received = f"split_part({key}, '|', {number})"
    if is_text(kind):
        return received
    canonical = f"replace(replace({_canonical(_plain(key, number), kind)}, '%', '%25'), '|', '%7C')"
    return f"coalesce({canonical}, {received})"


def _plain(key: str, number: int) -> str:
    """Return a part of a composite key without the escapes with which the parts were joined."""
    return f"replace(replace(split_part({key}, '|', {number}), '%7C', '|'), '%25', '%')"
