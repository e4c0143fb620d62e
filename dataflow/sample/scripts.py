"""Write Cyrillic and Greek names in Latin letters, and any name in plain ASCII."""

from __future__ import annotations

import unicodedata

# Languages of the pools that romanise() supports.
SCRIPTS = {"ru": "cyrillic", "uk": "cyrillic", "el": "greek"}
# "_" stands for a letter that is dropped in Latin script.
_CYRILLIC_LATIN = "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya e i yi ye g _"
_GREEK_LATIN = "a v g d e z i th i k l m n x o p r s t y f ch ps o a e i i o y o i y i y s"
_CYRILLIC = dict(zip("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ'", _CYRILLIC_LATIN.split(), strict=True))
_GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψωάέήίόύώϊϋΐΰς", _GREEK_LATIN.split(), strict=True))
_GREEK_PAIRS = {"ου": "ou", "ού": "ou", "ευ": "ev", "εύ": "ev", "αυ": "av", "μπ": "b", "ντ": "nt", "γγ": "ng"}
# Letters whose ASCII form is not the same letter without its mark.
_ASCII = str.maketrans({
    "ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ı": "i", "æ": "ae", "Æ": "Ae", "đ": "d", "–": "-", "’": "'",
    "º": "o", "ª": "a",
})  # fmt: skip


def romanise(name: str, script: str) -> str:
    """Write a Cyrillic or Greek name in Latin letters by one scheme; capitals are kept."""
    table = _CYRILLIC if script == "cyrillic" else _GREEK
    lowered = name.lower()
    if script == "greek":
        for pair, latin in _GREEK_PAIRS.items():
            lowered = lowered.replace(pair, latin)
    letters = "".join(table.get(letter, letter) for letter in lowered).replace("_", "")
    return " ".join(word[:1].upper() + word[1:] for word in letters.split(" "))


def without_marks(name: str) -> str:
    """Drop diacritics: Łódź → Lodz. Other scripts lose only their marks."""
    decomposed = unicodedata.normalize("NFD", name.translate(_ASCII))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def slug(name: str) -> str:
    """Return the lower-case ASCII letters and digits of a Latin name, for mailboxes and domains."""
    return "".join(letter for letter in without_marks(name).lower() if letter.isascii() and letter.isalnum())


_OTHER_SCHEME = (("yu", "iu"), ("ya", "ia"), ("kh", "h"), ("zh", "j"), ("shch", "sch"), ("iy", "y"), ("ou", "u"),
                 ("ks", "x"), ("oo", "u"), ("ee", "i"), ("ch", "tch"), ("ei", "ej"), ("sh", "s"),
                 ("v", "w"))  # fmt: skip


def other_romanisation(name: str, dice: int) -> str:
    """Spell a romanised name by another scheme: Yuriy → Iuriy, Xiaoming → Xiao ming, Ito → Itoh."""
    for plain, other in _OTHER_SCHEME[dice % 3 :]:
        if plain in name.lower()[1:]:
            head, tail = name[0], name[1:]
            return head + tail.replace(plain, other, 1)
    return name + "h" if name.endswith("o") else name
