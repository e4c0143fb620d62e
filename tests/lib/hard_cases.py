"""Tables of hard cases of identity among ordinary records, with the truth, under headings of one's choice.

Each kind of case is a function that makes one instance: records, each with the entity it is of. A table holds several
instances of every kind amid a background of people, or of companies, of whom some have more records than one.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nicknames import NickNamer

from dataflow.sample.pools import languages, read_pool

Record = dict[str, str]
Instance = list[tuple[str, Record]]

FIELDS = ("given", "surname", "suffix", "birth", "email", "phone", "street", "unit", "city", "postcode", "country",
          "company", "website")  # fmt: skip
HEADINGS: dict[str, Mapping[str, str]] = {
    "plain": dict(zip(FIELDS, ("first_name", "last_name", "suffix", "date_of_birth", "email", "phone", "street",
                               "unit", "city", "postcode", "country", "company", "website"), strict=True)),
    "camel": dict(zip(FIELDS, ("FirstName", "LastName", "NameSuffix", "Birthdate", "EmailAddress", "MobilePhone",
                               "MailingStreet", "Apartment", "MailingCity", "MailingPostalCode", "MailingCountry",
                               "CompanyName", "WebSite"), strict=True)),
    "german": dict(zip(FIELDS, ("Vorname", "NACHNAME", "Suffix", "Geburtsdatum", "E-Mail-Adresse", "Telefonnummer",
                                "Straße", "Wohnung", "Ort", "PLZ", "Land", "Firma", "Webseite"), strict=True)),
    "french": dict(zip(FIELDS, ("Prénom", "Nom de famille", "Suffixe", "Date de naissance", "Courriel", "Téléphone",
                                "Adresse", "Appartement", "Ville", "Code postal", "Pays", "Société", "Site web"),
                       strict=True)),
    "one line": {"name": "name", "birth": "dob", "email": "contact_email", "phone": "tel", "address": "full_address",
                 "country": "ctry", "company": "organisation", "website": "url"},
    "party": {"party": "name", "email": "email", "phone": "phone", "address": "address", "country": "country"},
}  # fmt: skip
STREETS = ("Main Street", "Oak Avenue", "Maple Drive", "Cedar Lane", "Park Road", "Hill Court", "Lake View Road",
           "Church Street", "Mill Lane", "Station Road", "Elm Street", "Victoria Road", "High Street", "Kings Road",
           "Birch Way", "Rose Gardens", "North Parade", "Canal Walk", "Orchard Close", "Bridge Street")  # fmt: skip
CITIES = ("Springfield", "Riverton", "Lakeside", "Fairview", "Greenville", "Oakdale", "Ashford", "Milton", "Dover",
          "Salem", "Clinton", "Bristol")  # fmt: skip
PROVIDERS = ("gmail.com", "yahoo.com", "outlook.com", "icloud.com", "posteo.example", "mailbox.example")
LOOKALIKES = str.maketrans({"a": "а", "o": "о", "e": "е", "p": "р", "c": "с"})
_NICKNAMES = NickNamer()


def _roots(given: str) -> set[str]:
    return {given.lower(), *_NICKNAMES.canonicals_of(given.lower()), *_NICKNAMES.nicknames_of(given.lower())}


@dataclass
class Maker:
    """Draws what cases are made of; nothing it draws is drawn twice by chance alone."""

    chance: random.Random
    count: int = 0

    def given(self, language: str = "en") -> str:
        return str(self.chance.choice(list(languages()[language].given[self.chance.randrange(2)].latin)))

    def other_given(self, given: str) -> str:
        """A given name that is not that one, nor a short form of it."""
        while _roots(other := self.given()) & _roots(given):
            pass
        return other

    def surname(self, language: str = "en") -> str:
        return str(self.chance.choice(list(languages()[language].surname[0].latin)))

    def number(self) -> int:
        self.count += 1
        return self.count

    def phone(self) -> str:
        return f"555{self.chance.randint(2000000, 9999999)}"

    def birth(self, start: int = 1940, end: int = 2004) -> str:
        return f"{self.chance.randint(start, end)}-{self.chance.randint(1, 12):02}-{self.chance.randint(2, 28):02}"

    def mailbox(self, given: str, surname: str) -> str:
        styles = (f"{given}.{surname}", f"{given[0]}{surname}", f"{surname}{given[0]}", f"{surname}_{given}")
        name = self.chance.choice(styles).lower().replace(" ", "")
        return f"{name}{self.chance.randint(1, 99)}@{self.chance.choice(PROVIDERS)}"

    def place(self) -> Record:
        street = f"{self.chance.randint(1, 300)} {self.chance.choice(STREETS)}"
        number = self.chance.randrange(len(CITIES))
        return {
            "street": street,
            "city": CITIES[number],
            "postcode": f"{10000 + 500 * number + self.chance.randint(0, 80)}",
            "country": "US",
        }

    def person(self) -> Record:
        given, surname = self.given(), self.surname()
        return {
            "given": given,
            "surname": surname,
            "birth": self.birth(),
            "email": self.mailbox(given, surname),
            "phone": self.phone(),
            **self.place(),
        }

    def company(self) -> Record:
        brand = read_pool("companies")["brand"]
        chance = self.chance
        first = chance.choice(brand["adjectives"].split()) + " " + chance.choice(brand["nouns"].split())
        word = first if chance.random() < 0.5 else f"{self.surname()} & {self.surname()}"
        trade = chance.choice(("Software", "Logistics", "Bakery", "Textiles", "Energy", "Consulting", "Dental Care",
                               "Hotels", "Media", "Tools", "Foods", "Capital"))  # fmt: skip
        site = "".join(letter for letter in (word + trade[:4]).lower() if letter.isalpha())
        return {
            "company": f"{word} {trade} {chance.choice(('Inc', 'LLC', 'Ltd', 'Corp'))}",
            "website": f"www.{site}{self.number()}.example",
            "phone": self.phone(),
            **self.place(),
        }

    def only(self, record: Record, *fields: str) -> Record:
        return {field: record[field] for field in ("given", "surname", *fields) if field in record}


Case = Callable[[Maker], Instance]


def typed_again(maker: Maker, text: str) -> str:
    """A letter doubled, dropped or changed."""
    spot = maker.chance.randrange(1, len(text))
    return maker.chance.choice((text[:spot] + text[spot - 1] + text[spot:], text[:spot] + text[spot + 1 :]))


def seen_again(maker: Maker, record: Record) -> Record:
    """The same entity as another source knows it: fields missing, a letter wrong now and then."""
    name = "company" if "company" in record else "surname"
    open_fields = [field for field in record if field not in (name, "given", "city", "postcode", "country", "street")]
    gone = set(maker.chance.sample(open_fields, k=maker.chance.randint(0, len(open_fields) - 1)))
    if maker.chance.random() < 0.4:
        gone |= {"street", "city", "postcode"}
    again = {field: value for field, value in record.items() if field not in gone}
    if maker.chance.random() < 0.15:
        again[name] = typed_again(maker, again[name])
    return again


def reach(maker: Maker) -> tuple[str, ...]:
    """By which a person is known again."""
    return maker.chance.choice((("email",), ("phone",), ("street", "city", "postcode", "birth"), ("email", "phone")))


def nickname(maker: Maker) -> Instance:
    person = maker.person()
    while not (short := sorted(n for n in _NICKNAMES.nicknames_of(person["given"].lower()) if n.isalpha())):
        person = maker.person()
    fields = reach(maker)
    return [
        ("a", maker.only(person, *fields)),
        ("a", maker.only(person | {"given": maker.chance.choice(short).title()}, *fields)),
    ]


def initial(maker: Maker) -> Instance:
    person, fields = maker.person(), reach(maker)
    return [("a", person), ("a", maker.only(person | {"given": f"{person['given'][0]}."}, *fields))]


def swapped_names(maker: Maker) -> Instance:
    person, fields = maker.person(), (*reach(maker), "birth")
    swapped = person | {"given": person["surname"], "surname": person["given"]}
    return [("a", person), ("a", maker.only(swapped, *fields))]


def changed_surname(maker: Maker) -> Instance:
    person = maker.person()
    fields = ("birth", *maker.chance.choice((("email",), ("phone",), ("email", "phone"), ("street", "city"))))
    return [("a", person), ("a", maker.only(person | {"surname": maker.surname()}, *fields))]


def transliteration(maker: Maker) -> Instance:
    language = languages()[maker.chance.choice(("ru", "el", "uk"))]
    person, fields = maker.person(), reach(maker)
    first, last = maker.chance.randrange(40), maker.chance.randrange(40)
    latin = {"given": str(language.given[0].latin[first]), "surname": str(language.surname[0].latin[last])}
    local = {"given": str(language.given[0].local[first]), "surname": str(language.surname[0].local[last])}
    return [("a", person | latin), ("a", maker.only(person | local, *fields))]


def lookalikes(maker: Maker) -> Instance:
    person, fields = maker.person(), reach(maker)
    return [("a", person), ("a", maker.only(person | {"surname": person["surname"].translate(LOOKALIKES)}, *fields))]


def placeholders(maker: Maker) -> Instance:
    empty = {"email": "none@none.com", "phone": "000000000", "birth": "1900-01-01"}
    return [(str(n), maker.person() | empty | {"street": "n/a"}) for n in range(4)]


def father_and_son(maker: Maker) -> Instance:
    father = maker.person() | {"birth": maker.birth(1940, 1960)}
    son = father | {"birth": maker.birth(1965, 1990), "email": maker.mailbox(father["given"], father["surname"])}
    return [("father", father), ("son", son)]


def junior_and_senior(maker: Maker) -> Instance:
    father = maker.only(maker.person(), "street", "city", "postcode", "phone")
    return [("father", father | {"suffix": "Sr."}), ("son", father | {"suffix": "Jr."})]


def twins(maker: Maker) -> Instance:
    one = maker.person()
    other = maker.other_given(one["given"])
    twin = one | {"given": other, "email": maker.mailbox(other, one["surname"])}
    return [("one", one), ("other", twin), ("one", maker.only(one, "email", "birth"))]


def spouses(maker: Maker) -> Instance:
    one = maker.person()
    other = one | {"given": maker.other_given(one["given"]), "birth": maker.birth()}
    return [("one", one), ("other", other), ("other", maker.only(other, "email", "phone"))]


def role_mailbox(maker: Maker) -> Instance:
    box = f"{maker.chance.choice(('info', 'sales', 'office'))}@firm{maker.number()}.example"
    return [(str(n), maker.only(maker.person() | {"email": box}, "email", "birth")) for n in range(6)]


def switchboard(maker: Maker) -> Instance:
    phone = maker.phone()
    return [(str(n), maker.person() | {"phone": phone}) for n in range(6)]


def recycled_mailbox(maker: Maker) -> Instance:
    one, other = maker.person(), maker.person()
    return [("one", one), ("other", other | {"email": one["email"]}), ("one", maker.only(one, "phone", "email"))]


def numbers_apart(maker: Maker) -> Instance:
    one, other = maker.person(), maker.person()
    return [("one", one), ("other", other | {"phone": one["phone"][:-1] + str((int(one["phone"][-1]) + 1) % 10)})]


def flats(maker: Maker) -> Instance:
    place = maker.place()
    return [(str(n), maker.only(maker.person() | place | {"unit": f"Flat {n}"}, *place, "unit")) for n in range(1, 7)]


def reseller(maker: Maker) -> Instance:
    place = maker.place()
    return [(str(n), maker.person() | place) for n in range(8)]


def crossed_ticket(maker: Maker) -> Instance:
    one, other = maker.person(), maker.person()
    return [("one", one), ("other", other), ("one", maker.only(one | {"phone": other["phone"]}, "email", "phone"))]


def other_country(maker: Maker) -> Instance:
    one = maker.person()
    far = maker.person() | {"given": one["given"], "surname": one["surname"], "country": "FR", "city": "Lyon"}
    return [("one", one), ("other", far | {"postcode": "69003", "birth": maker.birth()})]


def ticket_of_stranger(maker: Maker) -> Instance:
    """A name alone, which is somebody's whose other details are unknown."""
    one, other = maker.person(), maker.person()
    return [("one", one), ("other", maker.only(other | {"given": one["given"]}, "phone"))]


