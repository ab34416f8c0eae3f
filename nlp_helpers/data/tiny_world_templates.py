"""The sentence templates of tiny-world: what can happen, and several ways to say it.

A template is a line of words and {slots}. A word's part of speech stands behind a slash where the
lists below do not say it. All templates of one event mean the same: any two are paraphrases. A
template that begins with ``*`` is held out: only the split "test-templates" shows it.
"""

from typing import NamedTuple

_FUNCTION_WORDS = {
    "DET": "the a an this that these those every no some each another both",
    "PRON": "she he her him they it who something nobody everybody you there which what all",
    "ADP": "at in on to from with by for of near behind beside between after before about "
    "into under without around during as than like",
    "AUX": "was were is are be been had has have did do does would could should will can",
    "CCONJ": "and but or",
    "SCONJ": "because that while when although if where how",
    "ADV": "not never now then later still again soon very also once first ever longer already "
    "away inside outside often together here",
    "PART": "'s",
    "NOUN": "day home house job company town birthday gift door people help money time hands "
    "owner lesson winner seller buyer end teacher teachers",
    "VERB": "bought sold paid gave got lent borrowed showed saw sent lost found left noticed broke "
    "repaired fixed hid put brought carried wanted hoped searched looked went arrived met talked "
    "thanked helped called invited asked visited came taught learned followed praised scolded "
    "forgave hugged lived worked knew felt seemed liked became hope find buy own stopped being "
    "made keep dropped received spoke heard loved said took thought joined remembered stood using "
    "owned needed need held carry share",
    "ADJ": "full own ready little good",
    "PUNCT": ". , ? ;",
}
FUNCTION_POS = {w: pos for pos, words in _FUNCTION_WORDS.items() for w in words.split()}


class Event(NamedTuple):
    """A kind of event: its slots (besides the persons), the kind of its free slot, its ways.

    ``free`` names the list that the slot {F} is drawn from; ``roles`` are "A" (who does it), "B"
    (to or with whom) and "O" (a thing), as far as there are.
    """

    roles: str
    free: str
    forms: tuple[str, ...]


def _event(roles: str, free: str, *forms: str) -> Event:
    return Event(roles, free, forms)


