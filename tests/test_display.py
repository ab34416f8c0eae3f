"""Source code and tables as HTML: what is shown, what is escaped, what is readable."""

import ast
import functools
import html
import html.parser
import re

import pytest
from IPython.core.formatters import DisplayFormatter

from nlp_helpers import display, plotting
from nlp_helpers.display import Rendered, show_source, table


class Page(html.parser.HTMLParser):
    """The elements and the text of a fragment; fails on tags that do not nest."""

    def __init__(self, markup):
        super().__init__()
        self.elements, self.stack, self.text, self.problems = [], [], {}, []
        self.feed(markup)
        self.problems += self.stack

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.stack.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data):
        for tag in self.stack:
            self.text[tag] = self.text.get(tag, "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(rendered):
    page = Page(rendered.data)
    assert not page.problems
    return page


def code_of(rendered):
    return page_of(rendered).text["code"]


def luminance(color):
    c = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in c)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestSource:
    def test_the_code_is_the_files_own_character_by_character(self):
        code = code_of(show_source(Rendered))
        assert code.startswith("class Rendered(HTML):")
        with open(display.__file__, encoding="utf-8") as stream:
            assert code in stream.read()

    def test_header_names_the_file_in_the_package_and_nothing_of_the_machine(self):
        rendered = show_source(Rendered)
        assert page_of(rendered).text["figcaption"] == "nlp_helpers/display.py · class Rendered"
        function = page_of(show_source(plotting.plot_loss)).text["figcaption"]
        assert function == "nlp_helpers/plotting.py · def plot_loss"
        method = page_of(show_source(Rendered.__repr__)).text["figcaption"]
        assert method == "nlp_helpers/display.py · def Rendered.__repr__"
        folder = str(display._PACKAGE.parent)
        assert folder not in rendered.data
        assert not re.search(r"0x[0-9a-f]{6}|https?:|url\(|@import", rendered.data)

    def test_plain_text_is_one_short_line(self):
        rendered = show_source(table, docstring=False)
        assert repr(rendered) == "<source of nlp_helpers/display.py · def table>"
        bundle = DisplayFormatter().format(rendered)[0]
        assert set(bundle) == {"text/plain", "text/html"}
        assert bundle["text/plain"] == repr(rendered)

    def test_the_same_every_time(self):
        assert show_source(table).data == show_source(table).data

    def test_the_scrolling_region_is_reached_by_keyboard_and_named(self):
        regions = [a for a in page_of(show_source(table)).all("div") if a.get("role") == "region"]
        assert len(regions) == 1
        assert regions[0]["tabindex"] == "0"
        assert regions[0]["aria-label"] == "Source code of table"

    def test_only_some_methods(self):
        rendered = show_source(Rendered, only=("__repr__",))
        code = code_of(rendered)
        assert "def __repr__" in code
        assert "super().__init__" not in code
        assert "class Rendered(HTML):" in code
        assert code.count("# ...") == 1
        assert code.index('places that show none."""') < code.index("# ...")
        ast.parse(code)
        caption = page_of(rendered).text["figcaption"]
        assert caption == "nlp_helpers/display.py · class Rendered · __repr__"
        assert code_of(show_source(Rendered, only="__repr__")) == code

    def test_only_all_methods_leaves_nothing_out(self):
        both = code_of(show_source(Rendered, only=("__init__", "__repr__")))
        assert both == code_of(show_source(Rendered))

    def test_without_docstrings(self):
        full, bare = (code_of(show_source(table, docstring=keep)) for keep in (True, False))
        assert "Raises:" in full
        assert '"""' not in bare
        assert bare.splitlines()[1] == "    headers = [str(entry) for entry in headers]"
        tree = ast.parse(full)
        del tree.body[0].body[0]
        assert ast.dump(ast.parse(bare)) == ast.dump(tree)
        inner = code_of(show_source(Rendered, docstring=False))
        assert '"""' not in inner
        assert inner.splitlines()[1].startswith("    def __init__")  # no blank line is left over
        assert "def __repr__" in inner

    def test_a_range_of_lines(self):
        whole = code_of(show_source(table)).split("\n")
        assert code_of(show_source(table, lines=(1, 2))).split("\n") == [*whole[:2], "# ..."]
        middle = code_of(show_source(table, lines=(3, 4))).split("\n")
        assert middle == ["# ...", *whole[2:4], "# ..."]
        assert code_of(show_source(table, lines=(1, len(whole)))).split("\n") == whole

    def test_markup_in_the_code_is_escaped(self):
        rendered = show_source(show_source)
        assert "<figcaption>{html" not in rendered.data
        assert "&lt;figcaption&gt;{" in rendered.data
        assert "<figcaption>{html.escape(header)}" in code_of(rendered)

    def test_wrapped_functions_are_unwrapped(self):
        @functools.wraps(plotting.plot_loss)
        def wrapper():
            """Never shown."""

        assert "def plot_loss(" in code_of(show_source(wrapper))

    def test_keywords_strings_and_comments_have_their_own_classes(self):
        data = show_source(table).data
        assert '<span class="nh-keyword">def</span>' in data
        assert '<span class="nh-name-function">table</span>' in data
        assert '<span class="nh-literal-string">' in data
        used = set(re.findall(r'<span class="([\w-]+)"', data))
        assert all(f".{name}{{color:var(--nh-{name[3:]})}}" in data for name in used)

    @pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
    def test_contrast(self, side):
        colours = [display.INK, *display.SYNTAX.values()]
        assert min(contrast(pair[side], display.PAGE[side]) for pair in colours) >= 4.5
        assert contrast(display.INK[side], display.HEAD[side]) >= 7
        sheet = display._style()
        assert all(pair[side] in sheet for pair in [*colours, display.PAGE, display.HEAD])

    def test_dark_colours_apply_on_dark_pages_only(self):
        sheet = display._style()
        light, dark = re.findall(
            r"([^{}]*)\{([^{}]*--nh-ink:[^{}]*)\}", sheet.replace("<style>", "")
        )
        assert light[0] == ".nh-source,.nh-table"
        assert display.PAGE[0] in light[1]
        assert display.PAGE[1] in dark[1]
        markers = ('html[data-theme="dark"]', 'body[data-jp-theme-light="false"]')
        for selector in dark[0].split(","):
            assert selector.startswith((*markers, "body.vscode-dark")), selector
        assert all(marker in dark[0] for marker in markers)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"obj": ast.NodeVisitor}, ValueError, "ast.NodeVisitor is not defined in nlp_helpers"),
            ({"obj": Page}, ValueError, "Page is not defined in nlp_helpers"),
            ({"obj": dict}, ValueError, "dict is not defined"),
            ({"obj": 3}, TypeError, "got a int"),
            ({"obj": plotting}, TypeError, "got a module"),
            ({"obj": len}, TypeError, "builtin_function"),
            ({"obj": Rendered, "only": ("forward",)}, ValueError, "defines __init__, __repr__"),
            ({"obj": Rendered, "only": ()}, ValueError, "does not fit"),
            ({"obj": table, "only": ("forward",)}, ValueError, "table is a function"),
            ({"obj": table, "lines": (0, 2)}, ValueError, r"lines=\(0, 2\) does not fit table"),
            ({"obj": table, "lines": (5, 4)}, ValueError, "does not fit"),
            ({"obj": table, "lines": (1, 999)}, ValueError, "does not fit"),
        ],
    )
    def test_bad_input(self, arguments, error, message):
        with pytest.raises(error, match=message):
            show_source(**arguments)


