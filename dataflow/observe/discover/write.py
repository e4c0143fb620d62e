"""Write what was discovered as a dataflow.toml that runs: each guess with its evidence, and what is unsure as TODO."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from checks.values import is_currency
from dataflow.observe.discover import words
from dataflow.observe.discover.mappings import propose_mappings
from dataflow.observe.discover.place import Place
from dataflow.observe.discover.proposal import Mapping, quoted
from dataflow.observe.discover.roles import Roles, Table, find_roles
from dataflow.sources.found import FoundColumn, FoundTable

TODO = "# TODO "
"""Begins a line of dataflow.toml that asks the user something; `dataflow doctor` repeats it."""
_STATES = rf"{words.STATUS}|{words.PRIORITY}|{words.CURRENCY}|{words.CHANNEL}|type"
_FEW = 20
_MOST_READ_WHOLE = 1_000_000
"""Rows of a table that is read whole in each run where nothing says when a row was deleted."""
_PERSONAL = {
    "email": "contact", "phone": "contact", "address": "contact", "full_address": "contact", "city": "contact",
    "postcode": "contact", "region": "contact", "country": "contact", "unit": "contact", "line2": "contact",
    "house_number": "contact", "given_name": "identity", "surname": "identity", "full_name": "identity",
    "middle_name": "identity", "name_suffix": "identity", "date_of_birth": "identity", "company_name": "identity",
    "identifier": "identity", "website": "contact", "occupation": "behaviour", "gender": "special",
}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """The files of a project: dataflow.toml, the secrets for .env, and what is left to decide."""

    toml: str
    secrets: dict[str, str] = field(default_factory=dict)
    todo: list[str] = field(default_factory=list)


def project_of(place: Place) -> Project:
    """Propose a project for a place."""
    roles = find_roles(place.tables)
    mappings = propose_mappings(roles, place.name)
    todo = _todo(roles, mappings)
    base, *others = _currencies(roles) or ["USD"]
    if others:
        todo.append(f"orders are also in {', '.join(others)}: without rates in [currency.rates] these have no revenue")
    secrets = {_variable(place, name): value for name, value in place.secrets.items()}
    lines = ["# Written by `dataflow discover`. Comments say what each guess rests on.", ""]
    lines += [f"{TODO}{one}" for one in todo]
    lines += [
        "",
        "[currency]",
        f"base = {quoted(base)}",
        "",
        "[enrich] # no databases of places and companies yet",
        'geoip = ""',
    ]
    lines += ['firmographics = ""', "", *_source(place)]
    for table in roles.tables.values():
        lines += ["", *_object(place, table, _links_kept(table, roles))]
    for mapping in mappings:
        lines += ["", *_mapping(mapping)]
    return Project("\n".join(lines) + "\n", secrets, todo)


def _links_kept(table: Table, roles: Roles) -> list[str]:
    return [
        f"{link.column} → {link.table} ({link.evidence})" for link in table.found.links if link.table in roles.tables
    ]


def _todo(roles: Roles, mappings: list[Mapping]) -> list[str]:
    found = [one for mapping in mappings for one in mapping.todo] + roles.unsure
    if not roles.customers and not any(one.table == "customer_record" for one in mappings):
        found.append("no table of customers was recognised: map one to customer_record")
    for table in roles.tables.values():
        if not table.found.key_evidence:
            found.append(
                f"{table.name}: no column identifies a row; its whole row is the key, so that it cannot change"
            )
        found += [f"{table.name}: {question}" for question in (table.found.written.open if table.found.written else ())]
    return found


def _currencies(roles: Roles) -> list[str]:
    """Return the currencies of the orders, the most frequent first."""
    texts = [c for c in roles.orders.found.columns if c.is_text] if roles.orders else []
    named = roles.orders.first(words.CURRENCY, texts) if roles.orders else None
    codes = Counter(value.strip().upper() for value in named.values) if named else Counter[str]()
    return [code for code, _ in codes.most_common() if is_currency(code)]


def _variable(place: Place, setting: str) -> str:
    return f"{place.name.upper()}_{setting.upper()}"


def _source(place: Place) -> Iterator[str]:
    yield f"[sources.{place.name}]"
    yield f"adapter = {quoted(place.adapter)}"
    if place.root:
        yield f"root = {quoted(place.root)}"
    if place.section or place.secrets:
        yield f"[sources.{place.name}.{place.adapter}]"
        for name, value in place.section.items():
            yield f"{name} = {json.dumps(value)}"
        for name in place.secrets:
            yield f'{name} = "${{env:{_variable(place, name)}}}" # in .env'


def _object(place: Place, table: Table, links: list[str]) -> Iterator[str]:
    found = table.found
    prefix = f"sources.{place.name}.objects.{found.name}"
    yield f"[{prefix}] # {found.rows:,} rows" + (f"; links: {', '.join(links)}" if links else "")
    if found.remote != found.name and not found.format:
        yield f"remote = {quoted(found.remote)}"
    if found.format:
        yield f"format = {quoted(found.format)}"
        yield f"path = {quoted(found.path)}"
    keys = [quoted(name) for name in found.key]
    listed = keys[0] if len(keys) == 1 else f"[{', '.join(keys)}]"
    yield f"key = {listed} # {found.key_evidence or 'nothing else identifies a row'}"
    yield from _versions(found)
    if found.written and (setting := _csv(found)):
        yield setting
    personal = {
        c.name: "none" if _is_state(c, table) else _PERSONAL.get(table.kinds.get(c.name, ""), "") or _harmless(c)
        for c in found.columns
    }
    # A key names its record, and a link the record of another table; an address stays one.
    named = {*(found.key if found.key_evidence else ()), *(link.column for link in found.links)}
    personal |= {name: "pseudonym" for name in named if personal.get(name) in ("", "none")}
    known = {name: kind for name, kind in personal.items() if kind}
    if known:
        yield f"personal = {{ {', '.join(f'{quoted(name)} = {quoted(kind)}' for name, kind in known.items())} }}"
    yield f"[{prefix}.fields]"
    for column in found.columns:
        yield f"{quoted(column.name)} = {quoted(column.type)}"


def _is_state(column: FoundColumn, table: Table) -> bool:
    """Return whether a column has few different words, as states have, which can be named in messages."""
    is_named = re.search(_STATES, column.words) or re.search(words.STATUS, table.found.words)
    is_place = table.kinds.get(column.name) == "region"
    return bool(is_named) and not is_place and column.is_text and len(set(column.values)) <= _FEW


def _harmless(column: FoundColumn) -> str:
    """Return `none` for numbers and times."""
    return "none" if column.is_number or column.is_date_or_time else ""


def _versions(found: FoundTable) -> Iterator[str]:
    """Say how changes and deletions are found: by a cursor where deletions are marked, else by reading it whole."""
    flag = next((c for c in found.columns if re.search(words.DELETED_FLAG, c.words)), None)
    when = next((c for c in found.columns if c.is_time and re.search(words.DELETED_WHEN, c.words)), None)
    cursor = next((c for c in found.columns if c.is_time and c.is_stamped), None) or next(
        (c for c in found.columns if c.is_time and re.search(words.UPDATED, c.words)), None
    )
    is_dated = "{date}" in found.path
    if cursor and (flag or when or is_dated or found.rows > _MOST_READ_WHOLE):
        why = "the system sets it with each change" if cursor.is_stamped else "a time of change, by its name"
        yield f"cursor = {quoted(cursor.name)} # {why}"
        if flag:
            yield f"deleted_flag = {quoted(flag.name)} # by its name"
        elif when:
            yield f"deleted_when_set = {quoted(when.name)} # by its name"
        elif not is_dated:
            yield "anti_join_every_days = 1 # nothing marks deleted rows: the nightly check compares the keys"
    elif is_dated:
        yield 'mode = "append" # a file a day, and no column says when a row was changed'
    else:
        yield 'mode = "full" # read whole: nothing marks deleted rows, or says when a row was changed'


def _csv(found: FoundTable) -> str:
    setting = found.written.setting if found.written else ""
    if found.footer_rows:
        footer = f"footer_rows = {found.footer_rows}"
        setting = setting.replace(" }", f", {footer} }}") if setting else f"csv = {{ {footer} }}"
    evidence = "; ".join(found.written.evidence) if found.written else ""
    return f"{setting} # {evidence}".rstrip(" #") if setting else ""


def _mapping(mapping: Mapping) -> Iterator[str]:
    yield f"[mappings.{mapping.name}]"
    yield f"table = {quoted(mapping.table)}"
    yield f"object = {quoted(mapping.object)}"
    if mapping.record_object:
        yield f"record_object = {quoted(mapping.record_object)}"
    if mapping.group_by:
        yield f"group_by = [{', '.join(map(quoted, mapping.group_by))}]"
    for alias, lines in mapping.joins.items():
        yield f"[mappings.{mapping.name}.joins.{alias}]"
        yield from lines
    yield f"[mappings.{mapping.name}.fields]"
    for name, one in mapping.fields.items():
        yield f"{name} = {one.expression}" + (f" # {one.evidence}" if one.evidence else "")
