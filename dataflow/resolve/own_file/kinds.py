"""Declare the kinds of column that the resolver understands, and infer a column's kind from its name and values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from anyascii import anyascii

from dataflow.conform.phones import SCIENTIFIC
from dataflow.resolve.own_file import readers
from dataflow.resolve.records.normaliser import is_given_name
from dataflow.vocabulary import companies
from dataflow.vocabulary.lists import any_of
from dataflow.vocabulary.names import TITLES, TITLES_THAT_ARE_NAMES
from dataflow.vocabulary.placeholders import KEY_RUNS
from dataflow.vocabulary.streets import STREET_TYPES


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of column: the pattern of its headings, and SQL from a text column to input columns.

    `inputs` maps columns of match_record.INPUT_COLUMNS to SQL; `{}` stands for the column, or with a `reader` for the
    struct that it returns. Kinds are tried in the order of KINDS. A heading counts only where most values match
    `shape`; values that match `decisive_shape` decide the kind under any heading. Several columns can be of a `many`
    kind: the first that is filled in a row counts.
    """

    name: str
    pattern: str
    inputs: Mapping[str, str]
    reader: readers.Reader | None = None
    shape: str = ""
    decisive_shape: str = ""
    many: bool = False


# the structure of calling codes: zones 1 and 7 have one digit, these countries two, all others three
_CALLING_CODE = r"^(\+|00)(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9][0-9][0-9])"
# the number without extension, calling code and trunk prefix
_DIALLED = "regexp_replace(regexp_replace(lower({}), '(ext|x)[ .:]*[0-9]+ *$', ''), '[^0-9+]', '', 'g')"
_DIGITS = f"ltrim(right(regexp_replace({_DIALLED}, '{_CALLING_CODE}|[+]', ''), 10), '0')"
# one repeated digit, or a row of keys, is a placeholder
_PHONE = (
    f"CASE WHEN NOT regexp_full_match({{}}, '{SCIENTIFIC}')"
    f" AND length({_DIGITS}) >= 5 AND replace(right({_DIGITS}, 7), right({_DIGITS}, 1), '') <> ''"
    f" AND NOT contains('{' '.join(KEY_RUNS)}', {_DIGITS}) THEN {_DIGITS} END"
)
_DOMAIN = r"nullif(regexp_extract(lower({}), '(?:https?://)?(?:www\.)?([a-z0-9.-]+\.[a-z]+)', 1), '')"
_FIRST_NUMBER = r"^\s*#?([0-9]+[a-zA-Z]?)(?:\s*[-/]\s*[0-9]+[a-zA-Z]?)?(?:[\s,]+|$)"
_LAST_NUMBER = r"[\s,]([0-9]+[a-zA-Z]?)\s*$"
# the part of a street line after the street: "between 5th and 6th", "off Main St.", "Apt. 7"
_WHERE = (
    r"(?i)(\s{2,}|\s*[,(]|\s(between|btwn|bet|near|off|at|corner|cor)\s"
    rf"|\s(({readers.UNITS})\b|#)[\s.:#]*[0-9a-z]*\s*$).*$"
)
_UNIT = (
    rf"nullif(regexp_extract(lower({{}}), '(?:^|[\s,])(?:(?:{readers.UNITS})\b|#)[\s.:#]*([0-9]+[a-z]?|[a-z])"
    r"(?:[\s,]|$)', 1), '')"
)


def _street_inputs(line: str) -> dict[str, str]:
    street = f"coalesce(nullif(regexp_replace(trim({line}), '{_WHERE}', ''), ''), {line})"
    return {
        "street": f"trim(regexp_replace(regexp_replace({street}, '{_FIRST_NUMBER}', ''), '{_LAST_NUMBER}', ''))",
        "house_number": f"coalesce(nullif(regexp_extract({line}, '{_FIRST_NUMBER}', 1), ''), "
        f"nullif(regexp_extract({street}, '{_LAST_NUMBER}', 1), ''))",
    }