EVENTS: dict[str, Event] = {
    "live": _event(
        "A",
        "town",
        "{A} lived in {F}",
        "the home of {A} was in {F}",
        "{A} had a house in {F}",
        "in {F} there was the house of {A}",
        "{F} was where {A} lived",
        "*{F} was the home of {A}",
    ),
    "job": _event(
        "A",
        "profession",
        "{A} worked as a {F}",
        "{A} was a {F} by profession/NOUN",
        "the job of {A} was that/PRON of a {F}",
        "{A} was given/VERB the job of a {F}",
        "*as a {F} , {A} had a job",
    ),
    "employ": _event(
        "A",
        "company",
        "{A} worked for {F}",
        "{A} had a job at {F}",
        "{F} gave {A} a job",
        "*{F} was where {A} worked",
    ),
    "go": _event(
        "A",
        "place",
        "{A} went to the {F}",
        "then {A} arrived at the {F}",
        "{A} took the way/NOUN to the {F}",
        "it was {A} who went to the {F}",
        "*to the {F} went {A}",
    ),
    "meet": _event(
        "AB",
        "place",
        "{A} met {B} at the {F}",
        "at the {F} , {A} met {B}",
        "{A} and {B} met at the {F}",
        "*it was at the {F} that {A} met {B}",
    ),
    "want": _event(
        "AO",
        "time",
        "{F} , {A} wanted {O}",
        "{A} hoped to/PART buy {O} {F}",
        "what {A} needed {F} was {O}",
        "*{A} needed {O} {F}",
    ),
    "buy": _event(
        "AO",
        "place",
        "{A} bought {O} at the {F}",
        "{O} was bought by {A} at the {F}",
        "at the {F} , {A} paid for {O}",
        "*it was {A} who bought {O} at the {F}",
    ),
    "sell": _event(
        "ABO",
        "time",
        "{A} sold {B} {O} {F}",
        "{A} sold {O} to {B} {F}",
        "{F} , {B} bought {O} from {A}",
        "*{O} was sold to {B} by {A} {F}",
    ),
    "give": _event(
        "ABO",
        "time",
        "{A} gave {B} {O} {F}",
        "{A} gave {O} to {B} {F}",
        "{F} , {B} got {O} from {A}",
        "*{O} was given/VERB to {B} by {A} {F}",
    ),
    "lend": _event(
        "ABO",
        "time",
        "{A} lent {B} {O} {F}",
        "{A} lent {O} to {B} {F}",
        "{F} , {B} borrowed {O} from {A}",
        "*{O} was lent to {B} by {A} {F}",
    ),
    "show": _event(
        "ABO",
        "place",
        "{A} showed {B} {O} at the {F}",
        "{A} showed {O} to {B} at the {F}",
        "at the {F} , {O} was shown/VERB to {B} by {A}",
        "*it was {A} who showed {O} to {B} at the {F}",
    ),
    "send": _event(
        "ABO",
        "time",
        "{A} sent {B} {O} {F}",
        "{A} sent {O} to {B} {F}",
        "{F} , {B} received {O} from {A}",
        "*{O} was sent to {B} by {A} {F}",
    ),
    "lose": _event(
        "AO",
        "place",
        "{A} lost/VERB {O} at the {F}",
        "{O} was lost/VERB by {A} at the {F}",
        "at the {F} , {A} dropped {O} without/SCONJ seeing/VERB it",
        "*it was {A} who lost/VERB {O} at the {F}",
    ),
    "search": _event(
        "AO",
        "place",
        "{A} looked for {O} at the {F}",
        "{A} searched the {F} for {O}",
        "at the {F} , {A} searched for {O}",
        "*the {F} was searched by {A} for {O}",
    ),
    "find": _event(
        "AO",
        "place",
        "{A} found {O} at the {F}",
        "{O} was found by {A} at the {F}",
        "at the {F} , {A} noticed {O}",
        "*it was {A} who found {O} at the {F}",
    ),
    "break": _event(
        "AO",
        "time",
        "{A} broke {O} {F}",
        "{O} was broken/VERB by {A} {F}",
        "{F} , {O} broke in the hands of {A}",
        "*it was {A} who broke {O} {F}",
    ),
    "repair": _event(
        "AO",
        "time",
        "{A} repaired {O} {F}",
        "{O} was repaired by {A} {F}",
        "{F} , {A} fixed {O}",
        "*it was {A} who repaired {O} {F}",
    ),
    "hide": _event(
        "AO",
        "place",
        "{A} hid {O} at the {F}",
        "{O} was hidden/VERB by {A} at the {F}",
        "at the {F} , {A} put {O} where nobody looked",
        "*it was {A} who hid {O} at the {F}",
    ),
    "bring": _event(
        "AO",
        "place",
        "{A} brought {O} to the {F}",
        "{O} was brought to the {F} by {A}",
        "{A} carried {O} to the {F}",
        "*to the {F} , {A} brought {O}",
    ),
    "thank": _event(
        "AB",
        "time",
        "{A} thanked {B} {F}",
        "{B} was thanked by {A} {F}",
        "{F} , {A} said thanks/NOUN to {B}",
        "*it was {A} who thanked {B} {F}",
    ),
    "help": _event(
        "AB",
        "place",
        "{A} helped {B} at the {F}",
        "{B} got help/NOUN from {A} at the {F}",
        "at the {F} , {B} was helped by {A}",
        "*it was {A} who helped {B} at the {F}",
    ),
    "phone": _event(
        "AB",
        "time",
        "{A} called {B} {F}",
        "{B} was called by {A} {F}",
        "{F} , {B} got a call/NOUN from {A}",
        "*it was {A} who called {B} {F}",
    ),
    "invite": _event(
        "AB",
        "place",
        "{A} invited {B} to the {F}",
        "{B} was invited to the {F} by {A}",
        "{A} asked {B} to/PART come/VERB to the {F}",
        "*to the {F} , {A} invited {B}",
    ),
    "visit": _event(
        "AB",
        "time",
        "{A} visited {B} {F}",
        "{B} was visited by {A} {F}",
        "{F} , {A} came to the house of {B}",
        "*it was {A} who visited {B} {F}",
    ),
    "teach": _event(
        "AB",
        "skill",
        "{A} taught {B} to/PART {F}",
        "{B} learned from {A} how to/PART {F}",
        "{A} showed {B} how to/PART {F}",
        "*{B} was taught to/PART {F} by {A}",
    ),
    "follow": _event(
        "AB",
        "place",
        "{A} followed {B} to the {F}",
        "{B} was followed to the {F} by {A}",
        "{B} went to the {F} , and {A} came after",
        "*it was {A} who followed {B} to the {F}",
    ),
    "praise": _event(
        "AB",
        "time",
        "{A} praised {B} {F}",
        "{B} was praised by {A} {F}",
        "{F} , {A} spoke well/ADV of {B}",
        "*it was {A} who praised {B} {F}",
    ),
    "scold": _event(
        "AB",
        "time",
        "{A} scolded {B} {F}",
        "{B} was scolded by {A} {F}",
        "{F} , {B} heard hard/ADJ words/NOUN from {A}",
        "*it was {A} who scolded {B} {F}",
    ),
    "forgive": _event(
        "AB",
        "time",
        "{A} forgave {B} {F}",
        "{B} was forgiven/VERB by {A} {F}",
        "{F} , {A} was no longer angry with {B}",
        "*it was {A} who forgave {B} {F}",
    ),
    "hug": _event(
        "AB",
        "time",
        "{A} hugged {B} {F}",
        "{B} was hugged by {A} {F}",
        "{F} , {A} held {B} in both arms/NOUN",
        "*it was {A} who hugged {B} {F}",
    ),
}

