"""What holds when stewards have judged, worked out the dull way from every judgement and every change of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.lib.identities import Record

Pair = tuple[str, str]

NAMED = ("full_name", "company_name")
REACHED = ("date_of_birth", "email", "phone", "street", "house_number", "postcode", "city")


@dataclass
class Stewards:
    """Every judgement in its order, and which record each record that was named is today."""

    judgements: list[tuple[Pair, str]] = field(default_factory=list)
    today: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, tuple[object, ...] | None] = field(default_factory=dict)

    def judge(self, left: str, right: str, verdict: str, records: Mapping[str, Record]) -> None:
        self.judgements.append(((min(left, right), max(left, right)), verdict))
        for record in (left, right):
            self.today.setdefault(record, record)
            self.contents.setdefault(record, contents(records[record]))

    def publish(self, records: Mapping[str, Record]) -> None:
        """Follow every record that was named into a new day."""
        for named in self.today:
            was = self.today[named]
            if named in records:
                self.today[named] = named
            elif was not in records:
                self.today[named] = self._under_another_key(named, records)
            now = self.today[named]
            if now is not None and (named in records or was in records):
                self.contents[named] = contents(records[now]) or self.contents[named]

    def _under_another_key(self, named: str, records: Mapping[str, Record]) -> str | None:
        source, name, key = named.split("|")
        found = [
            other
            for other, record in records.items()
            if self.contents[named] is not None
            and contents(record) == self.contents[named]
            and (other.startswith(f"{source}|{name}|") or other.endswith(f"|{key}"))
            and not any(pair == (min(named, other), max(named, other)) for pair, _ in self.judgements)
        ]
        return found[0] if len(found) == 1 else None

    def holding(self) -> dict[Pair, tuple[str, bool]]:
        """Pair of today to (verdict, whether it is contradicted)."""
        newest: dict[Pair, tuple[int, str]] = {}
        for number, ((left, right), verdict) in enumerate(self.judgements):
            one, other = self.today[left], self.today[right]
            if one is not None and other is not None and one != other:
                newest[min(one, other), max(one, other)] = (number, verdict)
        standing = {pair: one for pair, one in newest.items() if one[1] != "withdrawn"}
        apart = [pair for pair, (_, verdict) in standing.items() if verdict == "different"]
        joined: list[Pair] = []
        contradicted: set[Pair] = set()
        for pair, (_, verdict) in sorted(standing.items(), key=lambda item: -item[1][0]):
            if verdict == "same":
                group = _group(pair[0], [*joined, pair])
                if any(left in group and right in group for left, right in apart):
                    contradicted.add(pair)
                else:
                    joined.append(pair)
        return {pair: (verdict, pair in contradicted) for pair, (_, verdict) in standing.items()}


def contents(record: Record) -> tuple[object, ...] | None:
    """The fields that identify a record; None where there are too few of them."""
    if not any(record.get(name) for name in NAMED) or not any(record.get(name) for name in REACHED):
        return None
    return tuple(record.get(name) for name in ("entity_type", *NAMED, *REACHED))


def _group(start: str, pairs: Iterable[Pair]) -> set[str]:
    group, before = {start}, 0
    while len(group) != before:
        before = len(group)
        for pair in pairs:
            if group.intersection(pair):
                group.update(pair)
    return group
