"""The sentences of notices, and what each does.

Slots in small letters hold cues. `{cue}` and `{act}` decide: that is what the notice is about.
`{other}` and `{other_act}` do not: they belong to another class, and the sentence says why they do
not count. Slots in capitals hold entities. A slot comes at most once in a frame.

The rule: what holds now, for the reader, and in the main clause decides. What is denied, over,
quoted or merely supposed does not; of two things that do hold, the main clause decides over the
one that gives its cause or circumstance, and what the reader is asked to do over what is reported.
"""

from __future__ import annotations

DISTRACTORS = ("negation", "past_event", "quoted", "hypothetical")
"""Phenomena in which a sentence names another class that does not count."""
WORDINGS = ("rare_cue", "abbreviation")
"""Phenomena of the wording of the cue that decides; a text has at most one of them."""
PHENOMENA = (*DISTRACTORS, "mixture", *WORDINGS, "long_lead_in")
LEAD = 3
"""Sentences before the first one that decides that make a long lead-in."""

FRAMES: dict[str, tuple[str, ...]] = {
    "announce": (
        "There will be {cue} in {PLACE} on {DATE}.",
        "{ORG} announces {cue} for {DATE}.",
        "Please note {cue} in {PLACE}.",
        "On {DATE} there is {cue} at {ORG}.",
        "{PERSON} has confirmed {cue} for {DATE}.",
        "Notice of {cue} around {PLACE}, from {DATE}.",
        "This is to tell you of {cue} at {ORG}.",
        "{ORG} reports {cue} in {PLACE}.",
        "{PLACE} has {cue} ahead.",
        "We now have {cue}, says {PERSON} of {ORG}.",
        "What {PERSON} feared or hoped for is here: {cue}.",
        "From {DATE} on it is certain: {cue}.",
    ),
    "request": (
        "Please {act}.",
        "You are asked to {act}.",
        "{ORG} would like you to {act}.",
        "If you live in {PLACE}, do {act}.",
        "Make sure to {act} by {DATE}.",
        "{PERSON} asks you to {act}.",
        "Remember to {act}.",
        "The best thing now is to {act}.",
    ),
    "negation": (
        "This is not about {other}.",
        "Nobody is speaking of {other}, whatever {PERSON} says.",
        "{ORG} denies that there is {other}.",
        "There is no truth in the talk of {other} in {PLACE}.",
        "You need not {other_act}.",
        "There is no call to {other_act}.",
        "There will be {cue} on {DATE}, not {other}.",
        "It is {cue} rather than {other} that {ORG} has to report.",
        "{PLACE} is spared {other}, but has {cue} from {DATE}.",
        "What {ORG} has is not {other} but {cue}.",
    ),
    "past_event": (
        "On {DATE} last year there was {other} in {PLACE}.",
        "{PERSON} still remembers {other}, years ago.",
        "Back then {ORG} wanted you to {other_act}.",
        "With {other} last winter, {PLACE} has done its share.",
        "Until last year you had to {other_act}.",
        "What was announced for {DATE}, {other}, is over and done with.",
        "Last year {ORG} had {other}; now it is {cue}.",
        "After {other} in spring comes {cue} on {DATE}.",
    ),
    "quoted": (
        'An old poster in {PLACE} reads "{other}".',
        '{PERSON} has written a song called "{other}".',
        'The motto of {ORG} is "{other_act}".',
        'In the school play in {PLACE} they shout "{other_act}".',
        'The crossword of {DATE} had "{other}" in it.',
        'In a novel by {PERSON} a sign says "{other_act}".',
        'Under the headline "{other}", {ORG} tells you of {cue}.',
    ),
    "hypothetical": (
        "Should there ever be {other}, {PERSON} will tell you.",
        "If one day {ORG} had {other}, you would hear of it.",
        "Had it been {other}, {PLACE} would know by now.",
        "One day {ORG} might ask you to {other_act}, but not yet.",
        "Suppose there were {other}: you would have to call {PERSON}.",
        "If it were {other}, and it is {cue}, {ORG} would say so.",
    ),
    "mixture": (
        "Because of {other}, there will be {cue} in {PLACE} on {DATE}.",
        "Despite {other} in {PLACE}, {ORG} has {cue} for you.",
        "{ORG} keeps to {cue} on {DATE} in spite of {other}.",
        "While {PLACE} has {other}, it is {cue} that {PERSON} writes about.",
        "There is {other} in {PLACE}; all the same, please {act}.",
        "{ORG} reports {other}, and asks you to {act}.",
        "As there is {other} on {DATE}, you are asked to {act}.",
        "With {other} going on in {PLACE}, {PERSON} tells everyone of {cue}.",
    ),
    "aside": (
        "Dear readers in {PLACE}.",
        "Good morning from {ORG}.",
        "A word from {PERSON}.",
        "Greetings to all friends of {ORG}.",
        "This page is made by {PERSON}, as always.",
        "{PERSON} of {ORG} is there for your questions.",
        "{ORG} has its office in {PLACE}.",
        "{PLACE} lies an hour from the coast.",
        "{PERSON} was in the paper on {DATE}.",
        "{ORG} has made the {PRODUCT} for some years.",
        "The {PRODUCT} was first shown in {PLACE}.",
        "Since {DATE}, {PERSON} has worked for {ORG}.",
        "The bridge to {PLACE} has a new coat of paint.",
        "Many people own the {PRODUCT} by now.",
        "{ORG} thanks {PERSON} for many good years.",
        "The office is open until five on {DATE}.",
        "Call {PERSON} at any time.",
        "Some of you know {PLACE} from earlier issues.",
        "The next page comes on {DATE}.",
        "All this was put together with the help of {PERSON}.",
        "The road from {PLACE} passes {ORG}.",
        "{PERSON} likes the {PRODUCT} best.",
        "It has been a quiet month.",
        "Thank you for reading.",
        # Four of a kind: near the name they are alike, and only what follows tells its type.
        "{PERSON} has been talked of a good deal since her fortieth birthday.",
        "{ORG} has been talked of a good deal since its shares were split.",
        "{PLACE} has been talked of a good deal since its town wall fell.",
        "{PRODUCT} has been talked of a good deal since its spare parts ran out.",
        "In an earlier issue we wrote of {PERSON} and the two sisters from her first marriage.",
        "In an earlier issue we wrote of {ORG} and the two managers from its main branch.",
        "In an earlier issue we wrote of {PLACE} and the two streets from its market square.",
        "In an earlier issue we wrote of {PRODUCT} and the two buttons on its back.",
        "Readers ask about {PERSON} again and again, and hope that she will sing once more.",
        "Readers ask about {ORG} again and again, and wonder who will be its next director.",
        "Readers ask about {PLACE} again and again, and plan to spend a holiday there.",
        "Readers ask about {PRODUCT} again and again, and want to know which batteries fit.",
        "Next to {PERSON} every other singer looks small.",
        "Next to {ORG} every other employer looks small.",
        "Next to {PLACE} every other town looks small.",
        "Next to {PRODUCT} every other gadget looks small.",
        "On the wall the children have drawn {PERSON} with a very long beard.",
        "On the wall the children have drawn {ORG} with a very busy doorman.",
        "On the wall the children have drawn {PLACE} with a very steep church tower.",
        "On the wall the children have drawn {PRODUCT} with a very thick handle.",
    ),
}
DECIDING = ("cue", "act")
"""Slots whose class is that of the notice."""