def legal_form(maker: Maker) -> Instance:
    company = maker.company()
    bare = company["company"].rsplit(" ", 1)[0]
    form = maker.chance.choice(("", " Limited", ", Inc.", " GmbH", " L.L.C."))
    again = {field: company[field] for field in maker.chance.choice((("phone",), ("website",), ("street", "city")))}
    return [("a", company), ("a", again | {"company": bare + form})]


def ampersand(maker: Maker) -> Instance:
    company = maker.company() | {"company": f"{maker.surname()} & {maker.surname()} Partners"}
    again = {field: company[field] for field in maker.chance.choice((("phone",), ("street", "city", "postcode")))}
    return [("a", company), ("a", again | {"company": company["company"].replace("&", "and")})]


def acronym(maker: Maker) -> Instance:
    company = maker.company()
    words = [maker.surname(), maker.surname(), "Trading", "Company"]
    company |= {"company": " ".join(words)}
    again = {field: company[field] for field in ("phone", "website", "city")}
    return [("a", company), ("a", again | {"company": "".join(word[0] for word in words)})]


def company_misspelt(maker: Maker) -> Instance:
    company = maker.company()
    again = {field: company[field] for field in maker.chance.choice((("phone", "city"), ("street", "postcode")))}
    return [("a", company), ("a", again | {"company": typed_again(maker, company["company"])})]


