"""The vocabulary of reasons for a judgement: what a steward chooses, with a note that can say more."""

from __future__ import annotations

REASONS = {
    "values": "The values say it",
    "known": "I know the customer",
    "asked": "Asked the customer or a colleague",
    "household": "Same household or shared mailbox, not one person",
    "namesake": "Same name, another person",
    "typing": "Typing error or changed detail",
    "little": "Too little to decide",
}


def reason_of(form: dict[str, str]) -> str:
    """Return the chosen reason with the note of a form."""
    chosen = REASONS.get(form.get("reason", ""), REASONS["values"])
    note = form.get("note", "").strip()
    return f"{chosen}: {note}" if note else chosen
