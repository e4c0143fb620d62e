"""Values as people write them, and as we keep them."""

import pytest

from dataflow.conform.companies import normalise_company
from dataflow.conform.countries import normalise_country
from dataflow.conform.emails import Email, normalise_email
from dataflow.conform.persons import PersonName, normalise_person
from dataflow.conform.phones import normalise_phone, normalise_phone_value, read_phones
from dataflow.conform.streets import Street, normalise_street
from dataflow.conform.texts import capitalise, tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("J.Doe+news@GMAIL.com", Email("j.doe+news@gmail.com", "jdoe@gmail.com", "gmail.com", False)),
        ("j.doe@googlemail.com", Email("j.doe@googlemail.com", "jdoe@gmail.com", "googlemail.com", False)),
        ("J.Doe+news@Example.org", Email("j.doe+news@example.org", "j.doe@example.org", "example.org", False)),
        (" <mailto:a.b@c.org> ", Email("a.b@c.org", "a.b@c.org", "c.org", False)),
        ("Bob B <b@x.org>", Email("b@x.org", "b@x.org", "x.org", False)),
        ("MAILTO:b@x.org", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@x.org?subject=Hi", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@x.org (work)", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@x.org.", Email("b@x.org", "b@x.org", "x.org", False)),
        ("bob&amp;ann@x.org", Email("bob&ann@x.org", "bob&ann@x.org", "x.org", False)),
        ("Bob &lt;b@x.org&gt;", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@x.org\u200b", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@x.org, C@y.org / b@x.org", Email("b@x.org", "b@x.org", "x.org", False, "c@y.org")),
        ("test@test.com; b@x.org", Email("b@x.org", "b@x.org", "x.org", False)),
        ("b@@x.org", None),
        ("john smith@x.org", None),
        ("b@x.co uk", None),
        ("b at x.org", None),
        ("mailto:a.b@c.org", Email("a.b@c.org", "a.b@c.org", "c.org", False)),
        ("Info@Example.org", Email("info@example.org", None, "example.org", True)),
        ("no-reply@example.org", Email("no-reply@example.org", None, "example.org", True)),
        ("jörg@exämple.de", Email("jörg@exämple.de", "jörg@exämple.de", "exämple.de", False)),
        ("test@test.com", None),
        ("none@none.com", None),
        ("noemail@example.com", None),
        ("a@a.com", None),
        ("guest@customer.com", None),
        ("a@x.org", Email("a@x.org", "a@x.org", "x.org", False)),
        ("nobody knows", None),
        ("", None),
    ],
)
def test_emails(text: str, expected: Email | None) -> None:
    assert normalise_email(text) == expected


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("(212) 555-0142", "US", "+12125550142"),
        ("212-555-0142", None, None),
        ("+1 212 555 0142", None, "+12125550142"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
        ("+49 (0)30 123456", None, "+4930123456"),
        ("8 495 123 45 67", "RU", "+74951234567"),
        ("0000000000", "US", None),
        ("1234567890", "US", None),
        ("+10000000000", None, None),
        ("999-99", "US", None),
        ("n/a", "US", None),
        ("12", "US", None),
        ("+999 1234 5678", None, None),
    ],
)
def test_phones(text: str, country: str | None, expected: str | None) -> None:
    assert normalise_phone(text, country) == expected


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("12125550147.0", "US", ("+12125550147",)),
        ("4.4791E+11", "GB", ()),
        ("4,4791e11", "GB", ()),
        ("212-555-0147 / 212-555-0148", "US", ("+12125550147", "+12125550148")),
        ("2125550147 2125550147", "US", ("+12125550147",)),
        ("+44 20 7946 0958; +44 20 7946 0959", None, ("+442079460958", "+442079460959")),
        ("1-800-FLOWERS", "US", ("+18003569377",)),
        ("0044 20 7946 0958", None, ("+442079460958",)),
        ("0044 20 7946 0958", "US", ("+442079460958",)),
        ("+1 212 555 0147 (mobile)", "US", ("+12125550147",)),
        ("Tel.: 212.555.0147", "US", ("+12125550147",)),
        ("212-555-0147 x123", "US", ("+12125550147",)),
        ("212\u2011555\u20110147", "US", ("+12125550147",)),
        ("030 1234567; 0171 2345678", "DE", ("+49301234567", "+491712345678")),
        ("2125550147;12", "US", ("+12125550147",)),
        ("001-212-555-0147x05", "US", ("+12125550147",)),
        ("4.4791E+11 / 020 7946 0958", "GB", ("+442079460958",)),
        ("call me", "US", ()),
        # letters are digits of a number that a company chose; else they hide digits, or say that there are none
        ("13 CABS", "AU", ("+61132227",)),
        ("(212) 555-XXXX", "US", ()),
        ("212-XXX-0147", "US", ()),
        ("0800 XXXXXX", "GB", ()),
        ("0171 UNKNOWN", "DE", ()),
        ("030 KEINE ANGABE", "DE", ()),
        ("1-800 NONE", "US", ()),
        # part of a number of another country is no number
        ("0139.1937.2432", "GB", ()),
        ("0175.8810602", "US", ()),
        ("0177 8544 6485", "GB", ()),
        ("8985 910 71 18", "GB", ()),
    ],
)
def test_numbers_are_read_out_of_what_people_write_around_them(
    text: str, country: str | None, expected: tuple[str, ...]
) -> None:
    assert read_phones(text, country) == expected


