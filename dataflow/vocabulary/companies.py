"""Words in company names: legal forms, common words, abbreviations."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, fold_words, plain, spelt

_FORMS_SOURCE = "our own: legal forms of some forty countries, as registers and letterheads write them"

LEGAL_FORMS = WordList(
    name="legal forms",
    source=_FORMS_SOURCE,
    as_of="2026-11-29",
    means=spelt(
        {
            # United States, Commonwealth
            "inc": "inc incorporated",
            "llc": "llc",
            "corp": "corp corporation",
            "co": "co company",
            "lp": "lp",
            "llp": "llp",
            "lllp": "lllp",
            "pllc": "pllc",
            "ltd": "ltd limited",
            "plc": "plc publiclimitedcompany",
            "pvt ltd": "pvtltd privatelimited pvtlimited",
            "pty ltd": "ptyltd proprietarylimited ptylimited",
            "pte ltd": "pteltd",
            "sdn bhd": "sdnbhd",
            # Germany, Austria, Switzerland
            "gmbh": "gmbh gesellschaftmbh ggmbh",
            "gmbh & co kg": "gmbhcokg gmbhundcokg",
            "ag": "ag aktiengesellschaft",
            "kgaa": "kgaa",
            "ug": "ug ughaftungsbeschränkt",
            "ek": "ek eingetragenerkaufmann",
            "ev": "ev",
            "eg": "eg",
            "ohg": "ohg",
            "kg": "kg",
            "gbr": "gbr",
            "se": "se",
            # France, Belgium, Netherlands
            "sarl": "sarl",
            "sas": "sas sasu",
            "sa": "sa",
            "eurl": "eurl",
            "sci": "sci",
            "snc": "snc",
            "bv": "bv",
            "nv": "nv",
            "vof": "vof",
            "cv": "cv",
            # Spain, Portugal, Italy, Latin America
            "sl": "sl sociedadlimitada",
            "slu": "slu",
            "sau": "sau",
            "sc": "sc",
            "srl": "srl",
            "spa": "spa",
            "ltda": "ltda",
            "me": "me",
            "eireli": "eireli",
            "sa de cv": "sadecv",
            "s de rl de cv": "sderldecv",
            # North, Central and South-East Europe
            "ab": "ab aktiebolag",
            "hb": "hb",
            "aps": "aps",
            "oy": "oy oyj",
            "asa": "asa",
            "as": "aş as anonimşirketi",
            "ltd sti": "ltdşti ltdsti limitedşirketi",
            "sp zoo": "spzoo spółkazoo",
            "sp j": "spj",
            "sp k": "spk",
            "sro": "sro",
            "kft": "kft",
            "zrt": "zrt",
            "doo": "doo",
            "dd": "dd",
            "ae": "ae αε",
            "epe": "epe επε",
            "ike": "ike ικε",
            # Russia, Ukraine
            "ooo": "ooo ооо",
            "ao": "ao ао",
            "zao": "zao зао",
            "oao": "oao оао",
            "pao": "pao пао",
            "tov": "tov тов",
            "prat": "prat прат",
            "pp": "pp пп",
            # Japan, China
            "kk": "kk kabushikikaisha",
            "yk": "yk yugenkaisha",
            "gk": "gk",
            "co ltd": "coltd companylimited colimited",
            "group co ltd": "groupcoltd",
        }
    ),
)
"""Legal forms after a name: spelling without blanks, dots and capitals, to the form."""

FORMS_BEFORE = WordList(
    name="legal forms before the name",
    source=_FORMS_SOURCE,
    as_of="2026-11-29",
    means=spelt(
        {
            "ooo": "ООО OOO",
            "ao": "АО AO",
            "zao": "ЗАО ZAO",
            "oao": "ОАО OAO",
            "pao": "ПАО PAO",
            "tov": "ТОВ TOV",
            "pp": "ПП PP",
            "prat": "ПрАТ PrAT",
        }
    ),
)
"""In capitals, which distinguish them from words."""

FORMS_TOUCHING = WordList(
    name="legal forms that touch the name",
    source=_FORMS_SOURCE,
    as_of="2026-11-29",
    means=spelt(
        {
            "group co ltd": "集团有限公司",
            "kk": "株式会社",
            "yk": "有限会社",
            "co ltd": "有限公司",
            "gk": "合同会社",
        }
    ),
)
"""Directly before or after the name; the longer form first."""

PARTS_OF_FORMS = WordList(
    name="parts of legal forms",
    source=_FORMS_SOURCE,
    as_of="2026-11-29",
    means=plain("group holding private pty pte pvt sdn bhd mbh zoo haftungsbeschränkt pc", "sp z oo"),
)
"""Words at the end of a name that are dropped for comparison and shown otherwise: parts of forms of several words, and
words that appear only with a form."""

FORMS_THAT_ARE_WORDS = WordList(
    name="legal forms that are words",
    source="our own: forms that are names or words of names in folded text, where capitals and dots are gone",
    as_of="2026-11-29",
    means=plain("ae ao ek gk hb ike me pp sc yk"),
)
"""Legal forms only in capitals or with dots; kept for comparison."""

FORM_WORDS = tuple(
    word for word in fold_words((*LEGAL_FORMS, *PARTS_OF_FORMS)) if word not in set(FORMS_THAT_ARE_WORDS)
)
"""Words that are dropped from the end of a folded name."""

FORMS_BEFORE_WORDS = tuple(word for word in fold_words(FORMS_BEFORE) if word not in set(FORMS_THAT_ARE_WORDS))
"""Words that are dropped from the start of a folded name."""

FORM_OF_WORD = {word: LEGAL_FORMS.means[word] for word in FORM_WORDS if LEGAL_FORMS.means.get(word, word) != word}
"""Legal forms spelt out, to the form."""

FORM_ABROAD = {"ooo": "llc", "tov": "llc"}
"""Legal forms, to the form that their firms give in English."""

ORGANISATION_WORDS = WordList(
    name="words of organisations",
    source="our own: commonest words in lists of US and UK organisations",
    as_of="2026-11-29",
    means=plain(
        "center centre school academy church restaurant cafe hotel bar club association services university college "
        "institute foundation store shop house grill bank hospital clinic council department care head start learning"
    ),
)
"""Words that occur in names of organisations and not of persons."""

ORGANISATION_SHORT = WordList(
    name="short words of organisations",
    source="our own: abbreviations met in lists of US and UK organisations",
    as_of="2026-11-29",
    means={
        **spelt(
            {
                "center": "ctr cntr centre cntre",
                "association": "assn assoc",
                "department": "dept",
                "development": "dev",
                "community": "comm",
                "services": "svcs svc service",
                "international": "intl",
                "national": "natl",
                "manufacturing": "mfg",
                "university": "univ",
                "institute": "inst",
                "academy": "acad",
                "elementary": "elem",
                "school": "sch",
                "technology": "tech technologies",
                "management": "mgmt",
                "brothers": "bros",
                "st": "saint",
                "hospital": "hosp",
                "government": "govt",
                "laboratory": "lab labs",
                "group": "grp",
                "products": "prods",
                "systems": "sys",
                "family": "fam",
                "neighborhood": "neigh neighbourhood",
                "society": "soc",
                "church": "ch",
            }
        ),
        "daycare": "day care",
        "preschool": "pre school",
        "childcare": "child care",
    },
)
"""Words of company names with several spellings, to the spelling that is compared."""

SMALL_WORDS = WordList(
    name="small words",
    source="our own: articles and prepositions of English, German, French and Spanish",
    as_of="2026-11-29",
    means=plain("the of and a an for in at und et der die das la le les de du des y e el los"),
)
"""Words that do not distinguish company names."""
