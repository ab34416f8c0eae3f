"""Labelled sets from tiny-world, one function a task; labels are balanced in each.

Every function takes how many examples, the split and a seed (as `tiny_world.generate_stories`),
and equal arguments give equal examples. Where a task is meant to need order or context, the words
of an example do not tell its label: see each function.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nlp_helpers.checks import check_int
from nlp_helpers.data import tiny_world_words as words
from nlp_helpers.data.tiny_world import (
    FREE,
    Fact,
    Names,
    Person,
    Retry,
    Sentence,
    Story,
    Writer,
    combination_of,
    side_of,
)
from nlp_helpers.data.tiny_world_forms import Form, forms_of
from nlp_helpers.data.tiny_world_templates import (
    ENTAILMENT_PREMISES,
    ENTAILMENT_STATEMENTS,
    EVENTS,
    VERBS,
)


class WordExample(NamedTuple):
    """A word in its sentence, words[position], and its label."""

    words: tuple[str, ...]
    position: int
    label: str


class TextExample(NamedTuple):
    """A sentence and its label."""

    words: tuple[str, ...]
    label: str


class PairExample(NamedTuple):
    """Two texts and what the second is to the first: a label, or a number from 0 to 5."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: str | float


class QuestionExample(NamedTuple):
    """A text, a question about it, and where in the text its answer stands, (start, end)."""

    text: tuple[str, ...]
    question: tuple[str, ...]
    answer: tuple[int, int]


class ChoiceExample(NamedTuple):
    """A text, a question, several answers, and the number of the right one."""

    text: tuple[str, ...]
    question: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    label: int


def sense_examples(
    n_examples: int, split: str = "train", seed: int = 0, word: str | None = None
) -> list[WordExample]:
    """Words of several senses (or one of them) in context; labels as "bank/river".

    In two of three sentences another clause holds as many cues of another sense, so that only
    the structure says which cues belong to the word.

    Raises:
        ValueError, TypeError: as `generate_stories`; a word that has no senses.
    """
    if word is not None and word not in words.SENSES:
        raise ValueError(f"{word!r} has one sense; with several: {', '.join(words.SENSES)}")

    def make(writer: Writer, label: str) -> WordExample:
        name, _, sense = label.partition("/")
        sentence = writer.sense(writer.people(), name, sense)
        return WordExample(tuple(sentence.words), sentence.spans["W"][0], label)

    names = [word] if word else words.SENSES
    labels = [f"{name}/{sense}" for name in names for sense in words.SENSES[name]]
    return _balanced(n_examples, split, seed, "sense", labels, make)


def noun_or_verb_examples(
    n_examples: int, split: str = "train", seed: int = 0
) -> list[WordExample]:
    """Words such as "walk", which the context makes a "NOUN" or a "VERB"."""

    def make(writer: Writer, label: str) -> WordExample:
        sentence = writer.noun_or_verb(writer.people(), label)
        start = sentence.spans["n" if label == "NOUN" else "v"][0]
        return WordExample(tuple(sentence.words), start, label)

    return _balanced(n_examples, split, seed, "pos", ["NOUN", "VERB"], make)


def entity_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[WordExample]:
    """Names such as "paris" that are a person ("PER") or a town ("LOC").

    A sentence holds two of them, one of each kind, and either may be asked for: so the words of
    a sentence do not tell.
    """
    people = [n for n in (*words.FEMALE, *words.MALE) if n in words.TOWNS]

    def make(writer: Writer, label: str) -> WordExample:
        def draw():
            name, town = writer.pick(people), writer.pick(people)
            fact = Fact("live", name, free=town)
            return (combination_of(fact), fact) if name != town else ("", None)

        fact = writer.until_ours(lambda: Writer.until_full(draw))[1]
        person = Person(fact.agent, "", "she")
        sentence = writer.say(fact, person, person, Names(writer, plain=True))
        start = sentence.spans["A" if label == "PER" else "F"][0]
        return WordExample(tuple(sentence.words), start, label)

    return _balanced(n_examples, split, seed, "entity", ["PER", "LOC"], make)


def unseen_word_sentences(n_sentences: int, seed: int = 0) -> list[WordExample]:
    """Sentences about words that no split ever shows, only their singular; the label is that."""
    singular = {words.plural_of(w): w for w in (*words.THINGS, *words.ANIMALS, *words.PROFESSIONS)}

    def make(writer: Writer, label: str) -> WordExample:
        sentence = writer.scene(noun=label)
        return WordExample(tuple(sentence.words), sentence.spans["n"][0], singular[label])

    labels = list(words.UNSEEN_PLURALS)
    return _balanced(n_sentences, "test-combinations", seed, "unseen", labels, make)


