"""The epilogue: its rows and columns, where each entry leads, and that its facts are the book's."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import nbformat
import pytest
import torch
import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from myst_parser.mdit_to_docutils.base import compute_unique_slug

from nlp_helpers.models.gru import GRU
from nlp_helpers.models.lstm import LSTM
from nlp_helpers.models.projected_lstm import ProjectedLSTM
from nlp_helpers.models.rnn import RNN
from nlp_helpers.models.sru import SRU
from nlp_helpers.models.transformer_config import StackConfig
from nlp_helpers.models.transformer_layers import EncoderLayer
from tools import draw_book_art as art

BOOK = Path(__file__).resolve().parents[2]
PAGE = BOOK / "book" / "epilogue.md"
MODELS = ["RNN", "LSTM", "GRU", "SRU", "Seq2Seq", "+ attention", "Transformer", "ELMo"]
MODELS += ["GPT-1", "GPT-2", "GPT-3", "BERT"]
COLUMNS = {
    "epilogue-reads": ["what is new", "context seen", "objective", "adaptation to tasks"],
    "epilogue-computes": [
        "parallel in training?",
        "parallel in generation?",
        "path length",
        "cost of a layer",
    ],
}
LINK = re.compile(r"\[(?P<text>[^][]+)\](?:\[(?P<label>[^][]+)\]|\((?P<address>[^()]+)\))")


class Table(NamedTuple):
    """A list-table: its header row, and its rows of Markdown cells."""

    header: list[str]
    rows: list[list[str]]


def tables(text: str) -> dict[str, Table]:
    """Return the list-tables of a page by their :name:."""
    found = {}
    for block in re.findall(r"^```\{list-table\}(.*?)^```", text, re.MULTILINE | re.DOTALL):
        rows: list[list[str]] = []
        for line in block.split("\n\n", 1)[1].splitlines():
            first, content = re.fullmatch(r"(\*| ) - (.*)", line).groups()
            if first == "*":
                rows.append([])
            rows[-1].append(content)
        name = re.search(r"^:name: (.*)$", block, re.MULTILINE)[1]
        found[name] = Table(rows[0], rows[1:])
    return found


def definitions(text: str) -> dict[str, str]:
    """Return the link definitions at the end of a page: label -> address."""
    return dict(re.findall(r"^\[([^]]+)\]: (\S+)$", text, re.MULTILINE))


def addresses(text: str) -> set[str]:
    """Return where a page's links lead, one's own definitions put in."""
    known = definitions(text)
    return {m["address"] or known[m["label"]] for m in LINK.finditer(text)}


@cache
def slugs(path: Path) -> frozenset[str]:
    """Return the anchors that MyST makes for a notebook's headings, down to the third level."""
    found: list[str] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for node in SyntaxTreeNode(MarkdownIt().parse(cell.source)).children:
                if node.type == "heading" and int(node.tag[1]) <= 3:
                    found.append(compute_unique_slug(node, found))
    return frozenset(found)


