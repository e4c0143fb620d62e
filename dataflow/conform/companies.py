"""Names of companies: the name proper and the legal form, whichever way it is spelt and wherever it stands."""

from __future__ import annotations

import re
from typing import NamedTuple

from dataflow.conform.texts import capitalise, tidy

_MARKS = re.compile(r"[\W_]+")

# Canonical form: its spellings without blanks, dots and capitals.
_AFTER = {
    "inc": "inc incorporated", "llc": "llc", "corp": "corp corporation", "co": "co company", "lp": "lp",
    "llp": "llp", "pllc": "pllc", "ltd": "ltd limited", "plc": "plc publiclimitedcompany",
    "gmbh": "gmbh gesellschaftmbh ggmbh", "gmbh & co kg": "gmbhcokg gmbhundcokg",
    "ag": "ag aktiengesellschaft",
    "ug": "ug ughaftungsbeschränkt", "ek": "ek eingetragenerkaufmann", "ohg": "ohg", "kg": "kg", "gbr": "gbr",
    "sarl": "sarl", "sas": "sas sasu", "sa": "sa", "eurl": "eurl", "sci": "sci",
    "sl": "sl sociedadlimitada", "slu": "slu", "sc": "sc", "srl": "srl", "spa": "spa", "snc": "snc",
    "bv": "bv", "nv": "nv", "vof": "vof", "sp zoo": "spzoo spółkazoo", "sp j": "spj", "sp k": "spk",
    "ltda": "ltda", "me": "me", "eireli": "eireli", "pvt ltd": "pvtltd privatelimited pvtlimited",
    "pty ltd": "ptyltd proprietarylimited ptylimited", "pte ltd": "pteltd", "kk": "kk kabushikikaisha",
    "co ltd": "coltd companylimited colimited", "group co ltd": "groupcoltd", "yk": "yk yugenkaisha", "gk": "gk",
    "ae": "ae αε", "epe": "epe επε", "ike": "ike ικε", "as": "aş as anonimşirketi",
    "ltd sti": "ltdşti ltdsti limitedşirketi",
    "sa de cv": "sadecv", "s de rl de cv": "sderldecv", "ab": "ab aktiebolag", "hb": "hb", "aps": "aps",
    "oy": "oy oyj", "asa": "asa", "se": "se", "sro": "sro", "kft": "kft", "doo": "doo",
    "ooo": "ooo ооо", "ao": "ao ао", "zao": "zao зао", "pao": "pao пао", "tov": "tov тов",
    "prat": "prat прат", "pp": "pp пп",
}  # fmt: skip
_BEFORE = {
    "ООО": "ooo", "АО": "ao", "ЗАО": "zao", "ПАО": "pao", "ТОВ": "tov", "ПП": "pp", "ПрАТ": "prat",
    "OOO": "ooo", "AO": "ao", "ZAO": "zao", "PAO": "pao", "TOV": "tov", "PrAT": "prat", "PP": "pp",
}  # fmt: skip
# East Asian forms touch the name; the longer one first.
_TOUCHING = (
    ("集团有限公司", "group co ltd"),
    ("株式会社", "kk"),
    ("有限会社", "yk"),
    ("有限公司", "co ltd"),
    ("合同会社", "gk"),
)
_SPELLINGS = {spelling: form for form, listed in _AFTER.items() for spelling in listed.split(" ")}
_LONGEST = 5  # words: "S. de R.L. de C.V."


class CompanyName(NamedTuple):
    """`name` is without the legal form; `full` is the tidy whole."""

    name: str | None
    legal_form: str | None
    full: str | None


def normalise_company(text: str) -> CompanyName:
    """Split a company's name from its legal form."""
    whole = tidy(text)
    if whole is None:
        return CompanyName(None, None, None)
    name, form = _cut_form(whole)
    shown = name.strip(" ,.-&\"'«»„“”()") or whole
    if len(shown) > 5 or " " in shown:
        # IBM and SAP are written so; ACME TOOLS is the caps lock.
        shown = capitalise(shown)
    return CompanyName(shown, form, whole)


def _cut_form(whole: str) -> tuple[str, str | None]:
    for touching, form in _TOUCHING:
        if whole != touching and whole.startswith(touching):
            return whole.removeprefix(touching), form
        if whole != touching and whole.endswith(touching):
            return whole.removesuffix(touching), form
    words = whole.split(" ")
    for count in range(min(_LONGEST, len(words) - 1), 0, -1):
        tail = words[-count:]
        form_after = _SPELLINGS.get(_MARKS.sub("", "".join(tail)).lower())
        if form_after is not None and _is_written_as_form(tail, whole):
            return " ".join(words[:-count]), form_after
    if len(words) > 1 and words[0] in _BEFORE:
        return " ".join(words[1:]), _BEFORE[words[0]]
    return whole, None


def _is_written_as_form(tail: list[str], whole: str) -> bool:
    """Two letters are a legal form in capitals or with dots ("SA", "e.K."), not as the word "me" or "as"."""
    text = "".join(tail)
    return len(_MARKS.sub("", text)) > 2 or "." in text or text.isupper() or text.lower() == "co" or whole.islower()
