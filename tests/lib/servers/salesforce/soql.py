"""SOQL, the part that clients which replicate data use: parsed by its grammar, answered over rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from tests.lib.servers.salesforce.org import Org
from tests.lib.servers.salesforce.schema import TEXTS, Field, ObjectType

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | '(?P<string>(?:[^'\\]|\\.)*)'
      | (?P<word>[A-Za-z_][A-Za-z0-9_.:]*)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "'": "'", '"': '"', "\\": "\\"}
_WORDS = frozenset({"from", "where", "order", "by", "limit", "offset", "and", "or", "not", "in", "like", "nulls"})


class SoqlError(Exception):
    """A query that the API refuses, with its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Query:
    """A parsed query. `fields` is empty for COUNT()."""

    type: ObjectType
    fields: tuple[str, ...]
    where: Callable[[dict[str, Any]], bool]
    order: tuple[tuple[str, bool, bool], ...] = ()
    """Field, is descending, nulls come last."""
    limit: int | None = None

    @property
    def is_count(self) -> bool:
        return not self.fields


def run(query: Query, org: Org, *, with_deleted: bool) -> list[dict[str, Any]]:
    """The rows that answer, whole, in order."""
    rows = [_joined(org, query, row) for row in org.visible(query.type.name, with_deleted=with_deleted)]
    found = [row for row in rows if query.where(row)]
    found.sort(key=lambda row: row["Id"])
    for name, descending, nulls_last in reversed(query.order):
        found.sort(key=cmp_to_key(_comparing(name, descending=descending, nulls_last=nulls_last)))
    return found[: query.limit]


def _comparing(name: str, *, descending: bool, nulls_last: bool) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    def compare(left: dict[str, Any], right: dict[str, Any]) -> int:
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            return 0 if one is other else (1 if (one is None) == nulls_last else -1)
        sign = (one > other) - (one < other)
        return -sign if descending else sign

    return compare


def _joined(org: Org, query: Query, row: dict[str, Any]) -> dict[str, Any]:
    """Add the parents' fields under their paths: `Account.Name`."""
    for path in query.fields:
        name, _, leaf = path.partition(".")
        if leaf:
            link = query.type.relationship(name)
            assert link is not None
            row[path] = _parent_value(org, link, row[link.name], leaf)
    return row


def _parent_value(org: Org, link: Field, parent: str | None, leaf: str) -> Any:
    record = org.records[link.reference_to].get(parent or "")
    version = record.at(org.clock.now()) if record else None
    if record is None or version is None or version.is_deleted:
        return None
    return record.id if leaf == "Id" else version.values.get(leaf)


def parse(text: str, org: Org) -> Query:
    """Raises: SoqlError."""
    return _Parser(text, org).query()