@cache
def everything_in(path: Path) -> str:
    """Return a notebook's sources and printed outputs as one text."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        parts.append(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            parts += [output.get("text", ""), re.sub("<[^>]+>", " ", data.get("text/html", ""))]
    return re.sub(r"\s+", " ", " ".join(parts))


def broken(text: str, notebook: str) -> list[str]:
    """Return those links of a page to a notebook whose heading is not there."""
    links = [a.partition("#")[2] for a in addresses(text) if a.startswith(f"../{notebook}")]
    return sorted(a for a in links if a and a not in slugs(BOOK / notebook))


TEXT = PAGE.read_text(encoding="utf-8")
TABLES = tables(TEXT)
CHAPTERS = sorted({a[3:].partition("#")[0] for a in addresses(TEXT) if a.startswith("../")})


def test_rows_and_columns_are_those_of_the_syllabus():
    assert {name: table.header[1:] for name, table in TABLES.items()} == COLUMNS
    for table in TABLES.values():
        assert [LINK.search(row[0])["text"] for row in table.rows] == MODELS
        assert {len(row) for row in table.rows} == {5}


def test_both_parts_give_a_model_the_same_chapter_and_year():
    first, second = ([row[0] for row in table.rows] for table in TABLES.values())
    assert first == second


def not_linked(cell: str) -> str:
    """Return what is left of a cell without its links and what joins them."""
    return re.sub(r"[\s,;]|\band\b|\*(19|20)\d\d\*$", "", LINK.sub("", cell))


def test_every_entry_is_made_of_links():
    for table in TABLES.values():
        for row in table.rows:
            assert [cell for cell in row if not_linked(cell) or not LINK.search(cell)] == []


@pytest.mark.parametrize("cell", ["no", "[no][a] at all", "[no]", "yes, [or no](b)"])
def test_an_entry_without_a_link_is_found(cell):
    assert not_linked(cell) or not LINK.search(cell)


def test_no_link_is_a_formula_alone():
    # typeset, it has no text that a screen reader could take for the name of the link
    assert [m[0] for m in LINK.finditer(TEXT) if re.fullmatch(r"\s*\$[^$]+\$\s*", m["text"])] == []


def test_every_label_is_defined_once_and_used():
    labels = re.findall(r"^\[([^]]+)\]: ", TEXT, re.MULTILINE)
    used = {m["label"] for m in LINK.finditer(TEXT) if m["label"]}
    assert len(labels) == len(set(labels))
    assert set(labels) == used


@pytest.mark.parametrize("notebook", CHAPTERS)
def test_every_link_leads_to_a_heading(notebook):
    assert broken(TEXT, notebook) == []


def test_the_chapters_of_all_rows_are_linked():
    numbers = [Path(name).name.partition("_")[0] for name in CHAPTERS]
    assert numbers == ["01", "02", "03", "04", "05", "06", "06b", "07"]


@pytest.mark.parametrize("anchor", ["mask", "Masks", "masks-1", "keyvalue-cache", "add-norm"])
def test_a_link_to_no_heading_is_found(anchor):
    text = f"[a][x] [b](../notebooks/04_transformer.ipynb#add--norm)\n\n[x]: ../{{}}#{anchor}\n"
    assert broken(text.format("notebooks/04_transformer.ipynb"), CHAPTERS[3]) == [anchor]


def test_the_page_is_the_last_chapter_of_the_book():
    parts = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    chapters = [
        c["file"] for part in parts if part["caption"] != "Reference" for c in part["chapters"]
    ]
    assert chapters[-1] == "book/epilogue"


def test_the_book_makes_anchors_for_headings():
    settings = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
    assert settings["sphinx"]["config"].get("myst_heading_anchors", 0) >= 3


# what the page says -> the chapter, and what it has printed or written there
MEASURED = {
    "ours used 16 characters": ("01_rnn", "16 read: 3.29, 128 read: 3.29"),
    "right in 42 %": ("02_lstm_gru_sru", "8 symbols, then a question: 42 % right"),
    "A GRU with 64 units": ("02_lstm_gru_sru", "model = RecurrentLM(8 + n, GRU(16, 64))"),
    "learns over 200 steps": ("02_lstm_gru_sru", "50 steps 100 steps 200 steps"),
    "45 seconds of training, the plain RNN": ("02_lstm_gru_sru", "45 s: LSTM 3.87, RNN 3.65"),
    "12.3 % without it, 6.3 % with it": ("03_seq2seq_attention", "PER 12.3 % to 6.3 %"),
    "words of twelve letters and more": ("03_seq2seq_attention", "12 letters or more: PER"),
    "up to $n = 2d$": ("04_transformer", "4 n d^2 + 2 n^2 d = 8 n d^2$: at $n = 2d$"),
    "4,096 tokens of width 128 it makes 8.5": ("04_transformer", "4096 1,114,112 131,072 8.5"),
    "fewer errors than the Transformer": ("04_transformer", "9.43 edits per hundred phonemes"),
    "not one sequence was copied": ("04_transformer", "Not one sequence is right."),
    "43.5 % of the senses from GPT, 97.8 % from ELMo": (
        "06_gpt",
        "43.5 % of the senses from GPT's vectors, and 97.8 % from ELMo's",
    ),
    "512 tokens": ("06_gpt", "For GPT-1, $V = 40{,}478$ and $k = 512$"),
    "1,024 tokens": ("06_gpt", "GPT-2's models read 1,024 tokens at a time"),
    "2,048 tokens": ("06b_gpt3", "with a context of 2,048 tokens"),
    "175 billion weights": ("06b_gpt3", "GPT-3 175B 96 12,288"),
    "fingerprint of the weights": ("06b_gpt3", "assert fingerprint(icl) == print_before"),
}


@pytest.mark.parametrize("said", MEASURED)
def test_what_the_page_says_was_measured(said):
    chapter, there = MEASURED[said]
    assert said in re.sub(r"\s+", " ", TEXT)
    assert there in everything_in(BOOK / "notebooks" / f"{chapter}.ipynb")


def in_matrices(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.dim() == 2)


def test_costs_are_the_weights_of_the_models_matrices():
    d, c = 24, 56
    sizes = StackConfig(d_model=d, n_heads=4, d_ff=4 * d, n_layers=1)
    with torch.device("meta"):
        layers = {cell.__name__: cell(d, d) for cell in (RNN, LSTM, GRU, SRU)}
        layers |= dict.fromkeys(["GPT-1", "GPT-2", "GPT-3", "BERT"], EncoderLayer(sizes))
        two = torch.nn.ModuleList(ProjectedLSTM(d, c, d, reverse=r) for r in (False, True))
    costs = {LINK.search(row[0])["text"]: row[-1] for row in TABLES["epilogue-computes"].rows}
    for name, layer in layers.items():
        assert int(re.match(r"\[(\d+) \*nd²\*", costs[name])[1]) * d * d == in_matrices(layer), name
    assert int(re.match(r"\[(\d+) \*ncd\*", costs["ELMo"])[1]) * c * d == in_matrices(two)
    attention, feed_forward = re.findall(r"(\d+) \*nd²\*", costs["Transformer"])
    assert int(attention) + int(feed_forward) == 12


def test_works_to_read_on_are_in_the_bibliography():
    keys = re.findall(r"^@\w+\{([^,]+),", (BOOK / "book/references.bib").read_text("utf-8"), re.M)
    cited = [key for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", TEXT) for key in keys.split(",")]
    assert len(cited) == len(set(cited)) >= 15
    assert set(cited) <= set(keys)


def kinds_of(model: str) -> tuple[str, ...]:
    """Return what the timeline says a model of the table computes with."""
    (found,) = [m for m in art.MODELS if model.removeprefix("+ ") in m.names.split(", ")]
    return found.kinds


def test_the_timeline_has_the_models_and_years_of_the_table():
    names = {name: m.year for m in art.MODELS for name in m.names.split(", ")}
    years = {}
    for row in TABLES["epilogue-reads"].rows:
        name = LINK.search(row[0])["text"].removeprefix("+ ")
        years[name] = int(re.search(r"\*(\d{4})\*$", row[0])[1])
    assert names == years
    times = {m.names: m.time for m in art.MODELS}
    assert list(times.values()) == sorted(times.values())
    assert times["Transformer"] < times["ELMo"] < times["GPT-1"] < times["BERT"] < times["GPT-2"]


@pytest.mark.parametrize("name", [name for name in art.drawings() if "timeline" in name])
def test_every_timeline_shows_all_models_inside_its_frame(name):
    root = ElementTree.fromstring(art.drawings()[name])
    _, _, width, height = map(float, root.get("viewBox").split())
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    shown = [text.text for text in texts]
    assert all(m.names in shown and m.date in shown for m in art.MODELS)
    assert all(0 < float(t.get("x")) < width and 0 < float(t.get("y")) < height for t in texts)
    assert f"_static/{name}" in TEXT


def test_stripes_of_the_rows_have_the_timelines_colours():
    css = (BOOK / "book/_static/book.css").read_text(encoding="utf-8")
    wanted = f"--state: {art.STATE}; --attends: {art.ATTENTION};".lower()
    assert wanted in css
    kinds = [kinds_of(model) for model in MODELS]
    for half, place in (("upper", 0), ("lower", -1)):
        rule = re.search(rf"tr:is\((.*)\) th\.stub \{{ --{half}: var\(--state\); \}}", css)[1]
        first, single = map(int, re.findall(r"\d", rule))
        striped = [i <= first or i == single for i in range(1, 13)]
        assert striped == [kind[place] == "state" for kind in kinds], half
