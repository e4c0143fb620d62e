"""Which objects follow their key instead of a time, by their declaration."""

from __future__ import annotations

from dataflow.settings import Settings, SourceSettings
from dataflow.settings.adapters import ADAPTERS
from dataflow.sources.rows import key_fields

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "HUGEINT"})


def follows_key(system: SourceSettings, object_name: str) -> bool:
    """Return whether an object is declared to follow its key: the cursor is the key, a whole number."""
    declared = system.objects[object_name]
    kind = declared.fields.get(declared.cursor, "").strip().upper().removeprefix("U")
    is_key = key_fields(declared) == (declared.cursor,)
    return is_key and kind in _INTEGERS and not ADAPTERS[system.adapter].reads_files


def objects_by_key(settings: Settings) -> frozenset[tuple[str, str]]:
    """List the declared objects that follow their key, each as (source, object)."""
    return frozenset(
        (source, name)
        for source, system in settings.sources.items()
        for name in system.objects
        if follows_key(system, name)
    )