def sentiment_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[TextExample]:
    """Sentences about feelings and judgements, "positive" or "negative".

    One in four says it plainly; the others negate it, or weigh one judgement against another, so
    that the words alone do not tell.
    """

    def make(writer: Writer, label: str) -> TextExample:
        sign = 1 if label == "positive" else -1
        people = writer.people()
        if writer.chance(0.5):
            return TextExample(tuple(writer.feeling(people[0], sign).words), label)
        return TextExample(tuple(writer.judgement(people, sign).words), label)

    return _balanced(n_examples, split, seed, "sentiment", ["negative", "positive"], make)


def acceptability_examples(
    n_examples: int, split: str = "train", seed: int = 0
) -> list[TextExample]:
    """Sentences whose verb agrees with its subject ("acceptable"), or does not."""

    def make(writer: Writer, label: str) -> TextExample:
        return TextExample(tuple(writer.scene(acceptable=label == "acceptable").words), label)

    labels = ["unacceptable", "acceptable"]
    return _balanced(n_examples, split, seed, "acceptability", labels, make)


ENTAILMENT = ("entailment", "neutral", "contradiction")


def entailment_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[PairExample]:
    """Two statements: does the first entail the second, contradict it, or leave it open?

    Half of the pairs are about who did what to which thing and who did not, in the same words;
    the other half about kinds (a tulip is a flower), with "not" on either side.
    """

    def make(writer: Writer, label: str) -> PairExample:
        return _who_did(writer, label) if writer.chance(0.5) else _what_kind(writer, label)

    return _balanced(n_examples, split, seed, "entailment", ENTAILMENT, make)


def _who_did(writer: Writer, label: str) -> PairExample:
    """ "mara bought the drum , but jon did not buy the pear": three statements of each label."""

    def draw():
        verb = writer.pick(tuple(VERBS.items()))
        (a, b), (o, q) = writer.cast()
        return f"who did {verb[0]} {o} {q}", verb, a.first, b.first, f"the {o}", f"the {q}"

    _, (base, past), a, b, o, q = writer.until_ours(draw)
    premise = _line(writer, ENTAILMENT_PREMISES).format(A=a, B=b, O=o, Q=q, base=base, past=past)
    who, what, done = {
        "entailment": ((a, o, True), (b, q, False)),
        "contradiction": ((a, o, False), (b, q, True)),
        "neutral": ((a, q, True), (a, q, False), (b, o, True), (b, o, False)),
    }[label][int(writer.random() * (4 if label == "neutral" else 2))]
    return _pair(premise, _statement(writer, who, what, done, base, past), label)


def _what_kind(writer: Writer, label: str) -> PairExample:
    """ "mara bought a tulip" entails "mara bought a flower"; with "not" it is the other way."""

    def draw():
        verb, thing = writer.pick(tuple(VERBS.items())), writer.pick(words.THINGS)
        person = writer.people()[0]
        return f"what kind {verb[0]} {thing}", verb, thing, person.first

    _, (base, past), thing, person = writer.until_ours(draw)
    special, general = (" ".join(words.with_article(w)) for w in (thing, words.KIND_OF[thing]))
    first, second = (
        {
            "entailment": ((special, True, general, True), (general, False, special, False)),
            "neutral": ((general, True, special, True), (special, False, general, False)),
            "contradiction": ((special, True, general, False), (general, False, special, True)),
        }[label][writer.chance(0.5)],
        None,
    )
    one = _statement(writer, person, first[0], first[1], base, past)
    second = _statement(writer, person, first[2], first[3], base, past)
    return _pair(one, second, label)


def _line(writer: Writer, lines: Sequence[str]) -> str:
    """One of the lines of the split's side."""
    return writer.pick([x for x in lines if x.startswith("*") == writer.held_out]).lstrip("*")


def _statement(writer: Writer, who: str, what: str, done: bool, base: str, past: str) -> str:
    line = _line(writer, ENTAILMENT_STATEMENTS[done])
    return line.format(A=who, O=what, base=base, past=past)


def _pair(first: str, second: str, label: str | float) -> PairExample:
    return PairExample((*first.split(), "."), (*second.split(), "."), label)


# Events whose two people cannot be swapped without saying something else.
BETWEEN_PEOPLE = tuple(name for name, e in EVENTS.items() if "B" in e.roles and name != "meet")
TRANSFERS = tuple(name for name in BETWEEN_PEOPLE if EVENTS[name].roles == "ABO")