def test_further_numbers_are_kept() -> None:
    assert normalise_phone_value("212-555-0147, 212-555-0148", "US") == ("+12125550147", "+12125550148")
    assert normalise_phone_value("nonsense", "US") == (None, None)
    assert normalise_phone_value(None, "US") is None


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("GB", ("U.K.", "UK", "Britain", "Royaume-Uni", "Vereinigtes Königreich")),
        ("US", ("U.S.A", "US of A", "Estados Unidos", "États-Unis", "Etats-Unis", "United States (US)")),
        ("XK", ("Kosovo", "XK")),
        ("CI", ("Ivory Coast", "Côte d'Ivoire", "Cote d'Ivoire")),
        ("MO", ("Macau", "Macao SAR")),
        ("HK", ("Hong Kong", "Hong Kong SAR")),
        ("PS", ("Palestine", "Palestinian Territory", "Palestinian Territories")),
        ("MM", ("Myanmar (Burma)", "Burma")),
        ("VC", ("St Vincent", "St. Vincent & Grenadines", "Saint Vincent and the Grenadines")),
        ("SX", ("Sint Maarten", "Sint Maarten (Dutch part)")),
        ("SZ", ("Swaziland", "Eswatini")),
        ("CV", ("Cape Verde", "Cabo Verde")),
        ("GR", ("EL", "Greece", "Hellas")),
        ("LC", ("St. Lucia", "St Lucia", "Saint Lucia")),
        ("KR", ("Korea, South", "South Korea", "Republic of Korea")),
        ("CD", ("DR Congo", "Congo-Kinshasa")),
        ("NE", ("Niger",)),
        (None, ("D", "Wonderland", "unknown", "Guernsey and Jersey")),
    ],
)
def test_countries_by_everyday_and_foreign_names(code: str | None, names: tuple[str, ...]) -> None:
    assert {name: normalise_country(name) for name in names} == dict.fromkeys(names, code)