def parent_and_subsidiary(maker: Maker) -> Instance:
    parent = maker.company()
    brand = parent["company"].rsplit(" ", 2)[0]
    child = maker.company() | {"company": f"{brand} {maker.chance.choice(('Europe', 'Financial', 'Retail'))} Ltd"}
    if maker.chance.random() < 0.5:
        child["website"] = parent["website"]
    return [("parent", parent), ("child", child)]


def stores(maker: Maker) -> Instance:
    chain = maker.company()
    brand = chain["company"].rsplit(" ", 1)[0]
    numbers = maker.chance.sample(range(10, 2000), 4)
    return [(str(n), maker.company() | {"company": f"{brand} #{n}", "website": chain["website"]}) for n in numbers] + [
        (str(numbers[0]), {"company": f"{brand} {numbers[0]}", "website": chain["website"]})
    ]


def registered_office(maker: Maker) -> Instance:
    place = maker.place()
    return [(str(n), maker.company() | place) for n in range(8)]


def company_switchboard(maker: Maker) -> Instance:
    phone = maker.phone()
    return [(str(n), maker.company() | {"phone": phone}) for n in range(4)]


def company_elsewhere(maker: Maker) -> Instance:
    one = maker.company()
    return [("one", one), ("other", maker.company() | {"company": one["company"], "country": "FR", "city": "Lyon",
                                                       "postcode": "69003"})]  # fmt: skip


