"""tiny-world: a generated world of short English stories in which the truth is known.

Every token carries its part of speech, its entity tag and, where a word has several, its sense;
every sentence its sentiment; every story its facts. `tiny_world_tasks` makes labelled sets out of
them. The generator is frozen: equal arguments give equal text, and a test holds its hash.

Splits:
    train               the text to learn from.
    validation          other combinations of words in the same templates.
    test-combinations   again other combinations in the same templates.
    test-templates      those combinations in templates that no other split uses.

A combination is what a sentence says beyond its template: for "mara lost a lamp at the market"
it is (lose, lamp, market). Each belongs to one of train, validation and test, by its hash.
"""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nlp_helpers.checks import check_int
from nlp_helpers.data import tiny_world_templates as templates
from nlp_helpers.data import tiny_world_words as words
from nlp_helpers.data.tiny_world_forms import (
    Form,
    Token,
    entity,
    forms_of,
    one,
    phrase,
    phrase_of_time,
    token_of,
)

SPLITS = ("train", "validation", "test-combinations", "test-templates")
GENERATOR_VERSION = 3


class Fact(NamedTuple):
    """What a sentence of a plot says, as first names and nouns; "" where there is no such role."""

    action: str
    agent: str
    other: str = ""
    thing: str = ""
    free: str = ""


class Sentence(NamedTuple):
    """A sentence and the truth about it.

    template: the name of its template; combination: its content, whose hash chose its split
    (several parts with semicolons between where there are more than two cues);
    sentiment: "positive", "negative" or "neutral"; spans: where its slots stand, (start, end);
    fact: what it says, if it is a step of a plot; acceptable: whether its verb agrees with its
    subject (in stories it always does).
    """

    tokens: tuple[Token, ...]
    template: str
    combination: str
    sentiment: str
    spans: dict[str, tuple[int, int]]
    fact: Fact | None = None
    acceptable: bool = True

    @property
    def words(self) -> list[str]:
        return [token.word for token in self.tokens]

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Story(NamedTuple):
    """Sentences about two people, in the order of what happened; `plot` is the plot's name."""

    sentences: tuple[Sentence, ...]
    plot: str

    @property
    def words(self) -> list[str]:
        return [word for sentence in self.sentences for word in sentence.words]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def generate_stories(n_stories: int, split: str = "train", seed: int = 0) -> list[Story]:
    """Write stories; equal arguments give equal stories, on every machine.

    Args:
        n_stories: how many; a story has about 150 tokens.
        split: one of SPLITS. Splits differ whatever their seeds are.
        seed: another one gives other stories of the same split.

    Raises:
        ValueError: fewer than one story, an unknown split, a negative seed.
        TypeError: a number that is not an int, a split that is not a string.
    """
    check_int("n_stories", n_stories)
    writer = Writer(split, seed)
    return [writer.story() for _ in range(n_stories)]


def side_of(combination: str) -> str:
    """Which side a combination is on: "train" (70 %), "validation" (15 %) or "test" (15 %)."""
    part = zlib.crc32(combination.encode()) % 20
    return "train" if part < 14 else "validation" if part < 17 else "test"


class Person(NamedTuple):
    """A first name, perhaps a surname, and "she" or "he"."""

    first: str
    surname: str
    pronoun: str


class Retry(Exception):
    """No combination of the split's side is left for what was chosen before: choose anew."""