@pytest.mark.parametrize(
    ("given", "surname", "line", "expected"),
    [
        ("JOHN", "SMITH Jr.", None, PersonName("John", "Smith", "jr", "John Smith")),
        ("mary-jane", "o'brien", None, PersonName("Mary-Jane", "O'Brien", None, "Mary-Jane O'Brien")),
        ("J.", "MCDONALD", None, PersonName("J", "McDonald", None, "J McDonald")),
        ("Dr. Anna", "de la Fuente", None, PersonName("Anna", "de la Fuente", None, "Anna de la Fuente")),
        ("太郎", "山田", None, PersonName("太郎", "山田", None, "山田太郎")),
        ("n/a", "Unknown", None, PersonName(None, None, None, None)),
        (" Ann   Marie ", '"Ek"', None, PersonName("Ann Marie", "Ek", None, "Ann Marie Ek")),
        (None, None, "Smith, John", PersonName("John", "Smith", None, "John Smith")),
        (None, None, "John Smith, Jr.", PersonName("John", "Smith", "jr", "John Smith")),
        (None, None, "John Smith III", PersonName("John", "Smith", "iii", "John Smith")),
        (
            None,
            None,
            "Prof. Dr. Ludwig van der Beek",
            PersonName("Ludwig", "van der Beek", None, "Ludwig van der Beek"),
        ),
        (None, None, "Capt. John Smith", PersonName("John", "Smith", None, "John Smith")),
        (None, None, "M. Jean Dupont", PersonName("Jean", "Dupont", None, "Jean Dupont")),
        (None, None, "Don Smith", PersonName("Don", "Smith", None, "Don Smith")),
        (None, None, "JOAO DAS NEVES", PersonName("Joao", "Das Neves", None, "Joao Das Neves")),
        (None, None, "John Smith 2nd", PersonName("John", "Smith", "ii", "John Smith")),
        (None, None, "山田 太郎", PersonName("太郎", "山田", None, "山田太郎")),
        (None, None, "Cher", PersonName(None, "Cher", None, "Cher")),
        (None, None, "Mr", PersonName(None, "Mr", None, "Mr")),
        (None, None, None, PersonName(None, None, None, None)),
    ],
)
def test_persons(given: str | None, surname: str | None, line: str | None, expected: PersonName) -> None:
    assert normalise_person(given, surname, line, None) == expected


def test_a_generation_of_its_own_field_wins() -> None:
    assert normalise_person("A", "B Sr", None, "Jr.").generation == "jr"
    assert normalise_person("A Jr.", "B", None, None) == PersonName("A", "B", "jr", "A B")
    assert normalise_person("Junior", "B", None, None).generation is None
    assert normalise_person("A", "B", None, "Esq").generation is None


@pytest.mark.parametrize(
    ("text", "name", "form"),
    [
        ("Acme Tools, Inc.", "Acme Tools", "inc"),
        ("ACME HOLDINGS LIMITED", "Acme Holdings", "ltd"),
        ("Bau Müller GmbH & Co. KG", "Bau Müller", "gmbh & co kg"),
        ("Foo Gesellschaft mbH", "Foo", "gmbh"),
        ("Foo UG (haftungsbeschränkt)", "Foo", "ug"),
        ("Müller e.K.", "Müller", "ek"),
        ("Foo S.A. de C.V.", "Foo", "sa de cv"),
        ("Foo S. de R.L. de C.V.", "Foo", "s de rl de cv"),
        ("Dom Sp. z o.o.", "Dom", "sp zoo"),
        ("X Co., Ltd.", "X", "co ltd"),
        ("Foo Pvt. Ltd.", "Foo", "pvt ltd"),
        ("Yapı A.Ş.", "Yapı", "as"),
        ("株式会社山田建設", "山田建設", "kk"),
        ("山田建設株式会社", "山田建設", "kk"),
        ("建筑有限公司", "建筑", "co ltd"),
        ("ООО Ромашка", "Ромашка", "ooo"),
        ("Turnverein Beispiel e.V.", "Turnverein Beispiel", "ev"),
        ("Foo SE & Co. KGaA", "Foo SE & Co", "kgaa"),
        ("Acme Group", "Acme Group", None),
        ("Gaming PC", "Gaming PC", None),
        ("Join Me", "Join Me", None),
        ("IBM", "IBM", None),
        ("GmbH", "GmbH", None),
        ("unknown", None, None),
    ],
)
def test_companies(text: str, name: str | None, form: str | None) -> None:
    found = normalise_company(text)
    assert (found.name, found.legal_form) == (name, form)
    assert found.full == (text if name else None)


