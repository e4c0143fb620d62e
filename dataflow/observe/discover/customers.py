"""Propose the mapping of a table of customers, with the address that it links to and the places that looks up."""

from __future__ import annotations

import re

from dataflow.observe.discover import words
from dataflow.observe.discover.proposal import Field, Mapping, quoted
from dataflow.observe.discover.roles import Roles, Table

_TEXT_KINDS = {
    "email": "email", "given_name": "given_name", "surname": "surname", "full_name": "full_name",
    "name_suffix": "name_suffix", "company_name": "company_name", "website": "website_domain",
}  # fmt: skip
_PLACE_KINDS = {
    "address": "street", "full_address": "street", "line2": "unit", "unit": "unit", "house_number": "house_number",
    "city": "city", "region": "region", "postcode": "postcode", "country": "country_code",
}  # fmt: skip


def propose_customer(table: Table, roles: Roles, source: str) -> Mapping:
    made = Mapping(table.name, "customer_record", f"{source}.{table.name}")
    has_person = bool(table.of_kind("surname") or table.of_kind("given_name"))
    is_company = not has_person and bool(
        table.of_kind("company_name") or re.search(r"account|compan|organi", table.found.words)
    )
    why = "its columns name no person" if is_company else "its columns name a person"
    made.fields["entity_type"] = Field(f'{{ value = "{"company" if is_company else "person"}" }}', why)
    if is_company:
        names = table.of_kind("company_name") or table.of_kind("full_name")
        made.fields["company_name"] = Field(quoted(names[0]), "the name of a company")
        made.todo += [f"{table.name}: is each row a company, or a person at one?"] if len(names) + len(
            table.of_kind("full_name")) > 1 else []  # fmt: skip
    _take_kinds(made, table, _TEXT_KINDS, skip={"full_name", "company_name"} if is_company else {"full_name"})
    if not has_person and not is_company and (names := table.of_kind("full_name")):
        made.fields["full_name"] = Field(quoted(names[0]), "a full name")
    _phones(made, table)
    if dates := [n for n in table.of_kind("date_of_birth") if table.found.column(n).type == "DATE"]:
        made.fields["date_of_birth"] = Field(quoted(dates[0]), "a date of birth")
    _take_kinds(made, table, _PLACE_KINDS)
    _joined_address(made, table, roles, source)
    _parent(made, table, roles, source)
    if created := table.first(words.CREATED, [c for c in table.times if not c.is_stamped]):
        made.fields["created_at"] = Field(quoted(created.name), "by its name")
    changed = next((c for c in table.times if c.is_stamped), None) or table.first(words.UPDATED, table.times)
    if changed:
        made.fields["updated_at"] = Field(quoted(changed.name), "the time of its last change")
    return made


def _take_kinds(made: Mapping, table: Table, kinds: dict[str, str], *, skip: set[str] | None = None,
                alias: str = "") -> None:  # fmt: skip
    for kind, target in kinds.items():
        names = table.of_kind(kind)
        if names and target not in made.fields and kind not in (skip or ()):
            name = f"{alias}.{names[0]}" if alias else names[0]
            made.fields[target] = Field(quoted(name), f"holds values of kind {kind}")


def _phones(made: Mapping, table: Table, alias: str = "") -> None:
    names = [f"{alias}.{name}" if alias else name for name in table.of_kind("phone") if "fax" not in name.lower()]
    if names and "phone" not in made.fields:
        listed = ", ".join(map(quoted, names))
        made.fields["phone"] = Field(
            quoted(names[0]) if len(names) == 1 else f"{{ first_of = [{listed}] }}", "telephone numbers"
        )


def _joined_address(made: Mapping, table: Table, roles: Roles, source: str) -> None:
    """Join the address that a customer links to, or that links to the customer, and what the address looks up."""
    if "street" in made.fields or "city" in made.fields:
        return
    for link in table.found.links:
        other = roles.tables.get(link.table)
        if other and other not in roles.customers and other.of_kind("address"):
            _join(made, other, source, on={link.their_column: link.column}, why=link.evidence)
            _look_ups(made, other, roles, source)
            return
    for other in roles.tables.values():
        back = other.link_to(table.name)
        if back and other.of_kind("address") and other is not roles.orders and other is not table:
            flags = other.flags
            prefer = [c.name for c in flags if c.type == "BOOLEAN" or re.search(words.PREFERRED, c.words)]
            _join(made, other, source, on={back.column: back.their_column}, why=back.evidence, prefer=prefer)
            _look_ups(made, other, roles, source)
            return


def _join(made: Mapping, other: Table, source: str, *, on: dict[str, str], why: str, prefer: list[str] | None = None
          ) -> None:  # fmt: skip
    listed = ", ".join(f"{quoted(theirs)} = {quoted(mine)}" for theirs, mine in on.items())
    made.joins[other.name] = [f'object = "{source}.{other.name}"', f"on = {{ {listed} }} # {why}"]
    if prefer:
        made.joins[other.name].append(f"prefer = [{', '.join(quoted(f'-{name}') for name in prefer)}]")
    _take_kinds(made, other, _PLACE_KINDS, alias=other.name)
    _phones(made, other, alias=other.name)


def _look_ups(made: Mapping, address: Table, roles: Roles, source: str) -> None:
    """Follow the links of an address to city and country, which hold their names."""
    reached = [address]
    for target, pattern in (("city", words.CITY), ("region", words.REGION), ("country_code", words.COUNTRY)):
        for table in list(reached):
            link = next((one for one in table.found.links if re.search(pattern, one.table)), None)
            if link is None or link.table in made.joins or link.table not in roles.tables:
                continue
            other = roles.tables[link.table]
            texts = [c for c in other.found.columns if c.is_text]
            name = other.first(rf"{pattern}|{words.NAME}", texts)
            if name is None:
                continue
            on = f"{quoted(link.their_column)} = {quoted(f'{table.name}.{link.column}')}"
            made.joins[other.name] = [f'object = "{source}.{other.name}"', f"on = {{ {on} }} # {link.evidence}"]
            made.fields[target] = Field(quoted(f"{other.name}.{name.name}"), f"looked up in {other.name}")
            reached.append(other)
            break


def _parent(made: Mapping, table: Table, roles: Roles, source: str) -> None:
    link = next((one for one in table.found.links if one.table in {c.name for c in roles.customers}), None)
    if link:
        made.fields["parent_record_id"] = Field(
            f'{{ record = "{source}.{link.table}", key = {quoted(link.column)} }}', link.evidence
        )
