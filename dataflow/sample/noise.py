"""Declare the noise of real records: its rates (one table) and its operations (functions on one value)."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.sample.scripts import without_marks


@dataclass(frozen=True)
class Rates:
    """Shares between 0 and 1: first of people and companies, then of the values in one record, then of a delivery."""

    # the world
    spouses: float = 0.18
    father_and_son: float = 0.016
    twins: float = 0.012
    flat_neighbours: float = 0.02
    shared_mailbox: float = 0.25  # of spouses
    family_plan: float = 0.30  # of people of one home: numbers one digit apart
    recycled_mailbox: float = 0.004
    moved_house: float = 0.12
    changed_surname: float = 0.04
    employed: float = 0.72
    second_mailbox: float = 0.25
    branch: float = 0.10
    subsidiary: float = 0.06
    sole_trader: float = 0.07
    same_name_abroad: float = 0.02
    reseller_address: float = 0.03  # of people: parcels go to a forwarder
    registered_office: float = 0.05  # of companies: an agent's address
    # one record
    own_script: float = 0.40
    other_romanisation: float = 0.08
    diacritics_dropped: float = 0.25
    typo_given: float = 0.025
    typo_surname: float = 0.030
    typo_email: float = 0.010
    typo_street: float = 0.040
    typo_company: float = 0.030
    nickname: float = 0.10
    initial: float = 0.025
    swapped_names: float = 0.012
    upper_case: float = 0.04
    lower_case: float = 0.03
    look_alike: float = 0.003
    former_address: float = 0.40  # of records of people who moved
    former_surname: float = 0.40
    suffix_missing: float = 0.35
    other_mailbox: float = 0.20  # of records of people with a second mailbox
    role_mailbox: float = 0.015
    placeholder_email: float = 0.010
    placeholder_phone: float = 0.010
    placeholder_birth: float = 0.010
    placeholder_name: float = 0.002
    placeholder_city: float = 0.004
    digit_off: float = 0.008
    switchboard: float = 0.30  # of work phones in the CRM
    day_month_swap: float = 0.010
    birth_year_off: float = 0.005
    borrowed_phone: float = 0.004  # a ticket with A's e-mail and B's phone
    foreign_ip: float = 0.06
    private_ip: float = 0.01
    form_missing: float = 0.30  # company name without its legal form
    form_other_spelling: float = 0.30
    address_missing: float = 0.08
    region_missing: float = 0.20
    # one delivery
    defect: float = 0.005
    duplicate: float = 0.03
    late: float = 0.03
    stale: float = 0.004
    deleted: float = 0.004  # of CRM records a day, reported by getDeleted
    soft_deleted: float = 0.02  # of updated rows of the orders database


RATES = Rates()

PLACEHOLDER_EMAILS = ("test@test.com", "none@none.com", "noemail@example.com", "unknown@unknown.com", "a@a.com")
PLACEHOLDER_PHONES = ("0000000000", "n/a", "999-99", "1234567890", "unknown", "+10000000000")
PLACEHOLDER_NAMES = ("Unknown", "n/a", "Test", "-", "Customer")

_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_LOOK_ALIKES = str.maketrans({"a": "а", "e": "е", "o": "0", "l": "1", "i": "і", "c": "с", "p": "р"})
_MAIL_SLIPS = (("gmail.com", "gmial.com"), ("hotmail", "hotmial"), (".com", ".con"), ("yahoo", "yaho"), (".de", ".d"))


def typo(value: str, dice: int) -> str:
    """Make one typing error: swap, drop, double or neighbouring key; never at the first letter."""
    if len(value) < 3:
        return value + value[-1:]
    at = 1 + dice // 7 % (len(value) - 1)
    kind = dice % 4
    if kind == 0 and at + 1 < len(value):
        return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
    if kind == 1:
        return value[:at] + value[at + 1 :]
    if kind == 2:
        return value[:at] + value[at] + value[at:]
    near = _NEIGHBOURS.get(value[at].lower(), value[at] * 2)
    return value[:at] + near[dice // 97 % len(near)] + value[at + 1 :]


def typo_email(value: str, dice: int) -> str:
    """Make a typing error in the mailbox name or a common one in the domain; the address stays well-formed."""
    local, _, domain = value.partition("@")
    if dice % 3 == 0:
        for right, wrong in _MAIL_SLIPS:
            if right in domain and not wrong.endswith(".d"):
                return f"{local}@{domain.replace(right, wrong)}"
    slipped = typo(local, dice // 3).strip(".").replace("..", ".")
    return f"{slipped or local}@{domain}"


def digit_off(value: str, dice: int) -> str:
    """Change one of the last six digits."""
    places = [at for at, letter in enumerate(value) if letter.isdigit()][-6:]
    if not places:
        return value
    at = places[dice % len(places)]
    return f"{value[:at]}{(int(value[at]) + 1 + dice // 11 % 8) % 10}{value[at + 1 :]}"


def look_alike(value: str, dice: int) -> str:
    """Replace letters by look-alikes: Cyrillic а for Latin a, 0 for o."""
    del dice
    return value[:1] + value[1:].translate(_LOOK_ALIKES)


def initial(value: str, dice: int) -> str:
    return value[:1] + ("." if dice % 2 else "")


def drop_marks(value: str, dice: int) -> str:
    """Drop diacritics, or replace German ones by ae, oe, ue."""
    if dice % 3 == 0:
        for mark, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ö", "Oe"), ("Ü", "Ue"), ("ß", "ss")):
            value = value.replace(mark, plain)
    return without_marks(value)


def upper(value: str, dice: int) -> str:
    del dice
    return value.upper()


def lower(value: str, dice: int) -> str:
    del dice
    return value.lower()
