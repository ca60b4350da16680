"""The wording of questions. Subjects are entities or descriptions, e.g. "the home port of ...".

Half of the wordings leave the comparison implicit: whether a traveller could have visited a city
in a year depends on when it was founded. All point one way (yes means earlier, more, alike), so
that a student of a million parameters spends its few annotations on facts and on comparing them,
not on telling "older" from "younger".
"""

from __future__ import annotations

# {0} comes before (years) or exceeds (amounts) the threshold {1}.
THRESHOLD: dict[str, tuple[str, ...]] = {
    "city.founded": ("Was {0} founded before {1}?", "Could a traveller have seen {0} in {1}?"),
    "city.population": (
        "Does {0} have more than {1} thousand people?",
        "Are {1} thousand loaves too few for {0}?",
    ),
    "river.length": (
        "Is {0} longer than {1} leagues?",
        "Is food for {1} leagues too little along {0}?",
    ),
    "ship.launched": ("Was {0} launched before {1}?", "Could a storm of {1} have hit {0}?"),
    "ship.crew": (
        "Does {0} carry more than {1} sailors?",
        "Are {1} hammocks too few for {0}?",
    ),
    "person.born": ("Was {0} born before {1}?", "Had the mother of {0} given birth by {1}?"),
    "person.died": ("Did {0} die before {1}?", "Was {0} already buried in {1}?"),
    "realm.founded": ("Was {0} proclaimed before {1}?", "Could {0} have sent envoys in {1}?"),
    "guild.founded": ("Was {0} chartered before {1}?", "Could {0} have held a feast in {1}?"),
}
# {0} comes before or exceeds {1}.
COMPARE: dict[str, tuple[str, ...]] = {
    "city.founded": ("Is {0} older than {1}?", "Could men of {0} have founded {1}?"),
    "city.population": (
        "Does {0} have more people than {1}?",
        "Would {0} starve on the bread of {1}?",
    ),
    "river.length": ("Is {0} longer than {1}?", "Does {0} take more days to travel than {1}?"),
    "ship.launched": ("Was {0} launched before {1}?", "Had {0} sailed when {1} was built?"),
    "ship.crew": (
        "Does {0} carry more sailors than {1}?",
        "Would {0} run out of hammocks with those of {1}?",
    ),
    "person.born": ("Was {0} born before {1}?", "Is {0} older than {1}?"),
    "person.died": ("Did {0} die before {1}?", "Was {0} already buried at the death of {1}?"),
    "realm.founded": ("Is {0} older than {1}?", "Was {0} proclaimed before {1}?"),
    "guild.founded": ("Is {0} older than {1}?", "Was {0} chartered before {1}?"),
}
# The option that comes first or has more.
WHICH: dict[str, tuple[str, ...]] = {
    "city.founded": ("Which city is older?",),
    "city.population": ("Which city has more people?",),
    "river.length": ("Which river is longer?",),
    "ship.launched": ("Which ship was launched before the other?",),
    "ship.crew": ("Which ship carries more sailors?",),
    "person.born": ("Who was born before the other?",),
    "person.died": ("Who died before the other?",),
}
# {0} and {1} together exceed {2}.
SUM: dict[str, tuple[str, ...]] = {
    "city.population": (
        "Do {0} and {1} together have more than {2} thousand people?",
        "Are {2} thousand loaves too few for {0} and {1} together?",
    ),
    "river.length": (
        "Are {0} and {1} together longer than {2} leagues?",
        "Is food for {2} leagues too little along {0} and {1}?",
    ),
    "ship.crew": (
        "Do {0} and {1} together carry more than {2} sailors?",
        "Are {2} hammocks too few for {0} and {1} together?",
    ),
}
# The lives of {0} and {1} overlap.
OVERLAP = ("Could {0} and {1} have met?", "Were {0} and {1} ever alive together?")
# The event lies inside the life of {0}.
EVENT: dict[str, tuple[str, ...]] = {
    "city.founded": (
        "Could {0} have helped to found {1}?",
        "Was {0} alive when {1} was founded?",
    ),
    "ship.launched": (
        "Could {0} have watched the launch of {1}?",
        "Was {0} alive when {1} was launched?",
    ),
}
# Whose category, of the two options, is older.
CATEGORY_OPTIONS: dict[str, tuple[str, ...]] = {
    "realm.founded": ("Which city lies in the older realm?",),
    "guild.founded": ("Who belongs to the older guild?",),
}
# Descriptions of a city, realm or guild by the entity that leads to it.
VIA: dict[str, dict[str, str]] = {
    "city": {
        "river.city": "the city on the {0}",
        "ship.city": "the home port of the {0}",
        "person.city": "the home town of {0}",
    },
    "realm": {"city.realm": "the realm around {0}"},
    "guild": {"person.guild": "the guild of {0}"},
}
ARTICLE = {"city": "", "person": "", "river": "the ", "ship": "the "}


def wordings() -> tuple[str, ...]:
    """Every wording there is, for the tokenizer."""
    tables = (THRESHOLD, COMPARE, WHICH, CATEGORY_OPTIONS, SUM, EVENT)
    texts = [text for table in tables for group in table.values() for text in group]
    ways = [text for group in VIA.values() for text in group.values()]
    return (*texts, *OVERLAP, *ways, *ARTICLE.values())
