"""Read the packaged pools and build weighted lists of names from them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.sample.arrays import Ints, Random, Text, draw, skewed, text
from dataflow.sample.scripts import romanise, slug

# A longer pool of names only costs memory: ranks beyond this occur less than once per million people.
_LONGEST_POOL = 3000


def read_pool(name: str) -> dict[str, Any]:
    """Parse one packaged TOML file of `dataflow/sample/pools`."""
    return tomllib.loads((files("dataflow.sample") / "pools" / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Names:
    """One pool: an index gives the name in its own script, in Latin letters and as a slug."""

    local: Text
    latin: Text
    slug: Text
    weights: npt.NDArray[np.float64]

    def draw(self, rng: Random, size: int) -> Ints:
        return draw(rng, size, self.weights)


@dataclass(frozen=True)
class Language:
    """Names of one language; a female surname has the index of the male one."""

    code: str
    given: tuple[Names, Names]
    surname: tuple[Names, Names]


def _pairs(words: str, script: str | None) -> list[tuple[str, str]]:
    pairs = []
    for word in words.split():
        local, _, latin = word.partition("=")
        pairs.append((local, latin or (romanise(local, script) if script else local)))
    return [(local.replace("-", " ") if "-" in local else local, latin.replace("-", " ")) for local, latin in pairs]


def _names(pairs: list[tuple[str, str]], *, exponent: float) -> Names:
    kept = pairs[:_LONGEST_POOL]
    return Names(
        local=text(local for local, _ in kept),
        latin=text(latin for _, latin in kept),
        slug=text(slug(latin) or "x" for _, latin in kept),
        weights=skewed(len(kept), exponent=exponent),
    )


def _compose(raw: dict[str, Any], script: str | None, seed: int) -> list[tuple[str, str]]:
    """Combine stems and endings in an order fixed by the language, so that the skew does not favour one stem."""
    stems, endings = _pairs(raw.get("stems", ""), None), _pairs(raw.get("endings", ""), None)
    made = [(s + e, sl + el) for s, sl in stems for e, el in endings if s.lower() != e]
    order = np.random.default_rng(seed).permutation(len(made))
    if script:
        return [(made[i][0], romanise(made[i][0], script)) for i in order]
    return [made[i] for i in order]


_FEMALE_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "ru": (("ский", "ская"), ("ов", "ова"), ("ев", "ева"), ("ёв", "ёва"), ("ин", "ина")),
    "uk": (("ський", "ська"),),
    "pl": (("ski", "ska"), ("cki", "cka"), ("dzki", "dzka")),
    "el": (("όπουλος", "οπούλου"), ("ίδης", "ίδου"), ("άδης", "άδου"), ("άκης", "άκη"), ("άτος", "άτου")),
}


def _feminine(pair: tuple[str, str], code: str, script: str | None) -> tuple[str, str]:
    local, latin = pair
    for ending, female in _FEMALE_ENDINGS.get(code, ()):
        if local.endswith(ending):
            changed = local[: -len(ending)] + female
            return changed, romanise(changed, script) if script else changed
    return local, latin


def _chinese_given(words: str) -> list[tuple[str, str]]:
    """Return one- and two-character given names built from the single characters."""
    single = _pairs(words, None)
    double = [(a + b, (la + lb).capitalize()) for a, la in single for b, lb in single if a != b]
    order = np.random.default_rng(7).permutation(len(double))
    return [(a, la.capitalize()) for a, la in single] + [double[i] for i in order]


@cache
def languages() -> dict[str, Language]:
    """Return every language of the pools by its code."""
    found: dict[str, Language] = {}
    for position, (code, raw) in enumerate(read_pool("names").items()):
        if code == "nicknames":
            continue
        script = raw.get("script")
        if "given_stems" in raw:
            given = (_names(_chinese_given(raw["given_stems"]), exponent=0.5),) * 2
        else:
            given = (
                _names(_pairs(raw["given_m"], script), exponent=0.75),
                _names(_pairs(raw["given_f"], script), exponent=0.75),
            )
        surnames = list(dict.fromkeys(_pairs(raw["surnames"], script) + _compose(raw, script, position)))
        exponent = 0.75 if len(surnames) < 200 else 0.9
        found[code] = Language(
            code=code,
            given=given,
            surname=(
                _names(surnames, exponent=exponent),
                _names([_feminine(pair, code, script) for pair in surnames], exponent=exponent),
            ),
        )
    return found


@cache
def nicknames() -> dict[str, list[str]]:
    """Return short forms by given name, in its own script and in romanisation."""
    table: dict[str, list[str]] = {}
    for name, short in read_pool("names")["nicknames"].items():
        table[name] = short.split()
        if not name[0].isascii() and ord(name[0]) > 0x36F:
            script = "greek" if ord(name[0]) < 0x400 else "cyrillic"
            table[romanise(name, script)] = [romanise(word, script) for word in short.split()]
    return table