def paraphrase_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[PairExample]:
    """The same event in two templates ("paraphrase"), or with its two people swapped ("different").

    Both have the same words. In the split "test-templates" the second template is a new one (and
    the first one is not: an event has only one template that is held out).
    """

    def make(writer: Writer, label: str) -> PairExample:
        a, b = writer.people()
        action = writer.pick(BETWEEN_PEOPLE)
        fact = writer.draw_fact(action, a, b, writer.pick(words.THINGS))
        if side_of(combination_of(_swapped(fact))) != writer.side:  # what "different" says
            raise Retry
        first, second = _two_forms(writer, action)
        one = _plainly(writer, fact, a, b, first)
        if label == "different":
            fact, a, b = _swapped(fact), b, a
        return PairExample(one, _plainly(writer, fact, a, b, second), label)

    labels = ["different", "paraphrase"]
    return _balanced(n_examples, split, seed, "paraphrase", labels, make)


def _two_forms(writer: Writer, action: str) -> tuple[Form, Form]:
    known = forms_of(action, held_out=False)
    first = writer.pick(known)
    others = forms_of(action, True) if writer.held_out else [f for f in known if f != first]
    return first, writer.pick(others)


def _plainly(writer: Writer, fact: Fact, a: Person, b: Person, form: Form) -> tuple[str, ...]:
    """A fact with first names and "the"."""
    return tuple(writer.say(fact, a, b, Names(writer, plain=True), form).words)


def _swapped(fact: Fact) -> Fact:
    return fact._replace(agent=fact.other, other=fact.agent)


ROLES = ("action", "agent", "other", "thing", "free")


def similarity_examples(n_examples: int, split: str = "train", seed: int = 0) -> list[PairExample]:
    """Two events of giving, and how many of their five roles agree: 0.0 to 5.0.

    The roles are what was done, by whom, to whom, which thing, and where or when. To swap the two
    people changes two roles and no word.
    """

    def make(writer: Writer, label: str) -> PairExample:
        while True:
            a, b = writer.people()
            fact = writer.draw_fact(writer.pick(TRANSFERS), a, b, writer.pick(words.THINGS))
            other = _changed(writer, fact, 5 - int(float(label)))
            if other is not None:
                break
        forms = [writer.form(f.action) for f in (fact, other)]
        people = {p: Person(p, "", "she") for f in (fact, other) for p in (f.agent, f.other)}
        texts = [
            _plainly(writer, f, people[f.agent], people[f.other], form)
            for f, form in zip((fact, other), forms, strict=True)
        ]
        return PairExample(*texts, float(label))

    return _balanced(n_examples, split, seed, "similarity", [float(k) for k in range(6)], make)


def _changed(writer: Writer, fact: Fact, n_changes: int) -> Fact | None:
    """A fact of the split's side with that many other roles; None if the draw fails."""
    if n_changes == 2 and writer.chance(0.5):
        return _if_ours(writer, _swapped(fact))
    roles = sorted(ROLES, key=lambda _: writer.random())[:n_changes]
    if "action" in roles:
        kind = EVENTS[fact.action].free
        actions = [t for t in TRANSFERS if t != fact.action]
        if "free" not in roles:  # the same place or time must make sense in the other event
            actions = [t for t in actions if EVENTS[t].free == kind]
        if not actions:
            return None
        fact = fact._replace(action=writer.pick(actions))
    names = words.FEMALE if fact.agent in words.FEMALE else words.MALE
    others = words.MALE if fact.agent in words.FEMALE else words.FEMALE
    free = FREE[EVENTS[fact.action].free]
    options = {"agent": names, "other": others, "thing": words.THINGS, "free": free}
    for role in roles:
        if role != "action":
            choices = [x for x in options[role] if x not in fact]
            fact = fact._replace(**{role: writer.pick(choices)})
    return _if_ours(writer, fact)


def _if_ours(writer: Writer, fact: Fact) -> Fact | None:
    return fact if side_of(combination_of(fact)) == writer.side else None


def follows_examples(
    n_examples: int, split: str = "train", seed: int = 0, hard: bool = True
) -> list[PairExample]:
    """Two sentences: the second "follows" the first in a story, or is "another" story's.

    Args:
        hard: the other story is about the same people and things, so that names do not tell;
            otherwise it is any other story.
    """

    def make(writer: Writer, label: str) -> PairExample:
        people, things = writer.cast()
        steps = _steps(_story(writer, people, things))
        i = int(writer.random() * (len(steps) - 1))
        first, second = steps[i], steps[i + 1]
        if label == "another":
            if not hard:
                people, things = writer.cast()
            others = _steps(_story(writer, people, things))[1:]
            kept = [s for s in others if s.fact.action != second.fact.action]
            second = writer.pick(kept or others)
        return PairExample(tuple(first.words), tuple(second.words), label)

    return _balanced(n_examples, split, seed, "follows", ["another", "follows"], make)


def _steps(story: Story) -> list[Sentence]:
    """The sentences of the plot, without the introductions and asides."""
    return [s for s in story.sentences if s.fact][2:]


def _story(writer: Writer, people: tuple[Person, Person], things: tuple[str, str]) -> Story:
    while True:
        try:
            return writer.tell(people, things)
        except Retry:
            people, things = writer.cast()