KINDS = (
    Kind(name="ignore", pattern=r"^$|\bip\b|mac addr", inputs={}),
    Kind(name="source", pattern=r"^(data )?source( system)?$|^system$|^origin$", inputs={}),
    Kind(name="free_text", pattern=r"^notes?$|comment|remark|description|bemerkung", inputs={}),
    Kind(name="entity_type", pattern=r"^(record|entity|party|customer|client|account|contact) ?type$", inputs={},
         shape=r"(?:natural |legal |private )?(?:person|people|individual|human|organi[sz]ation|company|business|org|"
               r"corporation|corporate|firm|legal entity|private|ind|per)s?"),
    Kind(name="email", pattern=r"e.?mail|courriel|correo|pochta|you ?jian", reader=readers.emails, many=True, inputs={
        "email_canonical": "{}.canonical",
        "email_domain": "{}.domain",
    }, shape=r".*@.*", decisive_shape=r"(?:mailto:)?[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    Kind(name="website", pattern=r"\bweb|\burl\b|homepage|domain|^site$", inputs={"website_domain": _DOMAIN},
         shape=r"[^\s@]+\.[^\s@]+", decisive_shape=r"(?:https?://|www\.)\S+"),
    Kind(name="phone",
         pattern=r"phone|mobile?\b|mobil|telefon|telefoon|\btel(e?no|ef)?\b|\bcell|\bfixe\b|handy|movil|celular"
                 r"|dian ?hua|shou ?ji|\bph\b|\bfon\b|whats ?app|contact ?(no|nr|num|number)\b",
         inputs={"phone": _PHONE}, many=True, shape=r"(?:\D*\d){6,}.*",
         decisive_shape=r"(?:\+\d|\(\d{2,5}\)|\d{3}[-./ ]+\d{3}[-./ ]*\d{4})[\d ()./-]*"),
    Kind(name="date_of_birth",
         pattern=r"birth ?(date|day)|date ?(of)? ?birth|\bdob\b|\bbday\b|geburt|naissance|\bborn\b|nacimiento|nascita"
                 r"|nascimento|geboorte|urodzenia|rozhdeniya|^fodelse|sheng ?nian|chu ?sheng",
         reader=readers.dates, inputs={"date_of_birth": "{}.date"}, shape=r".*\d.*\d.*",
         decisive_shape=r"(?:1[89]\d\d|200\d)-?[01]\d-?[0-3]\d|[0-3]?\d[/.][0-3]?\d[/.](?:1[89]\d\d|200\d)"),
    # found by BIRTH_PARTS, not by a heading
    Kind(name="birth_year", pattern=r"^$", inputs={}),
    Kind(name="birth_month", pattern=r"^$", inputs={}),
    Kind(name="birth_day", pattern=r"^$", inputs={}),
    Kind(name="middle_name", pattern=r"middle|second.?name|\bmidl?.?name|^m.?name$|^mi$", inputs={}),
    Kind(name="given_name",
         pattern=r"given|\bfi?rst.?na?m|fore.?na?m|name.first|prenom|vorname|^[fg].?name|^nombres?$|voornaam|^imie|^imya"
                 r"|^nome$|fornamn|^first$|^fn$|^(christian|chr|pre).?name|^ming$",
         inputs={"given_name": "{}"}),
    Kind(name="surname",
         pattern=r"^(?!.*\band\b).*sur.?na?m|\bla?st.?na?m|family.?na?m|name.last|nachname|familienname|^[ls].?name"
                 r"|nom de famille|^nom$|apellido|cognome|sobrenome|achternaam|nazwisko|familiya|^last$|^ln$|^sur$"
                 r"|^family$|^xing$",
         inputs={"surname": "{}"}),
    Kind(name="name_suffix", pattern=r"suffi?x|\bsufx|generation", inputs={
        "name_suffix": "lower(replace({}, '.', ''))",
    }),
    Kind(name="company_name",
         pattern=r"company|organi[sz]ation|business|employer|\borg\b|firma|unternehmen|societe|entreprise|empresa"
                 r"|azienda|bedrijf|kompani|gong ?si|\bvendor|supplier|account name|trad(e|ing) (name|as)|^account$"
                 r"|legal (name|entity)|raison sociale|\bfirm\b|\bdba\b|^co name$|\bcorp\b|facility name",
         many=True, inputs={"company_name": "{}"}),
    Kind(name="occupation", pattern=r"occupation|profession|\bjob|beruf", inputs={"occupation": "{}"}),
    Kind(name="gender", pattern=r"gender|gndr|\bsexe?\b|geschlecht", inputs={"gender": "{}[1]"}),
    Kind(name="house_number",
         pattern=r"\b(house|hse|bldg|building|premises?|civic|addr|st|str|street) ?(n|no|nr|num|nbr|number)\b"
                 r"|house ?n|hausn|^hnr$|^house$|^premises?$|numero de rue|huisnummer",
         inputs={"house_number": "{}"}, shape=r".*\d.*"),
    Kind(name="postcode",
         pattern=r"post.?c(ode|d)|postal|\bpstl|\bzip|\bplz\b|postleit|\bcap\b|\bcep\b|you ?bian|indeks|\bpcode"
                 r"|^pc$|\bpin( ?code)?$|area ?code|eircode",
         inputs={"postcode": "{}"}, shape=r"(?=.*\d).{2,10}"),
    Kind(name="unit", pattern=rf"\b(?:{readers.UNITS})\b|apartment|wohnung", inputs={
        "unit": rf"coalesce({_UNIT}, {{}})",
    }),
    Kind(name="line2", pattern=r"(add(r(ess)?)?|street|line|adresse).?(line.?)?2|building|complement", inputs={
        "line2": "{}",
    }),
    Kind(name="address",
         pattern=r"\baddr(ess|esse)?( ?1| ?line ?1| full| street)?$|\badress?e?$|\badres$|full.?address|^add ?1$"
                 r"|\bstreet( ?1| ?line ?1| na?me?| addr(ess)?)?$|strasse|^line.?1$|direccion|domicilio|indirizzo"
                 r"|endereco|\brue\b|ulica|calle|di ?zhi|^road$|^str$|thoroughfare",
         inputs={**_street_inputs("{}"), "unit": _UNIT}, shape=r".*[^\W\d].*",
         decisive_shape=rf"\d+[a-zA-Z]?\s+.*\b(?:{any_of(STREET_TYPES)})\b.*|.*stra(?:ss|ß)e\s+\d+.*"),
    # a whole address on one line; found by its values, not by a heading
    Kind(name="full_address", pattern=r"^$", reader=readers.address_lines, inputs={
        **_street_inputs("{}.street"),
        "unit": f"coalesce({{}}.unit, {_UNIT.replace('{}', '{}.street')})",
        "city": "{}.city",
        "postcode": "{}.postcode",
    }),
    Kind(name="city",
         pattern=r"\bcity|\btown\b|suburb|locality|birth.?place|\bort\b|wohnort|place.?of.?birth|\bville\b|ciudad|citta"
                 r"|cidade|\bplaats\b|miasto|gorod|\bstadt\b|municip|commune|cheng ?shi|post ?town|village"
                 r"|^place$|^cty$",
         inputs={"city": "{}"}),
    Kind(name="region",
         pattern=r"^(?!.*(licen|status)).*(\bstate\b|^st$|\bprov\b|province|region|county|bundesland|departement|provincia)",
         inputs={"region": "{}"}),
    Kind(name="country",
         pattern=r"^(?!.*(passport|\bid\b|licen)).*(countr|\bctry\b|\bnation\b|\bland$|\bpays\b|\bpais\b|paese|kraj"
                 r"|strana)",
         reader=readers.countries, inputs={"country_code": "{}.code"}),
    Kind(name="identifier",
         pattern=r"^(?!.*\btype\b).*(tax.?id|passport|nat(ional)?.?id|\bssn\b|soc(ial)?.?sec|licen[cs]e.?n|\bvat\b"
                 r"|\blei\b|\bein\b|\bduns\b|steuer|\bsiret\b|\bsiren\b|\bnif\b|\bcif\b|registration n|\bnhs\b|\bnino\b"
                 r"|\babn\b|\bcrn\b|\btin\b|\bcuit\b|\bpesel\b|personnummer|national insurance)",
         many=True, shape=r".*\d.*\d.*\d.*",
         inputs={"identifier": "nullif(regexp_replace(lower({}), '[^a-z0-9]', '', 'g'), '')"}),
    Kind(name="full_name",
         pattern=r"\bname|full.?name|\bnom\b|nombre|\btitle$|\bnaam\b|\bimya\b|^fio$|requester$|^customer$|^person$"
                 r"|^contact$|^client$|xing ?ming|shi ?ming",
         many=True, inputs={"full_name": "{}"}),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}