class Writer:
    """Draws sentences and stories of one split; every draw comes from one seeded source.

    Raises:
        ValueError, TypeError: as `generate_stories`.
    """

    def __init__(self, split: str, seed: int = 0, purpose: str = "stories"):
        if not isinstance(split, str):
            raise TypeError(f"split must be a string, got {split!r}")
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
        check_int("seed", seed, least=0)
        self.split = split
        self.held_out = split == "test-templates"
        self.side = split.partition("-")[0]
        source = f"tiny-world {GENERATOR_VERSION} {purpose} {split} {seed}"
        self.random = random.Random(source).random

    # Drawing: only random() is promised to be the same in every version of Python.
    def pick(self, options: Sequence):
        return options[int(self.random() * len(options))]

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def form(self, group: str) -> Form:
        return self.pick(forms_of(group, self.held_out))

    def until_ours(self, draw: Callable[[], tuple], n_trials: int = 400):
        """Repeat `draw() -> (combination, ...)` until it is on the split's side, all its parts."""
        for _ in range(n_trials):
            drawn = draw()
            if all(side_of(part) == self.side for part in drawn[0].split(";")):
                return drawn
        raise Retry

    def people(self) -> tuple[Person, Person]:
        """Two people, one she and one he (so that a pronoun says which), in random order."""
        she = Person(self.pick(words.FEMALE), self.pick(words.SURNAMES), "she")
        he = Person(self.pick(words.MALE), self.pick(words.SURNAMES), "he")
        return (she, he) if self.chance(0.5) else (he, she)

    # Sentences that stand alone: each takes the people of the story.
    def sense(
        self, people: Sequence[Person], word: str | None = None, sense: str | None = None
    ) -> Sentence:
        """A sentence with a word of several senses, in one of them."""
        word = word or self.pick(tuple(words.SENSES))
        senses = words.SENSES[word]
        sense = sense or self.pick(tuple(senses))
        kind = self.pick(tuple(templates.SENSE_CLAUSES))
        heads = (token_of(word, "NOUN", "O", f"{word}/{sense}"),)
        main = self._clause(kind, word, sense, people, heads)
        distract = self.chance(2 / 3)
        outer = [f for f in forms_of("sense", self.held_out) if ("D" in f.parts) == distract]
        form, fillers = self.pick(outer), {"C": main[1]}
        if distract:
            other = self.pick([s for s in senses if s != sense])
            heads = tuple(token_of(noun, "NOUN") for noun in words.NEUTRAL)
            fillers["D"] = self._clause(kind, word, other, people, heads)[1]
        fillers |= {"A": self.name(self.pick(people)), "F": self.free("time", self.time())}
        tokens, spans = form.fill(fillers)
        at = next(i for i, token in enumerate(tokens) if token.sense)
        spans["W"] = (at, at + 1)
        return _finish(tokens, f"{form.name} {main[2]}", main[0], "neutral", spans)

    def _clause(
        self, kind: str, word: str, sense: str, people: Sequence[Person], heads: Sequence[Token]
    ):
        """(combination, tokens, template): a clause about one of `heads` with cues of a sense.

        Each pair of `near` and another cue is on the split's side; the combination names all of
        them, with a semicolon between. A "thing", the first head, can have anything done to it.
        """
        cues = words.SENSES[word][sense]

        def draw():
            near = self.pick(cues.near)
            chosen = {slot: self.pick(getattr(cues, slot)) for slot in kind.split()[1:]}
            pairs = [f"{word} {sense} {near} {cue}" for cue in chosen.values()]
            return ";".join(pairs), near, chosen

        combination, near, chosen = self.until_ours(draw)
        form = self.form(f"clause/{kind}")
        pos = {"adj": "ADJ", "stuff": "NOUN", "did": "VERB"}
        head = heads[0] if "did" in chosen else self.pick(heads)
        fillers = {"W": (head,), "near": one(near, "NOUN"), "A": self.name(self.pick(people))}
        fillers |= {slot: one(cue, pos[slot]) for slot, cue in chosen.items()}
        tokens, _ = form.fill(fillers)
        return combination, tuple(tokens), form.name.replace(" ", "+")

    def time(self) -> str:
        return self.pick(words.TIMES)

    def scene(self, noun: str | None = None, acceptable: bool = True) -> Sentence:
        """A sentence whose verb agrees with its subject, although another noun stands between.

        `noun`: a subject of one's own, which must be of the plural; `acceptable=False`: the verb
        agrees with the wrong number.
        """

        form = self.form("scene")

        def draw():
            many = noun is not None or self.chance(0.5)
            others = self.chance(1 / 3) == many  # mostly of the other number
            number = many == acceptable  # the verb's: one (False) or many (True)
            fillers = {"n": one(noun or self._noun(many), "NOUN")}
            fillers["m"] = one(self._noun(others), "NOUN")
            fillers["p"] = one(self.pick(words.PROFESSIONS), "NOUN")
            fillers["F"] = one(self.pick(words.PLACES), "NOUN")
            fillers["adj"] = one(self.pick(words.STATES), "ADJ")
            fillers["act"] = one(self.pick(words.ACTIONS)[number], "VERB")
            fillers["be"] = one(self.pick((("is", "are"), ("was", "were")))[number], "AUX")
            return form.said(fillers), fillers

        combination, fillers = self.until_ours(draw)
        tokens, spans = form.fill(fillers)
        sentence = _finish(tokens, form.name, combination, "neutral", spans)
        return sentence._replace(acceptable=acceptable)

    def _noun(self, many: bool) -> str:
        """A thing, an animal or a profession, one or many, that no split hides."""
        while True:
            noun = self.pick(self.pick((words.THINGS, words.ANIMALS, words.PROFESSIONS)))
            noun = words.plural_of(noun) if many else noun
            if noun not in words.UNSEEN_PLURALS:
                return noun

    def noun_or_verb(self, people: Sequence[Person], pos: str | None = None) -> Sentence:
        """A sentence with a word that may be a noun or a verb, and is `pos`."""
        pos = pos or self.pick(("NOUN", "VERB"))
        slot = {"NOUN": "n", "VERB": "v"}[pos]
        form = self.form(pos.lower())

        def draw():
            fillers = {slot: one(self.pick(words.NOUN_OR_VERB), pos)}
            fillers["F"] = one(self.pick(words.PLACES), "NOUN")
            fillers["adj"] = one(self.pick(words.GOOD + words.BAD), "ADJ")
            fillers["ps"] = one(self._profession(), "NOUN")
            fillers["act"] = one(self.pick(words.ACTIONS)[1], "VERB")
            a, b = self.swapped(people)
            fillers |= {"A": self.name(a), "B": self.name(b)}
            return form.said(fillers), fillers

        combination, fillers = self.until_ours(draw)
        tokens, spans = form.fill(fillers)
        return _finish(tokens, form.name, combination, "neutral", spans)

    def _profession(self) -> str:
        while True:
            many = words.plural_of(self.pick(words.PROFESSIONS))
            if many not in words.UNSEEN_PLURALS:
                return many

    def judgement(self, people: Sequence[Person], sign: int | None = None) -> Sentence:
        """A sentence that calls something good or bad, perhaps in a roundabout way."""
        kind = self.pick(("plain", "negated", "contrast", "contrast"))
        sign = sign or self.pick((1, -1))
        x_sign = -sign if kind == "negated" else sign
        good, bad = (words.GOOD, words.BAD)[::x_sign]

        def draw():
            m, n, x, y = (self.pick(o) for o in (words.TOPICS, words.TOPICS, good, bad))
            return (f"judge {m} {x}" if m != n else "", m, n, x, y)

        combination, m, n, x, y = self.until_ours(lambda: self.until_full(draw))
        fillers = {"M": one(m, "NOUN"), "N": one(n, "NOUN"), "X": one(x, "ADJ"), "Y": one(y, "ADJ")}
        form = self.form(f"judge/{kind}")
        person = self.pick(people)
        tokens, spans = form.fill({**fillers, "A": self.name(person)})
        return _finish(tokens, form.name, combination, _sentiment(sign), spans)

    @staticmethod
    def until_full(draw: Callable[[], tuple]) -> tuple:
        while not (drawn := draw())[0]:
            pass
        return drawn

    def feeling(self, person: Person, sign: int | None = None) -> Sentence:
        """How a person felt, perhaps in a roundabout way; the sign is 1 or -1."""
        kind = self.pick(("plain", "negated", "change", "change"))
        sign = sign or self.pick((1, -1))
        x_sign = -sign if kind == "negated" else sign
        x_words, y_words = (words.HAPPY, words.UNHAPPY)[::x_sign]

        def draw():
            x, time = self.pick(x_words), self.pick(words.TIMES)
            return f"feel {x} {time}", x, time

        combination, x, time = self.until_ours(draw)
        form = self.form(f"feel/{kind}")
        fillers = {"A": self.name(person), "he": token_of(person.pronoun), "X": one(x, "ADJ")}
        fillers |= {"Y": one(self.pick(y_words), "ADJ"), "F": self.free("time", time)}
        tokens, spans = form.fill(fillers)
        fact = Fact("feel+" if sign > 0 else "feel-", person.first, free=time)
        return _finish(tokens, form.name, combination, _sentiment(sign), spans, fact)

    def event(
        self, action: str, agent: Person, other: Person, thing: str, names: "Names | None" = None
    ) -> Sentence:
        """A step of a plot: who did what to whom, where or when."""
        fact = self.draw_fact(action, agent, other, thing)
        return self.say(fact, agent, other, names or Names(self))

    def draw_fact(self, action: str, agent: Person, other: Person, thing: str) -> Fact:
        """Choose the free slot so that the combination is on the split's side."""
        event = templates.EVENTS[action]
        other_name = other.first if "B" in event.roles else ""
        thing = thing if "O" in event.roles else ""

        def draw():
            fact = Fact(action, agent.first, other_name, thing, self.pick(FREE[event.free]))
            return combination_of(fact), fact

        return self.until_ours(draw)[1]

    def say(
        self, fact: Fact, agent: Person, other: Person, names: "Names", form: Form | None = None
    ) -> Sentence:
        """Put a fact into words, in a template of the split (or the given one)."""
        form = form or self.form(fact.action)
        free = self.free(templates.EVENTS[fact.action].free, fact.free)
        subject = form.parts[0] == "A" and fact.thing != ""  # else the combination needs the name
        fillers = {"F": free, "he": token_of(agent.pronoun)}
        for slot in form.parts:  # in the order of mention: the first one says "a", then "the"
            if slot == "O":
                fillers["O"] = names.thing(fact.thing)
            elif slot == "A":
                fillers["A"] = names.person(agent, pronoun=subject)
            elif slot == "B":
                fillers["B"] = names.person(other)
        tokens, spans = form.fill(fillers)
        names.last = agent if "B" not in spans else None
        return _finish(tokens, form.name, combination_of(fact), "neutral", spans, fact)

    def free(self, kind: str, text: str) -> tuple[Token, ...]:
        if kind == "time":
            return phrase_of_time(text)
        if kind in ("town", "company"):
            return entity(text, "LOC" if kind == "town" else "ORG")
        return tuple(token_of(word, "VERB" if kind == "skill" else "NOUN") for word in text.split())

    def name(self, person: Person) -> tuple[Token, ...]:
        return entity(person.first, "PER")

    def swapped(self, people: Sequence[Person]) -> tuple[Person, Person]:
        return tuple(people) if self.chance(0.5) else tuple(people)[::-1]

    # Stories
    def story(self) -> Story:
        """A story about two people and two things."""
        while True:
            try:
                return self.tell(*self.cast())
            except Retry:
                continue

    def tell(self, people: tuple[Person, Person], things: tuple[str, str]) -> Story:
        """A story about these; raises Retry if the split has none."""
        plot, (a, b), names = self.pick(tuple(templates.PLOTS)), people, Names(self)
        sentences = [self.event(self.pick(INTRODUCTIONS), p, p, "", names) for p in (a, b)]
        for step in self.pick(templates.PLOTS[plot]).split(";"):
            action, *roles = step.split()
            agent, other = (a, b) if roles[0] == "A" else (b, a)
            if action.startswith("feel"):
                sentences.append(self.feeling(agent, 1 if action == "feel+" else -1))
            else:
                sentences.append(self.event(action, agent, other, things[roles[-1] == "Q"], names))
            if self.chance(0.6):
                sentences.append(self.aside((a, b)))
        return Story(tuple(sentences), plot)

    def cast(self) -> tuple[tuple[Person, Person], tuple[str, str]]:
        """Two people and two things of different kinds, of which none is called like a person."""
        people = self.people()
        things = [t for t in words.THINGS if t not in (people[0].first, people[1].first)]
        first = self.pick(things)
        kind = words.KIND_OF[first]
        return people, (first, self.pick([t for t in things if words.KIND_OF[t] != kind]))

    def aside(self, people: Sequence[Person]) -> Sentence:
        """A sentence beside the plot: half of them with a word of several senses."""
        kind = self.random()
        if kind < 0.50:
            return self.sense(people)
        if kind < 0.65:
            return self.scene()
        if kind < 0.80:
            return self.noun_or_verb(people)
        return self.judgement(people) if kind < 0.90 else self.about_thing(people)

    def about_thing(self, people: Sequence[Person]) -> Sentence:
        """What is not done with a thing, or is to be; or what kind of thing it is."""
        form = self.form(self.pick(("thing", "kind")))

        def draw():
            person, thing = self.pick(people), self.pick(words.THINGS)
            fillers = {"A": self.name(person), "T": one(thing, "NOUN")}
            for slot, noun in (("O", thing), ("K", words.KIND_OF[thing])):
                article, _ = words.with_article(noun)
                fillers[slot] = one(article, "DET") + one(noun, "NOUN")
            fillers["base"] = one(self.pick(tuple(templates.VERBS)), "VERB")
            return form.said(fillers) if thing != person.first else "", fillers

        combination, fillers = self.until_ours(lambda: self.until_full(draw))
        tokens, spans = form.fill(fillers)
        return _finish(tokens, form.name, combination, "neutral", spans)