def question_examples(
    n_examples: int, split: str = "train", seed: int = 0
) -> list[QuestionExample]:
    """A story and a question (who, what or where, in equal parts) that it answers.

    Two people, two things and several places are in each story, so that the kind of the answer
    does not tell it.
    """

    def make(writer: Writer, label: str) -> QuestionExample:
        while True:
            story = writer.story()
            found = list(_questions(story, label))
            if found:
                question, answer = writer.pick(found)
                return QuestionExample(tuple(story.words), question, answer)

    return _balanced(n_examples, split, seed, "questions", ["who", "what", "where"], make)


def _questions(story: Story, kind: str) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    """The questions of a kind that have one answer in the story."""
    facts, start = _facts(story), 0
    for sentence in story.sentences:
        fact, spans = sentence.fact, sentence.spans
        begin, start = start, start + len(sentence.tokens)
        if fact not in facts:
            continue
        action, agent, thing = fact.action, fact.agent, fact.thing
        same = [f for f in facts if f.action == action]
        if kind == "who" and sentence.words[spans["A"][0]] not in ("she", "he"):
            if sum(f.thing == thing for f in same) == 1:
                low, high = spans["A"]
                yield ("who", VERBS[action], "the", thing, "?"), (begin + low, begin + high)
        elif kind == "what" and sum(f.agent == agent for f in same) == 1:
            end = begin + spans["O"][1]
            yield ("what", "did", agent, action, "?"), (end - 1, end)
        alone = sum((f.agent, f.thing) == (agent, thing) for f in same) == 1
        if kind == "where" and EVENTS[action].free == "place" and alone:
            low, high = spans["F"]
            asked = ("where", "did", agent, action, "the", thing, "?")
            yield asked, (begin + low, begin + high)


def choice_examples(
    n_examples: int, split: str = "train", seed: int = 0, asides: bool = True
) -> list[ChoiceExample]:
    """A story and four statements of which one is true.

    The wrong ones put the other person, the other thing, or both in their places, so that all
    four are made of the story's words; each number is the right one equally often.

    Args:
        asides: False leaves out the sentences that tell no fact, about half of the story; the
            statements are the same.
    """

    def make(writer: Writer, label: int) -> ChoiceExample:
        while True:
            people, things = writer.cast()
            story = _story(writer, people, things)
            found = _choices(story)
            if found:
                right, *wrong = writer.pick(found)
                wrong.insert(label, right)
                options = tuple(_option(writer, fact) for fact in wrong)
                told = [s for s in story.sentences if asides or s.fact]
                text = tuple(word for sentence in told for word in sentence.words)
                return ChoiceExample(text, ("what", "was", "said", "?"), options, label)

    return _balanced(n_examples, split, seed, "choices", [0, 1, 2, 3], make)


def _choices(story: Story) -> list[tuple[Fact, ...]]:
    """True facts, each with three that are not: other person, other thing, both."""
    facts = _facts(story)
    known = {(f.action, f.agent, f.thing) for f in facts}
    agents, things = {f.agent for f in facts}, {f.thing for f in facts}
    found = []
    for fact in facts:
        for agent in sorted(agents - {fact.agent}):
            for thing in sorted(things - {fact.thing}):
                pairs = [(agent, fact.thing), (fact.agent, thing), (agent, thing)]
                if not any((fact.action, *pair) in known for pair in pairs):
                    bare = fact._replace(other="", free="")
                    wrong = [bare._replace(agent=x, thing=y) for x, y in pairs]
                    found.append((bare, *wrong))
    return found


def _facts(story: Story) -> list[Fact]:
    """What can be asked about; who is sold a thing buys it."""
    facts = [s.fact for s in story.sentences if s.fact and s.fact.action in VERBS]
    sold = [f for f in facts if f.action == "sell"]
    return facts + [Fact("buy", f.other, "", f.thing, f.free) for f in sold]


def _option(writer: Writer, fact: Fact) -> tuple[str, ...]:
    line = _line(writer, ENTAILMENT_STATEMENTS[True])
    past = VERBS[fact.action]
    return (*line.format(A=fact.agent, O=f"the {fact.thing}", past=past).split(), ".")


def _balanced(
    n_examples: int, split: str, seed: int, task: str, labels: Sequence, make: Callable
) -> list:
    """`make(writer, label)` for each label in turn, then shuffled: label counts differ by 1."""
    check_int("n_examples", n_examples)
    writer = Writer(split, seed, task)
    examples = []
    while len(examples) < n_examples:
        try:
            examples.append(make(writer, labels[len(examples) % len(labels)]))
        except Retry:
            continue
    keys = [writer.random() for _ in examples]
    return [examples[i] for i in sorted(range(n_examples), key=keys.__getitem__)]
