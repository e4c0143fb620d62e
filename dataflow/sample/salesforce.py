"""Generate accounts, contacts and leads of the CRM.

Frames have the API's field names, and `_entity`, `_type` and `_row` (of the world).
"""

from __future__ import annotations

import numpy as np

from dataflow.sample.arrays import Frame, Ints, Random, Text, Times, chance, choose, either, present, text
from dataflow.sample.companies import Companies, industries
from dataflow.sample.noise import RATES
from dataflow.sample.views import (
    PersonView,
    country_text,
    format_phones,
    latin_company,
    view_people,
    websites,
    write_place,
)
from dataflow.sample.world import World

_BASE62 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", dtype=np.uint8)
_CHECKSUM = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", dtype=np.uint8)
PREFIXES = {"account": b"001", "contact": b"003", "lead": b"00Q"}
LEAD_STATUSES: dict[str | None, float] = {
    "Open - Not Contacted": 0.45,
    "Working - Contacted": 0.3,
    "Closed - Converted": 0.12,
    "Closed - Not Converted": 0.13,
}


def salesforce_ids(name: str, first: int, size: int) -> Text:
    """Build 18-character Ids: prefix, instance, base-62 number and the three check letters for the case.

    Source: Salesforce's rule for 18-character Ids (one letter per five characters, a bit per capital).
    """
    codes = np.empty((size, 18), dtype=np.uint8)
    codes[:, :9] = np.frombuffer(PREFIXES[name] + b"Qy0000", dtype=np.uint8)
    number = np.arange(first, first + size, dtype=np.int64)
    for place in range(14, 8, -1):
        codes[:, place] = _BASE62[number % 62]
        number = number // 62
    capital = (codes[:, :15] >= 65) & (codes[:, :15] <= 90)
    bits = capital.reshape(size, 3, 5) @ np.array([1, 2, 4, 8, 16])
    codes[:, 15:] = _CHECKSUM[bits]
    return text(row.decode() for row in codes.view("S18").ravel().tolist())


def make_accounts(rng: Random, world: World, rows: Ints, first: int, times: tuple[Times, Times]) -> Frame:
    """Return one account per row of `rows` (companies)."""
    firms, size = world.companies, rows.size
    local = chance(rng, size, 0.2)
    place = write_place(rng, firms.home.take(rows), local=local, mess=1.0, code_share=0.2, line2_share=0.0)
    sector = text(each.title for each in industries())[firms.industry[rows]]
    plain = text(each.code.title() for each in industries())[firms.industry[rows]]
    staff = (firms.employees[rows] * rng.uniform(0.9, 1.1, size)).astype(np.int64) + 1
    ids = salesforce_ids("account", first, size)
    # The account of a parent can be in this same frame.
    account = firms.account.copy()
    new = ~present(account[rows])
    account[rows[new]] = ids[new]
    parent = firms.parent[rows]
    above = either(parent >= 0, account[parent], None)
    above[chance(rng, size, 0.15)] = None
    return {
        "Id": ids,
        "Name": latin_company(rng, firms, rows, mess=1.0),
        "Type": choose(rng, size, {"Customer": 0.5, "Prospect": 0.3, "Partner": 0.08, "Reseller": 0.04, None: 0.08}),
        "Industry": either(chance(rng, size, 0.15), None, either(chance(rng, size, 0.3), sector, plain)),
        "Website": websites(rng, firms.domain[rows], missing=0.15),
        "Phone": format_phones(rng, firms.phone[rows], firms.home.country[rows], missing=0.12),
        "BillingStreet": place.line1,
        "BillingCity": place.city,
        "BillingState": place.region,
        "BillingPostalCode": place.postcode,
        "BillingCountry": place.country,
        "NumberOfEmployees": either(chance(rng, size, 0.25), None, staff),
        "ParentId": above,
        "CreatedDate": times[0],
        "SystemModstamp": times[1],
        "IsDeleted": np.full(size, False, dtype=object),
        "_entity": firms.entity[rows],
        "_type": text(["company"] * size),
        "_row": rows,
    }


