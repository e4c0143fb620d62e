"""Describe any declaration, from the registries that the pipeline uses."""

from __future__ import annotations

from checks.registry import Registry, unknown_name
from dataflow.errors import UsageError
from dataflow.observe.describe.description import Description, Kind
from dataflow.observe.describe.figures import describe_enrichments, describe_kpis, describe_segments, describe_views
from dataflow.observe.describe.identity import describe_comparisons, describe_survivorship, describe_vocabulary
from dataflow.observe.describe.places import describe_errors, describe_sinks, describe_sources
from dataflow.observe.describe.roles import describe_masks, describe_roles
from dataflow.observe.describe.rules import describe_operators, describe_rules
from dataflow.observe.describe.settings import describe_settings
from dataflow.observe.describe.tables import describe_objects, describe_tables
from dataflow.settings import Settings
from dataflow.settings.walk import LISTED, NAMED

KINDS: Registry[Kind] = Registry(
    "kind",
    (
        Kind(name="setting", meaning="Settings of dataflow.toml", where="dataflow/settings/", found=describe_settings),
        Kind(
            name="operator",
            meaning="Operators of a mapping's fields",
            where="dataflow/conform/operators.py",
            found=describe_operators,
        ),
        Kind(name="rule", meaning="Rules of an object's checks", where="checks/rules.py", found=describe_rules),
        Kind(name="table", meaning="Tables of the lake", where="dataflow/tables/", found=describe_tables),
        Kind(name="object", meaning="Objects of the sources", where="dataflow.toml", found=describe_objects),
        Kind(name="vocabulary", meaning="Vocabularies", where="dataflow/vocabulary/", found=describe_vocabulary),
        Kind(name="kpi", meaning="Key figures by day", where="dataflow/publish/kpis.py", found=describe_kpis),
        Kind(name="segment", meaning="Segments", where="dataflow/publish/segments.py", found=describe_segments),
        Kind(name="view", meaning="Views of the warehouse", where="dataflow/sinks/views.py", found=describe_views),
        Kind(name="enrichment", meaning="Enrichments", where="dataflow/enrich/", found=describe_enrichments),
        Kind(
            name="comparison",
            meaning="Comparisons of identity",
            where="dataflow/resolve/comparisons/",
            found=describe_comparisons,
        ),
        Kind(
            name="survivorship",
            meaning="Survivorship of golden values",
            where="dataflow/resolve/customers/survivorship.py",
            found=describe_survivorship,
        ),
        Kind(name="source", meaning="Source adapters", where="dataflow/settings/adapters/", found=describe_sources),
        Kind(name="sink", meaning="Sinks", where="dataflow/sinks/registry.py", found=describe_sinks),
        Kind(name="role", meaning="Roles", where="dataflow/settings/roles.py", found=describe_roles),
        Kind(name="mask", meaning="Masks", where="dataflow/access/masks.py", found=describe_masks),
        Kind(name="error", meaning="Classes of errors", where="dataflow/errors.py", found=describe_errors),
    ),
    name=lambda kind: kind.name,
)


def find_kind(name: str) -> Kind:
    """Find a kind by name. Raises: UsageError with the nearest name and the list."""
    chosen = KINDS.get(name.lower())
    if chosen is None:
        raise UsageError(unknown_name("kind", name, KINDS), next_move="`dataflow describe` lists them.")
    return chosen


def find_anywhere(name: str, settings: Settings | None) -> list[Description]:
    """Find the declarations of any kind with this name, with or without their schema.

    Raises: UsageError with the nearest kind and the list.
    """
    found = [one for kind in KINDS.values() for one in kind.found(settings)]
    exact = [one for one in found if one.name == name]
    chosen = exact or [one for one in found if one.name.endswith(f".{name}") and one.name.count(".") == 1]
    if not chosen:
        raise UsageError(
            unknown_name("kind or declaration", name, KINDS), next_move="`dataflow describe` lists the kinds."
        )
    return chosen


def describe(kind: Kind, name: str, settings: Settings | None) -> list[Description]:
    """Find a declaration by its name, or all below it where it names a section; in a setting's name any part may be
    the user's own.

    Raises: UsageError with the nearest name and the list.
    """
    found = kind.found(settings)
    chosen = [one for one in found if one.name == name]
    chosen = chosen or [one for one in found if _is_meant(one.name, name)]
    chosen = chosen or [one for one in found if one.name.startswith(f"{name}.")]
    if not chosen:
        names = [one.name for one in found]
        raise UsageError(unknown_name(kind.name, name, names), next_move=f"`dataflow describe {kind.name}` lists them.")
    return chosen


def _is_meant(name: str, asked: str) -> bool:
    """Return whether a name is given without its schema, or a setting's with the user's own names in it."""
    parts, asked_parts = name.split("."), asked.split(".")
    if len(asked_parts) == 1:
        return parts[-1] == asked and len(parts) == 2
    return len(parts) == len(asked_parts) and all(
        part in (NAMED, LISTED, mine) for part, mine in zip(parts, asked_parts, strict=True)
    )


__all__ = ["KINDS", "Description", "Kind", "describe", "find_anywhere", "find_kind"]