class TestTable:
    ROWS = (("RNN", "1,234", "3.21"), ("LSTM", 12345, "—"))
    HEADERS = ("model", "parameters", "perplexity")

    def test_cells_scopes_and_caption(self):
        page = page_of(table(self.ROWS, self.HEADERS, "Test perplexity"))
        assert [attrs["scope"] for attrs in page.all("th")] == ["col"] * 3 + ["row"] * 2
        assert len(page.all("td")) == 4
        assert page.text["caption"] == "Test perplexity"
        assert page.text["tbody"] == "RNN1,2343.21LSTM12345—"
        region = page.all("div")[0]
        assert region["aria-label"] == "Test perplexity"
        assert (region["role"], region["tabindex"]) == ("region", "0")

    def test_columns_of_numbers_stand_to_the_right(self):
        page = page_of(table(self.ROWS, self.HEADERS, "c"))
        right = [attrs.get("class") == "nh-number" for _, attrs in page.elements if "th" in _]
        assert [attrs.get("class") for attrs in page.all("td")] == ["nh-number"] * 4
        assert right.count(True) == 2
        words = page_of(table([["a", "12 b"], ["c", "13"]], ["x", "y"], "c"))
        assert [attrs.get("class") for attrs in words.all("td")] == [None, None]

    def test_everything_is_escaped(self):
        rendered = table([["<b>", '"&"']], ["<i>", "x"], '</caption><script>"')
        page = page_of(rendered)
        assert "<script" not in rendered.data
        assert page.text["caption"] == '</caption><script>"'
        assert page.all("div")[0]["aria-label"] == '</caption><script>"'
        assert page.text["tbody"] == '<b>"&"'
        assert "<td>&quot;&amp;&quot;</td>" in rendered.data

    def test_without_row_headers(self):
        page = page_of(table(self.ROWS, self.HEADERS, "c", row_headers=False))
        assert [attrs["scope"] for attrs in page.all("th")] == ["col"] * 3
        assert len(page.all("td")) == 6

    def test_plain_text_is_an_aligned_table(self):
        assert repr(table(self.ROWS, self.HEADERS, "Test perplexity")) == (
            "Test perplexity\n"
            "model  parameters  perplexity\n"
            "-----  ----------  ----------\n"
            "RNN         1,234        3.21\n"
            "LSTM        12345           —"
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([["a"]], ["x", "y"], "c"), "row 0 has 1 cells, the header has 2"),
            (([], ["x"], "c"), "needs headers and rows, got 1 and 0"),
            (([["a"]], [], "c"), "got 0 and 1"),
            (([["a"]], ["x"], " "), "caption is empty"),
        ],
    )
    def test_bad_input(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            table(*arguments)