def _work_phone(rng: Random, world: World, rows: Ints, seen: PersonView) -> Text:
    """Return the number that a salesperson records: the employer's switchboard, the home line or the mobile."""
    size = rows.size
    employer = world.people.employer[rows]
    number = np.where(chance(rng, size, 0.4), seen.landline, seen.mobile)
    office = chance(rng, size, RATES.switchboard) & (employer >= 0)
    number[office] = world.companies.phone[employer[office]]
    return number


def make_contacts(rng: Random, world: World, rows: Ints, first: int, times: tuple[Times, Times]) -> Frame:
    """Return one contact per row of `rows` (people)."""
    people, size = world.people, rows.size
    seen = view_people(rng, people, world.companies, rows, work_mail=0.12, birth_share=0.45, own_script=0.7)
    employer = people.employer[rows]
    account = either(employer >= 0, world.companies.account[employer], None)
    account[chance(rng, size, 0.1)] = None
    email = seen.email
    email[chance(rng, size, 0.06)] = None
    country = people.home.country[rows]
    return {
        "Id": salesforce_ids("contact", first, size),
        "AccountId": account,
        "FirstName": seen.given,
        "LastName": seen.surname,
        "Suffix": seen.suffix,
        "Email": email,
        "Phone": format_phones(rng, _work_phone(rng, world, rows, seen), country, missing=0.3),
        "MobilePhone": format_phones(rng, seen.mobile, country, missing=0.3),
        "Birthdate": text(day.isoformat() if day else None for day in seen.birth.tolist()),
        "MailingStreet": seen.home.line1,
        "MailingCity": seen.home.city,
        "MailingState": seen.home.region,
        "MailingPostalCode": seen.home.postcode,
        "MailingCountry": seen.home.country,
        "CreatedDate": times[0],
        "SystemModstamp": times[1],
        "IsDeleted": np.full(size, False, dtype=object),
        "_entity": people.entity[rows],
        "_type": text(["person"] * size),
        "_row": rows,
    }


def _employer_names(rng: Random, firms: Companies, employer: Ints) -> Text:
    names = latin_company(rng, firms, np.maximum(employer, 0), mess=1.3)
    names[employer < 0] = None
    return names


def make_leads(rng: Random, world: World, rows: Ints, first: int, times: tuple[Times, Times]) -> Frame:
    """Return one lead per row of `rows` (people); the CRM requires Company, so private people get a filler."""
    people, size = world.people, rows.size
    seen = view_people(rng, people, world.companies, rows, mess=1.6, work_mail=0.08, own_script=0.8)
    employer = people.employer[rows]
    company = _employer_names(rng, world.companies, employer)
    private = ~present(company)
    company[private] = choose(rng, int(private.sum()), {"n/a": 0.4, "Private": 0.3, "-": 0.2, "Self-employed": 0.1})
    email = seen.email
    email[chance(rng, size, 0.05)] = None
    country = people.home.country[rows]
    number = np.where(chance(rng, size, 0.75), seen.mobile, _work_phone(rng, world, rows, seen))
    domains = either(employer >= 0, world.companies.domain[employer], None)
    return {
        "Id": salesforce_ids("lead", first, size),
        "FirstName": seen.given,
        "LastName": seen.surname,
        "Company": company,
        "Email": email,
        "Phone": format_phones(rng, number, country, missing=0.15),
        "Street": either(chance(rng, size, 0.35), None, seen.home.line1),
        "City": seen.home.city,
        "State": seen.home.region,
        "PostalCode": either(chance(rng, size, 0.2), None, seen.home.postcode),
        "Country": country_text(rng, country, code_share=0.25),
        "Status": choose(rng, size, LEAD_STATUSES),
        "LeadSource": choose(rng, size, {
            "Web": 0.4, "Phone Inquiry": 0.15, "Partner Referral": 0.15, "Purchased List": 0.1, "Other": 0.1, None: 0.1,
        }),
        "Website": websites(rng, domains, missing=0.6),
        "CreatedDate": times[0],
        "SystemModstamp": times[1],
        "IsDeleted": np.full(size, False, dtype=object),
        "_entity": people.entity[rows],
        "_type": text(["person"] * size),
        "_row": rows,
    }  # fmt: skip
