"""Split company names into the name proper and the legal form, in any spelling and position of the form."""

from __future__ import annotations

import re
from typing import NamedTuple

from dataflow.conform.texts import capitalise, tidy
from dataflow.vocabulary.companies import FORMS_BEFORE, FORMS_TOUCHING, LEGAL_FORMS

_MARKS = re.compile(r"[\W_]+")

_LONGEST = 5  # words: "S. de R.L. de C.V."


class CompanyName(NamedTuple):
    """`name` is without the legal form; `full` is the whole name, tidied."""

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
        # IBM and SAP are names in capitals; ACME TOOLS was typed with the caps lock on.
        shown = capitalise(shown)
    return CompanyName(shown, form, whole)


def _cut_form(whole: str) -> tuple[str, str | None]:
    for touching, form in FORMS_TOUCHING.means.items():
        if whole != touching and whole.startswith(touching):
            return whole.removeprefix(touching), form
        if whole != touching and whole.endswith(touching):
            return whole.removesuffix(touching), form
    words = whole.split(" ")
    for count in range(min(_LONGEST, len(words) - 1), 0, -1):
        tail = words[-count:]
        form_after = LEGAL_FORMS.means.get(_MARKS.sub("", "".join(tail)).lower())
        if form_after is not None and _is_written_as_form(tail, whole):
            return " ".join(words[:-count]), form_after
    if len(words) > 1 and words[0] in FORMS_BEFORE:
        return " ".join(words[1:]), FORMS_BEFORE.means[words[0]]
    return whole, None


def _is_written_as_form(tail: list[str], whole: str) -> bool:
    """Return whether a tail is a legal form: two letters only in capitals or with dots (SA, e.K.), not "me" or "as"."""
    text = "".join(tail)
    return len(_MARKS.sub("", text)) > 2 or "." in text or text.isupper() or text.lower() == "co" or whole.islower()
