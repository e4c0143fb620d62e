"""Objects and fields of the simulated org, and what `describe` says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Formula = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
"""From the record's own fields and the org's parameters to a value: it changes without the record being touched."""

TEXTS = frozenset({"string", "textarea", "picklist", "multipicklist", "email", "phone", "url", "id", "reference"})


@dataclass(frozen=True)
class Field:
    """One field. `type` is the word that describe uses."""

    name: str
    type: str = "string"
    length: int = 255
    scale: int = 0
    reference_to: str = ""
    relationship: str = ""
    formula: Formula | None = None

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")

    def describe(self) -> dict[str, Any]:
        is_number = self.type in ("double", "currency", "percent")
        return {
            "name": self.name,
            "label": self.name,
            "type": self.type,
            "length": self.length if self.type in TEXTS else 0,
            "precision": 18 if is_number else 0,
            "scale": self.scale if is_number else 0,
            "custom": self.is_custom,
            "calculated": self.formula is not None,
            "nillable": self.name not in ("Id", "IsDeleted", "CreatedDate", "SystemModstamp"),
            "filterable": self.type != "textarea",
            "sortable": self.type != "textarea",
            "referenceTo": [self.reference_to] if self.reference_to else [],
            "relationshipName": self.relationship or None,
        }


SYSTEM_FIELDS = (
    Field("Id", "id", length=18),
    Field("IsDeleted", "boolean"),
    Field("CreatedDate", "datetime"),
    Field("LastModifiedDate", "datetime"),
    Field("SystemModstamp", "datetime"),
)


@dataclass(frozen=True)
class ObjectType:
    """One object with its own fields; the system's fields come before them."""

    name: str
    prefix: str
    own_fields: tuple[Field, ...] = ()
    can_merge: bool = False
    fields: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        merged = (Field("MasterRecordId", "reference", reference_to=self.name),) if self.can_merge else ()
        every = (*SYSTEM_FIELDS, *merged, *self.own_fields)
        object.__setattr__(self, "fields", {one.name: one for one in every})

    def relationship(self, name: str) -> Field | None:
        return next((one for one in self.fields.values() if one.relationship == name), None)


def _texts(names: str, kind: str = "string") -> tuple[Field, ...]:
    return tuple(Field(name, kind) for name in names.split())


def _double_the_rate(values: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    amount = values.get("Score__c")
    return None if amount is None else amount * parameters.get("rate", 1)


ACCOUNT = ObjectType(
    "Account",
    "001",
    (
        *_texts("Name Type Industry BillingStreet BillingCity BillingState BillingPostalCode BillingCountry"),
        Field("Website", "url"),
        Field("Phone", "phone"),
        Field("NumberOfEmployees", "int"),
        Field("AnnualRevenue", "currency", scale=2),
        Field("ParentId", "reference", reference_to="Account", relationship="Parent"),
    ),
    can_merge=True,
)
CONTACT = ObjectType(
    "Contact",
    "003",
    (
        Field("AccountId", "reference", reference_to="Account", relationship="Account"),
        *_texts("FirstName LastName Suffix MailingStreet MailingCity MailingState MailingPostalCode MailingCountry"),
        Field("Email", "email"),
        *_texts("Phone MobilePhone", "phone"),
        Field("Birthdate", "date"),
        Field("MailingAddress", "address"),
        Field("Score__c", "double", scale=3),
        Field("IsVip__c", "boolean"),
        Field("LastCall__c", "datetime"),
        Field("Notes__c", "textarea", length=32_768),
        Field("Rating__c", "double", scale=3, formula=_double_the_rate),
    ),
    can_merge=True,
)
LEAD = ObjectType(
    "Lead",
    "00Q",
    (
        *_texts("FirstName LastName Company Street City State PostalCode Country Status LeadSource"),
        Field("Email", "email"),
        Field("Phone", "phone"),
        Field("Website", "url"),
    ),
    can_merge=True,
)
STANDARD = (ACCOUNT, CONTACT, LEAD)
