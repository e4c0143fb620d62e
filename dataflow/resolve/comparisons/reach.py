"""The comparisons that people and companies share: contact data and addresses."""

from __future__ import annotations

from dataclasses import replace

from dataflow.resolve.comparisons.parts import Comparison, Level, alike, both, typo


def phone(kin: tuple[float, ...]) -> Comparison:
    """Return the comparison of telephones; `kin` is the distribution of its four levels between kin."""
    return Comparison(
        name="phone",
        columns=("phone",),
        missing=both("phone"),
        levels=tuple(replace(level, kin=share) for level, share in zip(_PHONE_LEVELS, kin, strict=True)),
    )


_PHONE_LEVELS = (
    Level(label="same telephone", condition="phone_l = phone_r", m=0.60, odds=6, frequency_of="phone"),
    Level(
        label="same last seven digits",
        condition="length(phone_l) >= 7 AND right(phone_l, 7) = right(phone_r, 7)",
        m=0.02,
    ),
    Level(label="one digit apart", condition=typo("phone", edits=1), m=0.05),
    Level(label="other telephone", condition="ELSE", m=0.33),
)

# also where the two address lines are swapped
_SAME_STREET = (
    f"({alike('street', 0.88)} OR contains(street_l, street_r) OR contains(street_r, street_l)"
    " OR jaro_winkler_similarity(street_l, line2_r) >= 0.9"
    " OR jaro_winkler_similarity(line2_l, street_r) >= 0.9)"
)
_SAME_HOUSE = "house_number_l = house_number_r"
_LIKE_HOUSE = (
    "(contains(house_number_l, house_number_r) OR contains(house_number_r, house_number_l)"
    " OR abs(try_cast(house_number_l AS INT) - try_cast(house_number_r AS INT)) <= 4)"
)
_SAME_CITY = f"({alike('city', 0.88)} OR contains(city_l, city_r) OR contains(city_r, city_l))"
_SAME_POSTCODE = "postcode_l = postcode_r"
_LIKE_POSTCODE = "levenshtein(postcode_l, postcode_r) <= 2"
_SAME_PLACE = f"({_SAME_POSTCODE} OR {_SAME_CITY})"
_NO_PLACE = "(postcode_l IS NULL OR postcode_r IS NULL) AND (city_l IS NULL OR city_r IS NULL)"


def address(kin: tuple[float, ...]) -> Comparison:
    """Return the comparison of addresses; `kin` is the distribution of its twelve levels between kin."""
    # one comparison for all parts: they depend on one another, and separate ones would count the same evidence again
    return Comparison(
        name="address",
        columns=("street", "house_number", "postcode", "city"),
        missing="(street_l IS NULL OR street_r IS NULL) AND (postcode_l IS NULL OR postcode_r IS NULL)"
        " AND (city_l IS NULL OR city_r IS NULL)",
        levels=tuple(replace(level, kin=share) for level, share in zip(_ADDRESS_LEVELS, kin, strict=True)),
    )


_ADDRESS_LEVELS = (
    Level(
        label="same door",
        condition=f"{_SAME_STREET} AND {_SAME_HOUSE} AND ({_SAME_PLACE} OR ({_NO_PLACE}))"
        " AND unit_l IS NOT DISTINCT FROM unit_r",
        m=0.36,
        frequency_of="door",
    ),
    Level(
        label="same house",
        condition=f"{_SAME_STREET} AND {_SAME_HOUSE} AND ({_SAME_PLACE} OR ({_NO_PLACE}))",
        m=0.08,
        frequency_of="door",
    ),
    Level(label="same street and number, other place", condition=f"{_SAME_STREET} AND {_SAME_HOUSE}", m=0.02),
    Level(
        label="same street, number missing or nearly the same",
        condition=f"{_SAME_STREET} AND {_SAME_PLACE}"
        f" AND (house_number_l IS NULL OR house_number_r IS NULL OR {_LIKE_HOUSE})",
        m=0.04,
    ),
    Level(label="same number and place", condition=f"{_SAME_HOUSE} AND {_SAME_PLACE}", m=0.03),
    Level(label="same street, other house", condition=f"{_SAME_STREET} AND {_SAME_PLACE}", m=0.02),
    Level(
        label="same postcode and city",
        condition=f"{_SAME_POSTCODE} AND {_SAME_CITY}",
        m=0.10,
        frequency_of="postcode",
    ),
    Level(label="same postcode", condition=_SAME_POSTCODE, m=0.05, frequency_of="postcode"),
    Level(label="same city", condition="city_l = city_r", m=0.12, frequency_of="city"),
    Level(label="city much alike", condition=_SAME_CITY, m=0.03),
    Level(label="like postcode or street", condition=f"{_LIKE_POSTCODE} OR {_SAME_STREET}", m=0.03),
    Level(label="other address", condition="ELSE", m=0.20),
)

LINE2 = Comparison(
    name="line2",
    columns=("line2",),
    missing=both("line2"),
    levels=(
        Level(label="same second line", condition="line2_l = line2_r", m=0.70, kin=0.6),
        Level(
            label="second line alike or in the other line",
            condition=f"{alike('line2', 0.88)} OR jaro_winkler_similarity(street_l, line2_r) >= 0.9"
            " OR jaro_winkler_similarity(line2_l, street_r) >= 0.9",
            m=0.15,
            kin=0.1,
        ),
        Level(label="other second line", condition="ELSE", m=0.15, kin=0.3),
    ),
)

# region and country add no evidence where both cities are known
_CITIES = "(city_l IS NOT NULL AND city_r IS NOT NULL)"

REGION = Comparison(
    name="region",
    columns=("region",),
    missing=f"{both('region')} OR {_CITIES}",
    levels=(
        Level(label="same region", condition="region_l = region_r", m=0.9, kin=0.9, frequency_of="region"),
        Level(label="other region", condition="ELSE", m=0.1, kin=0.1),
    ),
)

COUNTRY = Comparison(
    name="country",
    columns=("country_code",),
    missing=f"{both('country_code')} OR (country_code_l = country_code_r AND {_CITIES})",
    levels=(
        Level(label="same country", condition="country_code_l = country_code_r", m=0.96, kin=0.96),
        Level(label="other country", condition="ELSE", m=0.04, kin=0.04),
    ),
)

# "tax:123 passport:456": each number with its sort, where the source gives it; only numbers of one sort are compared
_NUMBERS = "string_split(identifier_{}, ' ')"
_SORTS = f"list_transform({_NUMBERS}, x -> regexp_extract(x, '^([^:]*):', 1))"

IDENTIFIER = Comparison(
    name="identifier",
    columns=("identifier",),
    missing=f"{both('identifier')} OR NOT list_has_any({_SORTS.format('l')}, {_SORTS.format('r')})",
    levels=(
        Level(
            label="same identifier",
            condition=f"list_has_any({_NUMBERS.format('l')}, {_NUMBERS.format('r')})",
            m=0.93,
            kin=0.01,
            odds=200,
        ),
        Level(
            label="identifier mistyped",
            condition=f"length(identifier_l) > 5 AND {typo('identifier', edits=1)}",
            m=0.05,
            kin=0.01,
        ),
        Level(label="other identifier", condition="ELSE", m=0.02, kin=0.98),
    ),
)