def sole_trader(maker: Maker) -> Instance:
    given, surname = maker.given(), maker.surname()
    firm = maker.company() | {"company": f"{given} {surname} Plumbing"}
    return [("a", firm), ("a", {"company": f"{given} {surname}", "phone": firm["phone"], "city": firm["city"]})]


PEOPLE: tuple[Case, ...] = (
    nickname, initial, swapped_names, changed_surname, transliteration, lookalikes, placeholders, father_and_son,
    junior_and_senior, twins, spouses, role_mailbox, switchboard, recycled_mailbox, numbers_apart, flats, reseller,
    crossed_ticket, other_country, ticket_of_stranger,
)  # fmt: skip
COMPANIES: tuple[Case, ...] = (
    legal_form, ampersand, acronym, company_misspelt, parent_and_subsidiary, stores, registered_office,
    company_switchboard, company_elsewhere, sole_trader,
)  # fmt: skip


def hard_cases(seed: int, cases: tuple[Case, ...], *, each: int, background: int) -> list[tuple[str, str, Record]]:
    """(kind of case, entity, record), in no order; `background` entities are of no kind."""
    maker = Maker(random.Random(seed))
    make = maker.company if cases[0] in COMPANIES else maker.person
    made: list[tuple[str, str, Record]] = []
    for number in range(background):
        entity = make()
        copies = maker.chance.choice((1, 1, 2, 3))
        made += [("background", f"background {number}", entity)]
        made += [("background", f"background {number}", seen_again(maker, entity)) for _ in range(copies - 1)]
    for case in cases:
        for number in range(each):
            made += [(case.__name__, f"{case.__name__} {number} {who}", record) for who, record in case(maker)]
    maker.chance.shuffle(made)
    return made


def write_table(path: Path, rows: Iterable[tuple[str, str, Record]], *, headings: str, delimiter: str = ",") -> Path:
    """A CSV with columns `row`, `truth` and those that `headings` gives the fields."""
    names = HEADINGS[headings]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["row", "truth", *names.values()])
        for number, (_, entity, record) in enumerate(rows):
            writer.writerow([number, entity, *(_field(record, field) for field in names)])
    return path


def _field(record: Record, field: str) -> str:
    if field == "name":
        return " ".join(record[part] for part in ("given", "surname", "suffix") if part in record)
    if field == "party":
        return record.get("company") or _field(record, "name")
    if field == "address":
        return ", ".join(record[part] for part in ("street", "unit", "city", "postcode") if part in record)
    return record.get(field, "")