class Names:
    """How the people and things of a story are called: in full, by first name, she; a, the."""

    def __init__(self, writer: Writer, plain: bool = False):
        self.writer, self.plain = writer, plain
        self.known: set[str] = set()
        self.last: Person | None = None  # who alone was named in the plot's last sentence

    def person(self, person: Person, pronoun: bool = False) -> tuple[Token, ...]:
        if self.plain:
            return entity(person.first, "PER")
        if pronoun and person == self.last and self.writer.chance(0.4):
            return (token_of(person.pronoun),)
        first_time = person.first not in self.known
        self.known.add(person.first)
        full = first_time and self.writer.chance(0.3)
        return entity(f"{person.first} {person.surname}" if full else person.first, "PER")

    def thing(self, thing: str) -> tuple[Token, ...]:
        noun = one(thing, "NOUN")
        if f"the {thing}" in self.known or self.plain:
            return phrase("the") + noun
        self.known.add(f"the {thing}")
        adjective = self.writer.pick(words.COLORS + words.SIZES)
        if self.writer.chance(0.3):
            noun = one(adjective, "ADJ") + noun
        return phrase(words.with_article(noun[0].word)[0]) + noun


FREE: dict[str, Sequence[str]] = {
    "place": words.PLACES,
    "time": words.TIMES,
    "town": words.TOWNS,
    "company": words.COMPANIES,
    "profession": words.PROFESSIONS,
    "skill": words.SKILLS,
}
INTRODUCTIONS = ("live", "job", "employ")


def combination_of(fact: Fact) -> str:
    """What must not be in two splits: the action, its thing (or else its agent), its free slot."""
    return f"{fact.action} {fact.thing or fact.agent} {fact.free}"


def _sentiment(sign: int) -> str:
    return "positive" if sign > 0 else "negative"


def _finish(
    tokens: list[Token],
    template: str,
    combination: str,
    sentiment: str,
    spans: dict[str, tuple[int, int]],
    fact: Fact | None = None,
) -> Sentence:
    """Close the sentence with a full stop, unless it ends with a mark."""
    if tokens[-1].pos != "PUNCT":
        tokens = [*tokens, phrase(".")[0]]
    return Sentence(tuple(tokens), template, combination, sentiment, spans, fact)


def sentences_of(stories: Sequence[Story]) -> Iterator[Sentence]:
    """All sentences of some stories, in order."""
    for story in stories:
        yield from story.sentences
