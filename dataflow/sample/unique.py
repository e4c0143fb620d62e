"""Claim mailboxes, numbers and domains, so that each belongs to one entity in samples of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dataflow.sample.arrays import Text, text


class Claims:
    """Gives each value out once per sample; otherwise two people with one name would share a mailbox."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def _claim(self, wanted: str | None, again: Callable[[str, int], str]) -> str | None:
        if wanted is None:
            return None
        value, attempt = wanted, 0
        while value in self._taken:
            attempt += 1
            value = again(wanted, attempt)
        self._taken.add(value)
        return value

    def emails(self, wanted: Iterable[str | None]) -> Text:
        return text(self._claim(value, _numbered_mailbox) for value in wanted)

    def phones(self, wanted: Iterable[str | None]) -> Text:
        return text(self._claim(value, _next_number) for value in wanted)

    def domain(self, base: str, extra: str, suffix: str) -> str:
        """Claim base.suffix, or with the extra word where it is taken, or with a number."""
        bases = (base, f"{base}-{extra}" if base != extra else f"{base}-group")

        def again(_: str, attempt: int) -> str:
            return f"{bases[1]}{attempt if attempt > 1 else ''}.{suffix}"

        claimed = self._claim(f"{bases[0]}.{suffix}", again)
        assert claimed is not None
        return claimed


def _numbered_mailbox(value: str, attempt: int) -> str:
    local, _, domain = value.partition("@")
    # Spread, so that the numbers of the John Smiths are not consecutive.
    return f"{local}{attempt * 37 % 997 if attempt < 997 else attempt}@{domain}"


def _next_number(value: str, attempt: int) -> str:
    tail = (int(value[-5:]) + attempt * 7) % 100_000
    return f"{value[:-5]}{tail:05d}"