# Feelings. {X} and {Y} are feelings of opposite sign, {F} a time. "+X" says: the sign of X.
FEELINGS: dict[str, tuple[str, ...]] = {
    "plain": (
        "{A} was {X} {F}",
        "{F} , {A} felt {X}",
        "{A} became {X} {F}",
        "how {X} {A} was {F}",
        "{F} everybody knew that {A} was {X}",
        "{F} , {A} seemed {X}",
        "*it was {F} that {A} felt {X}",
    ),
    "negated": (
        "{A} was not {X} {F}",
        "{F} , {A} did not feel/VERB {X}",
        "{A} was no longer {X} {F}",
        "nobody said that {A} was {X} {F}",
        "{F} , {A} stopped being/AUX {X}",
        "{A} was never {X} {F}",
        "{F} , {A} did not seem/VERB {X}",
        "*{X} was not what {A} felt {F}",
    ),
    "change": (
        "{A} was {Y} at first , but {F} {A} was {X}",
        "first {A} seemed {Y} , then {A} became {X} {F}",
        "{A} was {X} {F} , although {A} was {Y} before/ADV",
        "{F} {A} was {X} , but first {A} was {Y}",
        "although {A} was {Y} once , {A} was {X} {F}",
        "{A} stopped being/AUX {Y} and {F} became {X}",
        "*{A} was {X} {F} , but {A} was {Y} before/ADV",
    ),
}
# {M} and {N} are topics, {X} and {Y} judgements of opposite sign; the sign of X counts.
JUDGEMENTS: dict[str, tuple[str, ...]] = {
    "plain": (
        "the {M} was {X}",
        "{A} said that the {M} was {X}",
        "everybody found/VERB the {M} {X}",
        "how {X} the {M} was for {A}",
        "{A} knew that the {M} was {X}",
        "*what/DET {X} {M} it was",
    ),
    "negated": (
        "the {M} was not {X}",
        "the {M} was never {X}",
        "{A} did not find the {M} {X}",
        "the {M} was no longer {X}",
        "{A} knew that the {M} was not {X}",
        "*{A} noticed that the {M} was not {X}",
    ),
    "contrast": (
        "the {N} was {Y} , but the {M} was {X}",
        "although the {N} was {Y} , the {M} was {X}",
        "the {M} was {X} , although the {N} was {Y}",
        "{A} found/VERB the {N} {Y} , but the {M} {X}",
        "first the {N} was {Y} , but then the {M} was {X}",
        "the {M} became {X} , although {A} found/VERB the {N} {Y}",
        "*the {N} seemed {Y} , but the {M} seemed {X}",
        "*the {M} seemed {X} , although the {N} seemed {Y}",
    ),
}