# the parts of a date of birth in columns of their own: patterns of their headings and values
BIRTH_PARTS = {
    "birth_year": (r"birth.?y(ea)?r|\by(ea)?r.?(of )?birth|^yob$|^by$|geburtsjahr|annee de naissance|ano de nac",
                   r"(1[89]|20)\d\d(\.0)?"),
    "birth_month": (r"birth.?mon(th)?|\bmon(th)?.?(of )?birth|^mob$|^bm$|geburtsmonat|mois de naissance|mes de nac",
                    r"(0?[1-9]|1[0-2])(\.0)?"),
    "birth_day": (r"birth.?day|\bday.?(of )?birth|^bd$|geburtstag|jour de naissance|dia de nac",
                  r"(0?[1-9]|[12]\d|3[01])(\.0)?"),
}  # fmt: skip

ORGANISATION_WORDS = frozenset((*companies.FORM_WORDS, *companies.ORGANISATION_WORDS))
_TITLES = frozenset((*TITLES, *TITLES_THAT_ARE_NAMES))
WORD = r"[^\W\d_]+(?:[-'][^\W\d_]+)?"
# values with a comma between words: whole addresses on one line
COMMAS = r".*\w.*,.*\w.*"


def infer_kinds(columns: Mapping[str, Sequence[str]], rows: int) -> dict[str, str]:
    """Return column to kind: by its heading where its values agree, else by its values.

    `columns` maps each heading to its values in a sample of `rows` rows. A kind that is not `many` goes to the fullest
    of the columns that match it, of equal ones to the first; columns of no known kind, or without values, are ignored.
    """
    named = {column: _kind_by_name(column, values) for column, values in columns.items()}
    kinds = dict.fromkeys(columns, "ignore")
    # in tenths: of columns about equally full the first is the main one
    for column in sorted(columns, key=lambda column: -round(10 * len(columns[column]) / max(rows, 1))):
        kinds[column] = named[column] if _is_free(named[column], kinds) else "ignore"
    for column, values in columns.items():
        if named[column] == "ignore" and len(values) >= 0.2 * rows:
            found = _kind_by_values(values)
            if found not in named.values() and _is_free(found, kinds):
                kinds[column] = found
    kinds |= _surname_beside(kinds, columns) | _birth_parts(kinds, columns)
    kinds |= _further_addresses(kinds, named, columns, rows)
    return _whole_addresses(_whole_names(kinds, columns), columns)


