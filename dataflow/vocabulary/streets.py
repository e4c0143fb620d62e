"""Words in the lines of an address."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, plain, spelt

STREET_TYPES = WordList(
    name="types of street",
    source="our own: types of English, German, French, Italian and Spanish streets and their abbreviations",
    as_of="2026-11-29",
    means=plain(
        "street str st strasse road rd avenue ave av avenida boulevard blvd lane ln drive dr place pl court ct "
        "crescent cres circuit cct circle cir square sq terrace ter tce way parkway pkwy highway hwy close cl rue via "
        "calle plaza"
    ),
)
"""Street types: spelt in many ways or left out, so they do not distinguish streets."""

STREET_FILLERS = WordList(
    name="directions and articles of streets",
    source="our own: directions of English streets and their abbreviations",
    as_of="2026-11-29",
    means=plain(
        "north south east west n s e w ne nw se sw northeast northwest southeast southwest the of",
    ),
)
"""Left out as often as street types."""

STREET_SHORT = WordList(
    name="short words of streets",
    source="our own: ordinals and prefixes of English street names",
    as_of="2026-11-29",
    means=spelt(
        {
            "1": "first",
            "2": "second",
            "3": "third",
            "4": "fourth",
            "5": "fifth",
            "6": "sixth",
            "7": "seventh",
            "8": "eighth",
            "9": "ninth",
            "10": "tenth",
            "11": "eleventh",
            "12": "twelfth",
            "st": "saint",
            "mt": "mount",
            "ft": "fort",
        }
    ),
)
"""Words of street names that are abbreviated, to the short form."""

UNIT_WORDS = WordList(
    name="units",
    source="our own: units of English, German, French, Spanish, Portuguese and Swedish addresses",
    as_of="2026-11-29",
    means=plain("apartment apto appt apt appartement unit suite ste flat floor room rm whg wohnung depto lgh"),
)
"""Words before the number of a flat or office, anywhere in a line."""

UNIT_WORDS_THAT_ARE_WORDS = WordList(
    name="units that are words",
    source="our own: units of addresses of some thirty countries",
    as_of="2026-11-29",
    means=plain(
        "app fl bât bat int scala lok m bloco sala block shop daire кв kv diam διαμ bis étage etage piso puerta office "
        "bldg building"
    ),
)
"""Units only at the end of a line or before a comma: elsewhere they are words of streets and houses."""

NUMBER_FIRST = WordList(
    name="countries of numbers before streets",
    source="our own, after the addressing systems that the Universal Postal Union publishes by country",
    as_of="2026-11-30",
    means=plain("au bb bd bs bz ca cm ci dz fj fr gb gh gi gy hk ie im in je gg jm ke lk lu ma mc mt my nc ng nz pf pg "
                "ph pk re sg sn tn tt ug us vn za zw"),
)  # fmt: skip
"""The number of a house stands before its street there, elsewhere behind."""

POST_BOXES = WordList(
    name="post office boxes",
    source="our own: boxes of English, German, Romance, Dutch, Nordic and Polish addresses",
    as_of="2026-11-30",
    means={
        "po box": "PO Box",
        "p o box": "PO Box",
        "pobox": "PO Box",
        "post office box": "PO Box",
        "box": "Box",
        "gpo box": "GPO Box",
        "private bag": "Private Bag",
        "locked bag": "Locked Bag",
        "postfach": "Postfach",
        "postbus": "Postbus",
        "postboks": "Postboks",
        "bp": "BP",
        "b p": "BP",
        "boîte postale": "BP",
        "boite postale": "BP",
        "apartado": "Apartado",
        "apdo": "Apartado",
        "apartado de correos": "Apartado",
        "apartado postal": "Apartado",
        "casilla": "Casilla",
        "casilla de correo": "Casilla",
        "caixa postal": "Caixa Postal",
        "casella postale": "Casella Postale",
        "skrytka pocztowa": "Skrytka Pocztowa",
        "skr poczt": "Skrytka Pocztowa",
    },
)
"""Words before the number of a box, without full stops, to how they are shown: the number is not one of a house."""