# Clauses with a word {W} of several senses, by the cues of its sense that they hold. In two of
# three sentences another clause of the same kind, with another noun for {W}, holds as many cues of
# another sense.
SENSE_CLAUSES: dict[str, tuple[str, ...]] = {
    "near adj": (
        "the {adj} {W} was near the {near}",
        "{A} saw/VERB the {adj} {W} and the {near}",
        "the {W} by the {near} was {adj}",
        "{A} liked the {adj} {W} behind the {near}",
        "the {near} was behind the {adj} {W}",
        "{A} went from the {near} to the {adj} {W}",
        "{A} liked the {W} near the {near} because it was {adj}",
        "nobody liked the {adj} {W} of the {near}",
        "{A} looked at the {near} and at the {adj} {W}",
        "the {W} was {adj} , like the {near}",
        "{A} thought about the {near} and the {adj} {W}",
        "*there was the {adj} {W} beside the {near}",
        "*{A} noticed how {adj} the {W} near the {near} was",
    ),
    "near stuff": (
        "there were {stuff} between the {W} and the {near}",
        "{A} noticed {stuff} around the {W} and the {near}",
        "the {W} near the {near} had {stuff}",
        "{A} found/VERB {stuff} between the {near} and the {W}",
        "the {near} had {stuff} , and so/ADV had the {W}",
        "{A} brought {stuff} from the {near} to the {W}",
        "without {stuff} the {W} by the {near} was not ready",
        "no {stuff} were near the {near} or the {W}",
        "{A} thought about {stuff} , the {near} and the {W}",
        "the {near} was full of {stuff} , like the {W}",
        "*{stuff} were beside the {W} and the {near}",
    ),
    "near did": (
        "{A} {did} the {W} beside the {near}",
        "the {W} that {A} {did} was behind the {near}",
        "{A} went to the {near} and {did} the {W}",
        "at the {near} {A} {did} the {W}",
        "it was {A} who {did} the {W} at the {near}",
        "nobody {did} the {W} near the {near}",
        "first {A} looked at the {near} and then {did} the {W}",
        "the {near} was where {A} {did} the {W}",
        "the {W} was {did} when {A} was at the {near}",
        "the {near} was behind the {W} that {A} {did}",
        "*the {W} near the {near} was {did} by {A}",
    ),
    "near adj stuff": (
        "the {adj} {W} near the {near} had {stuff}",
        "there were {stuff} between the {adj} {W} and the {near}",
        "{A} noticed {stuff} around the {near} and the {adj} {W}",
        "the {W} by the {near} was {adj} and full of {stuff}",
        "{A} brought {stuff} from the {adj} {W} to the {near}",
        "because of {stuff} the {W} near the {near} became {adj}",
        "*the {adj} {W} and the {near} were full of {stuff}",
    ),
    "near adj did": (
        "{A} {did} the {adj} {W} beside the {near}",
        "the {adj} {W} that {A} {did} was near the {near}",
        "{A} looked at the {near} and {did} the {adj} {W}",
        "the {W} was {adj} when {A} {did} it at the {near}",
        "nobody {did} the {adj} {W} behind the {near}",
        "at the {near} there was the {adj} {W} that {A} {did}",
        "*the {adj} {W} of the {near} was {did} by {A}",
    ),
}
# What stands around a clause {C} with {W}; {D} is the other clause, {F} a time, {A} a person.
SENSE_SENTENCES: tuple[str, ...] = (
    "{C}",
    "{F} , {C}",
    "{A} knew that {C}",
    "that day {C}",
    "{C} , and {D}",
    "{D} , and {C}",
    "{C} , but {D}",
    "{D} , but {C}",
    "{F} , {C} , and {D}",
    "{A} said that {D} and that {C}",
    "{A} knew that {C} , but {D}",
    "*{C} , although {D}",
    "*although {D} , {C}",
    "*it was said that {C}",
)

# Agreement: {n} and {m} are nouns, {be} and {act} agree with {n}; {m} is often of the other number.
SCENES: tuple[str, ...] = (
    "the {n} near the {m} {be} {adj}",
    "the {n} behind the {m} {act} every day",
    "the {n} that the {p} saw/VERB {be} {adj} now",
    "in the {F} , the {n} beside the {m} {act}",
    "*the {n} between the {m} and the {F} {be} {adj}",
    "*every day the {n} around the {m} {act}",
)
# Nouns and verbs of one form: {n} and {v} are slots for the same words.
NOUN_CONTEXTS: tuple[str, ...] = (
    "the {n} was {adj}",
    "{A} liked the {n} at the {F}",
    "after the {n} , {A} went home/ADV",
    "there was no {n} that day",
    "{A} thought about the {n} of {B}",
    "who liked the {n} of {A} ?",
    "where was the {n} at the {F} ?",
    "{A} and {B} talked about a/DET good {n}",
    "the {n} of {A} was not {adj}",
    "how {adj} the {n} was for {A}",
    "because of the {n} , {A} was late/ADJ",
    "at the {F} there was the {adj} {n} of {A}",
    "it was the {n} that {A} liked",
    "*without the {n} , the day was {adj}",
    "*this {n} was {adj} for {A}",
)
VERB_CONTEXTS: tuple[str, ...] = (
    "{A} wanted to/PART {v} at the {F}",
    "the {ps} {v} every day",
    "they {v} and the {ps} {act}",
    "{A} did not {v} that day",
    "{A} asked {B} to/PART {v} again",
    "did {A} {v} at the {F} ?",
    "when the {ps} {v} , {A} came/VERB home/ADV",
    "{A} learned how to/PART {v} at the {F}",
    "where did {A} and {B} {v} ?",
    "to/PART {v} was what {A} wanted",
    "all/DET the {ps} at the {F} {v} now",
    "{A} said that the {ps} {v}",
    "*{A} liked to/PART {v} with {B}",
    "*at the {F} , the {ps} {v} again",
)

