"""Words in and around the names of people."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, plain, spelt

TITLES = WordList(
    name="titles",
    source="our own: titles of English, German, French, Italian, Spanish, Nordic and Indian names",
    as_of="2026-11-29",
    means=plain(
        "mr mrs ms miss mx dr prof professor sir dame lord lady rev revd reverend honourable honorable herr frau "
        "fräulein mme mlle sig sra srta dott dottssa ing dipl-ing hr fru pani shri smt capt captain colonel lt "
        "lieutenant brig brigadier sgt sergeant admiral cdr commander baroness countess"
    ),
)
"""Words before a name that are not part of it."""

TITLES_THAT_ARE_NAMES = WordList(
    name="titles that are names",
    source="our own: ranks and forms of address of English, German and Spanish names",
    as_of="2026-11-29",
    means=plain(
        "hon rt right the very col maj major gen general adm vice rear don fr saint st dipl mag judge justice bishop "
        "baron count",
        "sr dr",
    ),
)
"""Titles only for comparison: Don, Justice or St can be a name, which is shown whole, while both sides of a comparison
lose the same word."""

TITLES_THAT_ARE_INITIALS = WordList(
    name="titles that are initials",
    source="our own: French and Polish forms of address",
    as_of="2026-11-29",
    means=plain("m pan"),
)
"""Titles only when a name is parsed: for comparison the word can be an initial, and all that is given."""

HONOURS = WordList(
    name="honours",
    source="our own: British honours and ranks of nobility, degrees",
    as_of="2026-11-29",
    means=plain(
        "bt bart baronet esq esquire phd md msc bsc obe mbe cbe kbe qc kc frs viscount viscountess marquess mp dds cpa"
    ),
)
"""Words after a name that are not part of it."""

NUMBERED_RANKS = WordList(
    name="numbered ranks",
    source="our own: ranks of nobility",
    as_of="2026-11-29",
    means=plain("duke earl count baron lord king prince"),
)
"""Words after an ordinal that follows a name: "3rd Earl"."""

GENERATIONS = WordList(
    name="generations",
    source="our own: suffixes of English names",
    as_of="2026-11-29",
    means=spelt({"jr": "jr junior jnr", "sr": "sr senior snr", "ii": "ii 2nd", "iii": "iii 3rd", "iv": "iv 4th"}),
)
"""Generation suffixes, to one form."""

PARTICLES = WordList(
    name="particles",
    source="our own: particles of Dutch, German, Romance, Nordic and Arabic surnames",
    as_of="2026-11-29",
    means=plain(
        "van von der den de del della di da do dos du la le las los ter ten zu zum zur af av bin ibn al el y e"
    ),
)
"""Words before a surname that belong to it and stay in lower case."""

PARTICLES_THAT_ARE_SURNAMES = WordList(
    name="particles that are surnames",
    source="our own: Portuguese particles that are Indian surnames",
    as_of="2026-11-29",
    means=plain("das"),
)
"""Particles only when a name is parsed; for comparison they can be a whole surname."""

PARTS_OF_SURNAMES = WordList(
    name="parts of surnames",
    source="our own: parts of Scottish, Spanish, Arabic and joined surnames",
    as_of="2026-11-29",
    means=plain("abu mac mc san st und and"),
)
"""Capitalised words that many surnames share: like particles, they are not compared alone."""