def _is_free(kind: str, kinds: Mapping[str, str]) -> bool:
    return BY_NAME[kind].many or kind not in kinds.values()


def _surname_beside(kinds: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the column after that of given names, or before it, as surnames where it has no other kind."""
    order = list(columns)
    given = next((order.index(column) for column, kind in kinds.items() if kind == "given_name"), None)
    if given is None or {"surname", "full_name"} & set(kinds.values()):
        return {}
    for column in order[given + 1 : given + 2] + order[:given][-1:]:
        values = columns[column]
        if kinds[column] == "ignore" and len(set(values)) > max(1, 0.3 * len(values)) and _share(WORD, values) >= 0.8:
            return {column: "surname"}
    return {}


def _birth_parts(kinds: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the columns of year, month and day of birth, unless one column holds the whole date."""
    parts: dict[str, str] = {}
    for kind, (pattern, shape) in BIRTH_PARTS.items():
        called = (column for column in columns if re.search(pattern, readable(column)))
        column = next((c for c in called if columns[c] and _share(shape, columns[c]) >= 0.8), None)
        if column is not None:
            parts[column] = kind
    whole = [column for column, kind in kinds.items() if kind == "date_of_birth" and column not in parts]
    return {} if whole or "birth_year" not in parts.values() else parts


def _further_addresses(
    kinds: Mapping[str, str], named: Mapping[str, str], columns: Mapping[str, Sequence[str]], rows: int
) -> dict[str, str]:
    """Return the kind of a second address column: a second line, or the address of rows where the first is empty."""
    first = next((column for column, kind in kinds.items() if kind == "address"), None)
    others = [column for column, kind in named.items() if kind == "address" and kinds[column] == "ignore"]
    if first is None or not others:
        return {}
    if len(columns[first]) + len(columns[others[0]]) <= 1.1 * rows:
        return {others[0]: "address"}
    return {} if "line2" in kinds.values() else {others[0]: "line2"}


def _whole_names(kinds: dict[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make a column "Nom" or "Nome" a full name where no column holds the other part and most values are two words."""
    parts = [column for column, kind in kinds.items() if kind in ("given_name", "surname")]
    if len(parts) == 1 and "full_name" not in kinds.values() and _share(r"\S+\s+\S.*", columns[parts[0]]) >= 0.6:
        return kinds | {parts[0]: "full_name"}
    return kinds


def _whole_addresses(kinds: dict[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Make addresses that include their city full addresses; a city column takes precedence over that city."""
    return {
        column: "full_address" if kind == "address" and _share(COMMAS, columns[column]) >= 0.2 else kind
        for column, kind in kinds.items()
    }


def readable(column: str) -> str:
    """Return a heading as lower-case Latin words: "MailingStreet" and "mailing_street" become "mailing street"."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", anyascii(column))
    return " ".join(re.findall(r"[a-z0-9]+", parted.lower()))


def _kind_by_name(column: str, values: Sequence[str]) -> str:
    heading = readable(column)
    kind = next((kind for kind in KINDS if re.search(kind.pattern, heading)), None)
    if kind is None or not values or (kind.shape and _share(kind.shape, values) < 0.5):
        return "ignore"
    if kind.name == "full_name" and sum(v.lower().strip(". ") in _TITLES for v in values) > 0.3 * len(values):
        return "ignore"  # a column of titles
    return kind.name


def _kind_by_values(values: Sequence[str]) -> str:
    if not values:
        return "ignore"
    for kind in KINDS:
        if kind.decisive_shape and _share(kind.decisive_shape, values) >= 0.8:
            return kind.name
    if len(set(values)) < 0.3 * len(values):
        return "ignore"  # a category, not a name
    words = [_words(value) for value in values]
    known = sum(1 for w in words if w and is_given_name(w[0])) / len(values)
    if known >= 0.4:
        return "given_name" if sum(len(w) == 1 for w in words) >= 0.8 * len(words) else "full_name"
    if sum(bool(ORGANISATION_WORDS & set(w)) for w in words) >= 0.3 * len(words):
        return "company_name"
    return "ignore"


def _share(pattern: str, values: Sequence[str]) -> float:
    return sum(bool(re.fullmatch(pattern, value.strip(), re.DOTALL | re.IGNORECASE)) for value in values) / len(values)


def type_of_names(names: Sequence[str]) -> Literal["person", "company", "mixed"]:
    """Decide whose names these are: of people, of companies, or of both."""
    people = organisations = formal = 0
    for name in names:
        words = _words(name)
        is_organisation = _is_organisation(name, words)
        organisations += is_organisation
        formal += bool(words) and words[-1] in companies.FORM_WORDS
        people += not is_organisation and 2 <= len(words) <= 4 and is_given_name(words[0])
    if people >= 0.25 * len(names) and (organisations >= 0.15 * len(names) or formal >= 0.05 * len(names)):
        return "mixed"
    return "person" if people >= 2 * organisations and people > 0 else "company"


def companies_among(names: Sequence[str]) -> list[str]:
    """Return those of the names that are of companies.

    They hold a number or a word of organisations, or begin with the first word of such a name that is not a given name.
    """
    words = {name: _words(name) for name in names}
    certain = {name for name in names if _is_organisation(name, words[name])}
    begin = {words[name][0] for name in certain if words[name]}
    begin = {word for word in begin if not is_given_name(word)}
    return [name for name in names if name in certain or (words[name] and words[name][0] in begin)]


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name.lower())


def _is_organisation(name: str, words: Sequence[str]) -> bool:
    return any(word in ORGANISATION_WORDS for word in words) or any(c.isdigit() for c in name)