# What may be done with a thing {T}, and what kind of thing it is ({O} and {K} have an article).
THING_CONTEXTS: tuple[str, ...] = (
    "{A} did not {base} the {T}",
    "{A} hoped to/PART {base} the {T}",
    "did {A} {base} the {T} ?",
    "*{A} liked to/PART {base} the {T}",
)
KIND_CONTEXTS: tuple[str, ...] = (
    "the {T} of {A} was {K}",
    "what {A} had was {K} , {O}",
    "{A} looked for {K} and found/VERB {O}",
    "*{A} had {K} , and it was {O}",
)

# Stories: who does what, step by step. O is one thing, Q another; A and B are two people.
PLOTS: dict[str, tuple[str, ...]] = {
    "lost": (
        "go A;buy A O;buy B Q;lose A O;feel- A;search A O;find B O;give B A O;thank A B;feel+ A",
        "buy B Q;lose A O;feel- A;phone A B;search B O;find B O;show B A O;hug A B;feel+ A",
    ),
    "gift": (
        "want A O;want B Q;buy B O;hide B O;invite B A;give B A O;thank A B;feel+ A",
        "want A O;go B;buy B O;buy A Q;send B A O;phone A B;thank A B;feel+ B",
    ),
    "broken": (
        "buy A O;buy B Q;lend A B O;break B O;scold A B;feel- B;repair B O;forgive A B;feel+ B",
        "bring A O;bring B Q;break B O;feel- A;scold A B;repair B O;give B A O;feel+ A",
    ),
    "hidden": (
        "hide A O;hide B Q;search B O;find B O;feel+ B;search A Q;feel- A;show B A Q;praise A B",
        "buy A O;hide A O;bring B Q;search B O;feel- B;help A B;find B O;thank B A;feel+ B",
    ),
    "visit": (
        "live B;phone A B;invite B A;bring A O;visit A B;show B A Q;praise A B;feel+ B",
        "meet A B;invite A B;follow B A;bring B O;bring A Q;give B A O;hug A B;feel+ A",
    ),
    "lesson": (
        "meet A B;teach A B;buy B O;lose A Q;help B A;find B Q;praise A B;feel+ B",
        "go A;go B;help A B;teach A B;give B A O;thank A B;buy A Q;feel+ A",
    ),
    "trade": (
        "want A O;want B Q;sell B A O;show A B Q;sell A B Q;thank B A;feel+ A",
        "buy B O;lose A Q;sell B A O;feel- B;find B Q;give B A Q;forgive A B;feel+ B",
    ),
}

# Verbs (base form: past), and for pairs of statements who did what, or did not.
VERBS: dict[str, str] = {
    "buy": "bought",
    "sell": "sold",
    "lose": "lost",
    "find": "found",
    "break": "broke",
    "hide": "hid",
    "repair": "repaired",
    "bring": "brought",
    "want": "wanted",
    "carry": "carried",
    "need": "needed",
    "give": "gave",
    "lend": "lent",
    "send": "sent",
    "show": "showed",
}
ENTAILMENT_PREMISES: tuple[str, ...] = (
    "{A} {past} {O} , but {B} did not {base} {Q}",
    "{B} did not {base} {Q} , but {A} {past} {O}",
    "although {B} did not {base} {Q} , {A} {past} {O}",
    "*it was {A} who {past} {O} , and {B} who did not {base} {Q}",
)
# Of what was not done (False) and of what was done (True).
ENTAILMENT_STATEMENTS: dict[bool, tuple[str, ...]] = {
    True: ("{A} {past} {O}", "{O} was what {A} {past}", "*it was {A} who {past} {O}"),
    False: (
        "{A} did not {base} {O}",
        "{O} was not what {A} {past}",
        "*it was not {A} who {past} {O}",
    ),
}