@pytest.mark.parametrize(
    ("line", "second", "expected"),
    [
        ("12 High Street", None, Street("High Street", "12", None)),
        ("12B Baker Street", None, Street("Baker Street", "12B", None)),
        ("123 N Oak St, Unit 12", None, Street("N Oak St", "123", "Unit 12")),
        ("123 MAPLE ST", "Apt 4", Street("Maple St", "123", "Apt 4")),
        ("350 5th Ave # 12", None, Street("5th Ave", "350", "# 12")),
        ("Flat 5, 12 High Street", None, Street("High Street", "12", "Flat 5")),
        ("12-14 Foo Rd", None, Street("Foo Rd", "12-14", None)),
        ("12, MG Road", None, Street("MG Road", "12", None)),
        ("Hauptstr. 12 a, Whg. 3", None, Street("Hauptstr", "12A", "Whg. 3")),
        ("Calle Mayor 5, 3º A", None, Street("Calle Mayor", "5", "3º A")),
        ("Via Roma, 12, Int. 4", None, Street("Via Roma", "12", "Int. 4")),
        ("ul. Długa 5 m. 3", None, Street("ul. Długa", "5", "m. 3")),
        ("12 rue X\nAppt 5", None, Street("rue X", "12", "Appt 5")),
        ("Oak Cad. No: 12", None, Street("Oak Cad", "12", None)),
        ("ул. Ленина, д. 12", "кв. 5", Street("ул. Ленина", "12", "кв. 5")),
        ("山田町12-3-4", None, Street("山田町", "12-3-4", None)),
        ("建国路12号", None, Street("建国路", "12", None)),
        ("5th Avenue", None, Street("5th Avenue", None, None)),
        ("PO Box 123", None, Street("PO Box 123", None, None)),
        ("P.O. BOX 123", None, Street("PO Box 123", None, None)),
        ("p.o.box no. 12-34", None, Street("PO Box 12-34", None, None)),
        ("Postfach 10 05 43", None, Street("Postfach 10 05 43", None, None)),
        ("B.P. 45", "Bât A", Street("BP 45", None, "Bât A")),
        ("Boîte postale 45", None, Street("BP 45", None, None)),
        ("Box Hill Road 12", None, Street("Box Hill Road", "12", None)),
        ("12 Post Box Lane", None, Street("Post Box Lane", "12", None)),
        ("n/a", "Apt 4", Street(None, None, "Apt 4")),
        (None, None, Street(None, None, None)),
    ],
)
def test_streets(line: str | None, second: str | None, expected: Street) -> None:
    assert normalise_street(line, second) == expected


@pytest.mark.parametrize(
    ("line", "number", "expected"),
    [
        ("Hauptstr.", "7 a", Street("Hauptstr.", "7A", None)),
        ("17. Juni Straße", "135", Street("17. Juni Straße", "135", None)),
        ("5905 Pompton St", "5905", Street("Pompton St", "5905", None)),
        ("Mill Lane 9, Flat 2", "9", Street("Mill Lane", "9", "Flat 2")),
        (None, "9", Street(None, "9", None)),
        ("Mill Lane 9", " ", Street("Mill Lane", "9", None)),
    ],
)
def test_a_house_number_in_a_field_of_its_own(line: str | None, number: str, expected: Street) -> None:
    assert normalise_street(line, None, number) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("us", "US"), ("USA", "US"), ("United States of America", "US"), ("UK", "GB"), ("Deutschland", "DE"),
        ("DEU", "DE"), ("日本", "JP"), ("Türkiye", "TR"), ("Russian Federation", "RU"), (" hellas ", "GR"),
        ("Atlantis", None), ("n/a", None),
    ],
)  # fmt: skip
def test_countries(text: str, expected: str | None) -> None:
    assert normalise_country(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("JEAN VAN DAMME", "Jean van Damme"), ("jean", "Jean"), ("van Damme", "van Damme"), ("ÅSA ÖBERG", "Åsa Öberg")],
)
def test_capitals(text: str, expected: str) -> None:
    assert capitalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t b ", "a b"),
        ("e\u0301", "é"),
        ("'x y',", "x y"),
        ("N/A", None),
        ("(null)", None),
        ("Nan", "Nan"),
        ("", None),
    ],
)
def test_tidy(text: str, expected: str | None) -> None:
    assert tidy(text) == expected
