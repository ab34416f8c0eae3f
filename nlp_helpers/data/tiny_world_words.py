"""The words of tiny-world: who and what there is, and what goes with each sense of a word.

All words are lower case, so that no capital letter tells a name from a thing. Several names are
also towns (paris, austin) or flowers (rose, lily), and several words are nouns or verbs: only the
context says which.
"""

from typing import NamedTuple


def _list(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return text.split("|")


FEMALE = _list(
    "mara lena nina vera ella rita lucy tara zoe anna rose lily daisy violet florence "
    "chelsea sydney savannah charlotte madison"
)
MALE = _list(
    "jon tom paul karl otto hugo max ben sam leo felix oscar peter martin david simon austin "
    "paris lincoln jordan"
)
SURNAMES = _list("stone hill wood field rivers north lake marsh")
TOWNS = _phrases(
    "oslo|lima|cairo|delhi|north haven|green valley|stone bridge|silver lake|austin|paris|"
    "lincoln|jordan|florence|chelsea|sydney|savannah|charlotte|madison"
)
COMPANIES = _phrases("orion|delta|summit press|lake steel|hill motors|north star")

# Things that people buy, lose and give, by kind.
OBJECTS = {
    "fruit": _list("pear plum melon lemon orange cherry"),
    "vegetable": _list("carrot onion potato pumpkin turnip cabbage"),
    "tool": _list("hammer saw ladder shovel rake bucket lantern needle wrench axe"),
    "toy": _list("doll kite puzzle drum marble robot puppet whistle balloon"),
    "garment": _list("coat scarf hat glove boot dress shirt jacket sweater belt"),
    "flower": _list("tulip lily daisy rose violet orchid"),
    "instrument": _list("violin flute guitar trumpet harp banjo"),
}
KIND_OF = {thing: kind for kind, things in OBJECTS.items() for thing in things}
THINGS = tuple(KIND_OF)
ANIMALS = _list("dog cat horse cow goat hen rabbit fox pony donkey parrot turtle")
PROFESSIONS = _list(
    "teacher farmer baker doctor nurse sailor painter tailor carpenter writer singer dancer "
    "driver gardener hunter merchant miller plumber"
)
PLACES = _list(
    "market school library station harbor park museum kitchen bakery theater hospital church "
    "castle farm mill hotel factory gallery playground workshop airport circus fair palace"
)
# What stands in the place of a word of several senses in a clause about the other sense.
NEUTRAL = _list("thing picture box toy")
COLORS = _list("red blue green black brown purple")
SIZES = _list("big small old new")

HAPPY = _list("happy glad proud calm cheerful delighted hopeful pleased grateful")
UNHAPPY = _list("sad angry worried lonely upset afraid ashamed jealous gloomy")
GOOD = _list("lovely tasty bright clean pretty excellent pleasant wonderful")
BAD = _list("awful dirty ugly boring nasty terrible dull horrible")
STATES = _list("quiet hungry asleep tired ready thirsty lost nearby hidden safe")
TOPICS = _list("food music weather room trip concert story dinner garden song view show")
SKILLS = _list("swim read draw ski knit juggle skate type whistle row")
TIMES = _phrases(
    "in the morning|in the evening|at noon|at night|on monday|on tuesday|on friday|on sunday|"
    "last summer|last week|last year|before dinner|after lunch|after school|two days later|"
    "that afternoon|this month|before sunset|at dawn|in july"
)

# Nouns and verbs of one form: the context says which.
NOUN_OR_VERB = _list(
    "walk dance paint water plant cook guard dream smile drink farm brush lock sail race "
    "work call visit talk laugh rest answer dive hike"
)
# Present tense, one and many.
ACTIONS = _list(
    "sleeps:sleep waits:wait sings:sing runs:run eats:eat sits:sit stands:stand grows:grow "
    "shines:shine moves:move falls:fall shakes:shake"
)
ACTIONS = tuple(tuple(pair.split(":")) for pair in ACTIONS)

IRREGULAR = {"scarf": "scarves", "knife": "knives", "shelf": "shelves"}


def plural_of(noun: str) -> str:
    """Two lanterns, two daisies, two brushes, two scarves."""
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def with_article(noun: str) -> tuple[str, str]:
    """("a", "drum"), ("an", "onion")."""
    return ("an" if noun[0] in "aeiou" else "a", noun)


# Forms that no split ever shows (`tiny_world_tasks.unseen_word_sentences` does): each one's
# singular is common.
UNSEEN_PLURALS = tuple(
    plural_of(noun)
    for noun in _list(
        "lantern ladder puzzle trumpet jacket pumpkin carrot violin kite rabbit donkey parrot "
        "teacher sailor gardener merchant daisy cherry bucket whistle"
    )
)


class Sense(NamedTuple):
    """What goes with one sense of a word; no cue of one sense is a cue of another of that word.

    adj: what it is like; near: what it is found near; stuff: what there is around it (many);
    did: what people did to it (a past tense that is a participle, too).
    """

    adj: tuple[str, ...]
    near: tuple[str, ...]
    stuff: tuple[str, ...]
    did: tuple[str, ...]


def _sense(adj: str, near: str, stuff: str, did: str) -> Sense:
    return Sense(*(tuple(part.split()) for part in (adj, near, stuff, did)))


SENSES: dict[str, dict[str, Sense]] = {
    "apple": {
        "fruit": _sense(
            "ripe sweet juicy sour",
            "orchard tree pie peach blossom",
            "leaves seeds worms twigs",
            "peeled picked tasted",
        ),
        "computer": _sense(
            "fast digital wireless expensive",
            "keyboard printer screen office desk",
            "programs files cables emails",
            "programmed charged updated",
        ),
    },
    "bank": {
        "money": _sense(
            "rich closed busy private",
            "cashier vault manager counter safe",
            "coins loans checks dollars",
            "robbed trusted founded",
        ),
        "river": _sense(
            "muddy grassy steep wet",
            "stream canoe willow ford heron",
            "reeds frogs ducks pebbles",
            "climbed flooded explored",
        ),
    },
    "bat": {
        "animal": _sense(
            "furry blind nocturnal sleepy",
            "cave attic owl moon belfry",
            "wings insects fangs shadows",
            "frightened caught rescued",
        ),
        "club": _sense(
            "wooden heavy cracked smooth",
            "ball helmet stadium coach umpire",
            "innings games hits fans",
            "swung gripped dropped",
        ),
    },
    "spring": {
        "season": _sense(
            "warm rainy early mild",
            "winter holiday calendar robin festival",
            "flowers showers buds birds",
            "awaited enjoyed celebrated",
        ),
        "water": _sense(
            "clear bubbling cold mineral",
            "well rock valley hillside waterfall",
            "bottles bubbles trout pools",
            "bottled tapped discovered",
        ),
        "coil": _sense(
            "bent metal elastic tight",
            "mattress trap gear pen sofa",
            "screws bolts wires levers",
            "stretched compressed oiled",
        ),
    },
    "seal": {
        "animal": _sense(
            "playful hungry spotted gray",
            "iceberg shore zoo beach penguin",
            "whiskers flippers pups waves",
            "fed trained tickled",
        ),
        "stamp": _sense(
            "official royal broken golden",
            "envelope king document contract ribbon",
            "signatures papers titles laws",
            "pressed opened melted",
        ),
    },
    "crane": {
        "bird": _sense(
            "graceful feathered wild white",
            "nest pond swamp island egg",
            "feathers chicks minnows snails",
            "photographed sketched startled",
        ),
        "machine": _sense(
            "tall rusty mechanical yellow",
            "truck scaffold engineer warehouse beam",
            "bricks pipes planks tiles",
            "rented operated parked",
        ),
    },
    "mouse": {
        "animal": _sense(
            "tiny timid brown squeaking",
            "cheese hole kitten barn cellar",
            "crumbs tails nuts grains",
            "chased trapped cornered",
        ),
        "device": _sense(
            "optical wireless plastic cordless",
            "keyboard monitor laptop cursor desk",
            "icons clicks menus buttons",
            "clicked plugged connected",
        ),
    },
    "pitcher": {
        "jug": _sense(
            "ceramic empty full narrow",
            "sink shelf tray saucer cupboard",
            "cups glasses cubes drinks",
            "filled washed emptied",
        ),
        "player": _sense(
            "skilled famous nervous athletic",
            "catcher stadium umpire team mound",
            "innings strikes fans games",
            "cheered benched coached",
        ),
    },
    "letter": {
        "mail": _sense(
            "sealed polite secret lengthy",
            "envelope postman mailbox stamp courier",
            "addresses greetings parcels stamps",
            "mailed posted received",
        ),
        "alphabet": _sense(
            "capital silent final double",
            "alphabet word syllable vowel dictionary",
            "consonants sounds symbols vowels",
            "pronounced spelled traced",
        ),
    },
    "watch": {
        "clock": _sense(
            "golden silver accurate swiss",
            "wrist jeweler strap pocket dial",
            "minutes seconds diamonds jewels",
            "polished adjusted buckled",
        ),
        "guard": _sense(
            "nightly alert weary tense",
            "captain tower camp soldier fortress",
            "torches spears sentries alarms",
            "ordered relieved doubled",
        ),
    },
    "palm": {
        "tree": _sense(
            "tropical leafy slender windy",
            "island desert coconut lagoon hammock",
            "dates monkeys coconuts vines",
            "planted trimmed climbed",
        ),
        "hand": _sense(
            "sweaty open bare sore",
            "finger thumb wrist elbow arm",
            "lines wrinkles fingers scars",
            "rubbed kissed scratched",
        ),
    },
    "nail": {
        "metal": _sense(
            "rusty iron sharp crooked",
            "board toolbox plank screwdriver beam",
            "boards screws tools bolts",
            "hammered pulled pounded",
        ),
        "finger": _sense(
            "painted pink chewed polished",
            "thumb toe salon manicure hand",
            "fingers stickers colors rings",
            "filed clipped bitten",
        ),
    },
}


def words_by_pos() -> dict[str, tuple[str, ...]]:
    """The words of the lists above that have one part of speech, by that part."""
    cues = [cue for senses in SENSES.values() for cue in senses.values()]
    singular = [*THINGS, *OBJECTS, *ANIMALS, *PROFESSIONS, *PLACES, *NEUTRAL, *TOPICS]
    plural = [plural_of(w) for w in (*THINGS, *ANIMALS, *PROFESSIONS)]
    near = [w for c in cues for w in c.near + c.stuff]
    adjectives = [*COLORS, *SIZES, *HAPPY, *UNHAPPY, *GOOD, *BAD, *STATES]
    return {
        "NOUN": (*singular, *plural, *near, *SENSES),
        "ADJ": (*adjectives, *(w for c in cues for w in c.adj)),
        "VERB": (*(w for pair in ACTIONS for w in pair), *(w for c in cues for w in c.did)),
    }