class _Parser:
    def __init__(self, text: str, org: Org) -> None:
        self._org = org
        self._tokens = list(_tokens(text))
        self._place = 0

    def query(self) -> Query:
        self._keyword("select")
        paths = self._select()
        self._keyword("from")
        name = self._word("an object")
        kind = self._org.types.get(name)
        if kind is None:
            raise SoqlError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        fields = tuple(self._known(kind, path) for path in paths)
        where: Callable[[dict[str, Any]], bool] = lambda _: True  # noqa: E731
        if self._accept("where"):
            where = self._either(kind)
        order = self._order(kind) if self._accept("order") else ()
        limit = int(self._take("number", "a number")) if self._accept("limit") else None
        if self._place < len(self._tokens):
            raise self._unexpected("the end of the query")
        return Query(kind, fields, where, order, limit)

    def _select(self) -> list[str]:
        first = self._word("a field")
        if first.lower() == "count" and self._accept("("):
            self._keyword(")")
            return []
        paths = [first]
        while self._accept(","):
            paths.append(self._word("a field"))
        if len(set(map(str.lower, paths))) < len(paths):
            raise SoqlError("INVALID_FIELD", "duplicate field selected")
        return paths

    def _order(self, kind: ObjectType) -> tuple[tuple[str, bool, bool], ...]:
        self._keyword("by")
        keys = []
        while True:
            name = self._known(kind, self._word("a field"))
            descending = self._accept("desc") or (self._accept("asc") and False)
            last = descending
            if self._accept("nulls"):
                last = self._accept("last")
                if not last:
                    self._keyword("first")
            keys.append((name, descending, last))
            if not self._accept(","):
                return tuple(keys)

    def _either(self, kind: ObjectType) -> Callable[[dict[str, Any]], bool]:
        """Conditions joined by AND or by OR: SOQL wants parentheses where both appear."""
        parts = [self._condition(kind)]
        joint = next((word for word in ("and", "or") if self._peek() == word), None)
        while joint and self._accept(joint):
            parts.append(self._condition(kind))
        if self._peek() in ("and", "or"):
            raise SoqlError("MALFORMED_QUERY", "AND and OR cannot be mixed without parentheses")
        if joint == "or":
            return lambda row: any(part(row) for part in parts)
        return lambda row: all(part(row) for part in parts)

    def _condition(self, kind: ObjectType) -> Callable[[dict[str, Any]], bool]:
        if self._accept("not"):
            inner = self._condition(kind)
            return lambda row: not inner(row)
        if self._accept("("):
            inner = self._either(kind)
            self._keyword(")")
            return inner
        name = self._known(kind, self._word("a field"))
        if "." in name:
            raise SoqlError("INVALID_FIELD", "the simulator filters on the object's own fields only")
        found = kind.fields[name]
        if found.type == "textarea":
            raise SoqlError("INVALID_FIELD", f"field '{name}' can not be filtered in query call")
        negated = self._accept("not")
        if self._accept("in"):
            values = self._list(found)
            return lambda row: (row[name] in values) != negated
        if self._accept("like"):
            pattern = _like(str(self._literal(found)))
            return lambda row: row[name] is not None and bool(pattern.fullmatch(str(row[name])))
        sign = self._take("sign", "a comparison")
        return _comparison(name, sign, self._literal(found))

    def _list(self, found: Field) -> set[Any]:
        self._keyword("(")
        values = {self._literal(found)}
        while self._accept(","):
            values.add(self._literal(found))
        self._keyword(")")
        return values

    def _literal(self, found: Field) -> Any:
        if self._place >= len(self._tokens):
            raise self._unexpected("a value")
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "word" and text.lower() == "null":
            return None
        if kind == "word" and text.lower() == "today":
            kind, text = "date", self._org.clock.now().date().isoformat()
        wanted = _literal_kinds(found)
        if kind == "word" and text.lower() in ("true", "false"):
            kind = "boolean"
        if kind not in wanted:
            raise SoqlError(
                "INVALID_FIELD",
                f"value of filter criterion for field '{found.name}' must be of type {found.type} and should not be "
                f"{'' if kind == 'string' else 'not '}enclosed in quotes",
            )
        return _read(kind, text)

    def _known(self, kind: ObjectType, path: str) -> str:
        name, _, leaf = path.partition(".")
        link = kind.relationship(name) if leaf else None
        target = self._org.types.get(link.reference_to) if link else kind
        last = leaf or name
        names = {one.lower(): one for one in target.fields} if target else {}
        actual = names.get(last.lower())
        if target is None or actual is None or (target.name, actual) in self._org.hidden:
            raise SoqlError("INVALID_FIELD", f"No such column '{path}' on entity '{kind.name}'.")
        return f"{name}.{actual}" if leaf else actual

    def _peek(self) -> str:
        return self._tokens[self._place][1].lower() if self._place < len(self._tokens) else ""

    def _accept(self, word: str) -> bool:
        held = self._place < len(self._tokens) and self._tokens[self._place][0] in ("word", "sign")
        if held and self._peek() == word:
            self._place += 1
            return True
        return False

    def _keyword(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected(word.upper())

    def _word(self, wanted: str) -> str:
        word = self._take("word", wanted)
        if word.lower() in _WORDS:
            self._place -= 1
            raise self._unexpected(wanted)
        return word

    def _take(self, kind: str, wanted: str) -> str:
        if self._place >= len(self._tokens) or self._tokens[self._place][0] != kind:
            raise self._unexpected(wanted)
        self._place += 1
        return self._tokens[self._place - 1][1]

    def _unexpected(self, wanted: str) -> SoqlError:
        found = self._tokens[self._place][1] if self._place < len(self._tokens) else "<EOF>"
        return SoqlError("MALFORMED_QUERY", f"unexpected token: '{found}' (expected {wanted})")


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text[place : place + 10].strip()}'")
        yield match.lastgroup, match[match.lastgroup]
        place = match.end()


def _literal_kinds(found: Field) -> tuple[str, ...]:
    if found.type in TEXTS:
        return ("string",)
    kinds = {"datetime": ("datetime", "date"), "date": ("date",), "boolean": ("boolean",)}
    return kinds.get(found.type, ("number",))


def _read(kind: str, text: str) -> Any:
    if kind == "string":
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)
    if kind == "datetime":
        return datetime.fromisoformat(text).astimezone(UTC)
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "boolean":
        return text.lower() == "true"
    return Decimal(text)


def _like(text: str) -> re.Pattern[str]:
    pieces = {"%": ".*", "_": "."}
    return re.compile("".join(pieces.get(c, re.escape(c)) for c in text), re.IGNORECASE | re.DOTALL)


def _comparison(name: str, sign: str, value: Any) -> Callable[[dict[str, Any]], bool]:
    def compare(row: dict[str, Any]) -> bool:
        own, other = _comparable(row[name], value)
        if sign in ("=", "!=", "<>"):
            return bool(own == other) == (sign == "=")
        if own is None or other is None:
            return False
        return bool({"<": own < other, "<=": own <= other, ">": own > other, ">=": own >= other}[sign])

    return compare


def _comparable(own: Any, value: Any) -> tuple[Any, Any]:
    if isinstance(own, datetime) and isinstance(value, date) and not isinstance(value, datetime):
        return own, datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(own, str) and isinstance(value, str) and len(own) != 18:
        return own.casefold(), value.casefold()  # SOQL compares text without regard to case, Ids with it
    return own, value
