"""The book builds without a warning, its links lead somewhere, its pages load nothing foreign."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml

from tests.book.built_site import ENV, make

# Attributes whose address the browser fetches by itself; <a href> is followed by a person.
LOADING = {
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",),
    "video": ("src", "poster"), "audio": ("src",), "embed": ("src",), "object": ("data",),
    "link": ("href",), "image": ("href", "xlink:href"), "use": ("href", "xlink:href"),
    "track": ("src",), "input": ("src",),
}  # fmt: skip
FOREIGN = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
CSS_ADDRESS = re.compile(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """What a finished page loads, links to, and can be linked at."""

    def __init__(self, path: Path):
        super().__init__(convert_charrefs=True)
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = None
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors.update(attributes[key] for key in ("id", "name") if attributes.get(key))
        for name in LOADING.get(tag, ()):
            value = attributes.get(name)
            if value:
                parts = value.split(",") if name == "srcset" else [value]
                self.loads += [part.split()[0] for part in parts if part.split()]
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if attributes.get("style"):
            self.inline["style"].append(attributes["style"])
        self._inside = tag if tag in self.inline else None

    def handle_data(self, data):
        if self._inside:
            self.inline[self._inside].append(data)

    def handle_endtag(self, tag):
        self._inside = None


@cache
def page(path: Path) -> Page:
    return Page(path)


def test_the_build_has_no_warning(root, site):
    log = (root / "_build" / "book.log").read_text(encoding="utf-8")
    assert "build succeeded." in log
    assert not re.search(r"\b(WARNING|ERROR|CRITICAL|SEVERE)\b", log), log[-4000:]


def test_a_second_make_book_has_nothing_to_do(root, site):
    assert make(root, "-q", "_build/.book-done").returncode == 0


@pytest.fixture
def project(tmp_path):
    """A project of two pages with the book's Makefile, whose jupyter-book only counts its runs."""
    root = Path(__file__).resolve().parents[2]
    shutil.copy(root / "Makefile", tmp_path)
    for name in ("_config.yml", "_toc.yml", "book/a.md", "book/b.md", "notebooks/c.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    tool = tmp_path / "bin" / "jupyter-book"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\nmkdir -p _build/next/_build/html\n"
        "echo built > _build/next/_build/html/index.html\necho run >> runs\n"
    )
    tool.chmod(0o755)

    def runs() -> int:
        command = ["make", "-o", ".venv/.installed", f"BIN={tool.parent}", "book"]
        result = subprocess.run(command, cwd=tmp_path, env=ENV, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        assert (tmp_path / "_build/html/index.html").is_file()
        return (tmp_path / "runs").read_text().count("run")

    return tmp_path, runs


def test_make_book_builds_again_when_and_only_when_something_changed(project):
    folder, runs = project
    assert [runs(), runs()] == [1, 1]
    (folder / "book/a.md").unlink()
    assert [runs(), runs()] == [2, 2]
    (folder / "book/sub").mkdir()
    (folder / "book/sub/d.md").write_text("d")
    assert [runs(), runs()] == [3, 3]
    shutil.rmtree(folder / "_build/html")
    assert [runs(), runs()] == [4, 4]
    later = (folder / "_build/.book-done").stat().st_mtime + 5
    os.utime(folder / "_config.yml", (later, later))
    assert runs() == 5


def test_another_axe_core_is_installed(root):
    command = ["make", "-np", "-f", "Makefile", "AXE_VERSION=9.9.9", "test"]
    plan = subprocess.run(command, cwd=root, env=ENV, capture_output=True, text=True).stdout
    assert re.search(r"^BROWSER_DONE := .*9\.9\.9$", plan, re.MULTILINE)


def test_mathjax_is_published_with_its_licence(site):
    folder = site / "_static/vendor/mathjax"
    assert (folder / "tex-svg.js").is_file()
    licence = (folder / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_there_is_no_index_that_no_page_leads_to(site, pages):
    assert not (site / "genindex.html").exists()
    assert not any('rel="index"' in page(p).text for p in pages)


def test_make_book_says_where_it_is_and_how_to_open_it(root, site):
    out = make(root, "book").stdout
    assert f"file://{site}/index.html" in out
    assert "http.server" in out
    assert "jupyter-book build" not in out


def test_every_entry_of_the_contents_has_a_page_and_a_title(root, site, toc):
    assert len(toc) == len(set(toc)) >= 6
    for name in toc:
        assert any((root / name).with_suffix(s).exists() for s in (".md", ".ipynb")), name
        html = page(site / f"{name}.html").text
        title = re.search(r"<h1>(.*?)<a class=\"headerlink\"", html, re.DOTALL)
        assert title and len(re.sub("<.*?>", "", title.group(1)).strip()) >= 4, name
        assert re.search(r"<title>[^<]*\w{3,}[^<]*</title>", html), name


def test_every_notebook_and_prose_page_is_in_the_contents(root, toc):
    sources = [*root.glob("book/*.md"), *root.glob("notebooks/*.ipynb")]
    names = {path.relative_to(root).with_suffix("").as_posix() for path in sources}
    assert names == set(toc)


def test_index_leads_to_the_first_page(site):
    assert "book/intro.html" in (site / "index.html").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_elsewhere(site, pages):
    assert len(pages) >= 8
    foreign = [(p.name, address) for p in pages for address in page(p).loads
               if FOREIGN.match(address)]  # fmt: skip
    for p in pages:
        for css in page(p).inline["style"]:
            found = ["".join(groups) for groups in CSS_ADDRESS.findall(css)]
            foreign += [(p.name, address) for address in found if FOREIGN.match(address)]
    for sheet in site.rglob("*.css"):
        found = ["".join(groups) for groups in CSS_ADDRESS.findall(sheet.read_text("utf-8"))]
        foreign += [(sheet.name, address) for address in found if FOREIGN.match(address)]
    assert foreign == []


def test_no_inline_script_names_another_site(pages):
    named = []
    for p in pages:
        for script in page(p).inline["script"]:
            addresses = re.findall(r"https?://[^\s'\"<>)]+", script)
            # a namespace is a name that looks like an address; nothing is fetched from it
            named += [(p.name, a) for a in addresses if not a.startswith("http://www.w3.org/")]
    assert named == []


def test_what_pages_load_and_link_to_exists(site, pages):
    broken = []
    for p in pages:
        for address in page(p).loads + page(p).links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or address.startswith("#!"):
                continue
            target = (p.parent / unquote(parts.path)).resolve() if parts.path else p
            if not target.is_file() or (
                parts.fragment
                and target.suffix == ".html"
                and unquote(parts.fragment) not in page(target).anchors
            ):
                broken.append((p.name, address))
    assert broken == []


def test_no_role_or_directive_is_left_as_text(pages):
    code = re.compile(r"<(script|pre|code)\b.*?</\1>", re.DOTALL)
    role = re.compile(r"\{(?:cite|term|ref|doc|numref)\w*\}")
    left = [(p.name, m) for p in pages for m in role.findall(code.sub("", page(p).text))]
    assert left == []


def test_without_a_repository_no_button_leads_nowhere(root, pages):
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if config["repository"]["url"]:
        pytest.skip("this copy of the book names its repository")
    for p in pages:
        for name in ("mybinder.org", "colab.research", "executablebooks", "source-repository"):
            assert name not in page(p).text, (p.name, name)


def test_thebe_is_gone_and_equations_are_ours(site, pages):
    assert not any("thebe" in page(p).text.lower() for p in pages)
    with_equations = [p for p in pages if 'class="math' in page(p).text]
    assert with_equations
    for p in with_equations:
        (mathjax,) = [a for a in page(p).loads if "mathjax" in a]
        assert (p.parent / mathjax).resolve().is_file()


def test_size_of_the_site(site, capsys):
    files = [p for p in site.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files)
    with capsys.disabled():
        print(f"\nbuilt site: {size / 2**20:.1f} MiB in {len(files)} files")
    assert size < 40 * 2**20
    assert not list(site.rglob("*.map"))


def test_glossary_is_bilingual_and_large(site):
    html = page(site / "book" / "glossary.html").text
    entries = re.findall(r"<dt id=\"term-[^\"]*\">(.*?)<a class=\"headerlink\"", html, re.DOTALL)
    english, chinese = entries[::2], entries[1::2]
    assert len(english) == len(chinese) >= 70
    assert all(re.search(r"[A-Za-z]", term) for term in english)
    assert all(re.search(r"[\u4e00-\u9fff]", term) for term in chinese)


def test_bibliography_keys_follow_one_pattern(root):
    text = (root / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) >= 40
    assert all(re.fullmatch(r"[a-z]+\d{4}[a-z]?", key) for key in keys)
    for entry in re.split(r"^@", text, flags=re.MULTILINE)[1:]:
        key = entry.split("{")[1].split(",")[0]
        author, year = (re.search(rf"{f}\s*=\s*\{{(.*)", entry) for f in ("author", "year"))
        assert year.group(1)[:4] == re.search(r"\d{4}", key).group(), key
        family = author.group(1).split(",")[0].strip("{}").lower().replace(" ", "")
        assert family == re.match("[a-z]+", key).group(), key


@pytest.fixture(scope="module")
def published(root, tmp_path_factory) -> str:
    """A chapter page of a two-page book with our settings and a repository filled in."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(root / "book" / "_ext", folder / "book" / "_ext")
    shutil.copytree(root / "book" / "_static", folder / "book" / "_static")
    (folder / "book" / "references.bib").write_text("", encoding="utf-8")
    (folder / "book" / "intro.md").write_text("# Start\n\nText.\n", encoding="utf-8")
    settings = (root / "_config.yml").read_text(encoding="utf-8")
    filled, count = re.subn(
        r'(repository:\n  url: )"[^"]*"', r'\1"https://github.com/someone/a-book"', settings
    )
    assert count == 1
    (folder / "_config.yml").write_text(filled, encoding="utf-8")
    contents = {"format": "jb-book", "root": "book/intro",
                "parts": [{"caption": "One", "chapters": [{"file": "notebooks/a"}]}]}  # fmt: skip
    (folder / "_toc.yml").write_text(json.dumps(contents), encoding="utf-8")
    v4 = nbformat.v4
    slider = v4.new_output("display_data", data={"text/plain": "interactive(children=(...))"})
    kept = v4.new_output("display_data", data={"text/html": "<b>kept</b>", "text/plain": "plain"})
    cells = [
        v4.new_markdown_cell("# A chapter\n\n$a^2$"),
        v4.new_code_cell("play()", outputs=[slider], metadata={"tags": ["live-only"]}),
        v4.new_code_cell("show()", outputs=[kept]),
    ]
    spec = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    (folder / "notebooks").mkdir()
    nbformat.write(v4.new_notebook(cells=cells, metadata=spec), folder / "notebooks" / "a.ipynb")
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return (folder / "_build" / "html" / "notebooks" / "a.html").read_text(encoding="utf-8")


def test_one_setting_turns_on_all_buttons(published):
    links = re.findall(r'href="(https://[^"]+)"', published)
    blob = "github/someone/a-book/blob/main/notebooks/a.ipynb"
    assert f"https://colab.research.google.com/{blob}" in links
    assert any(link.startswith("https://mybinder.org/v2/gh/someone/a-book/main?") for link in links)
    assert "https://github.com/someone/a-book" in links
    assert any(link.startswith("https://github.com/someone/a-book/edit/main/") for link in links)


def test_live_only_output_becomes_a_note(published):
    assert "interactive(children" not in published
    assert published.count("Run this notebook live to play with it") == 1
    assert "<b>kept</b>" in published and ">plain<" not in published


def test_an_old_python_is_told_what_to_do(root, tmp_path):
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 && exit 0\nexit 1\n')
    fake.chmod(0o755)
    venv = tmp_path / "venv"
    command = ["make", "book", f"PYTHON={fake}", f"VENV={venv}"]
    result = subprocess.run(command, cwd=root, env=ENV, capture_output=True, text=True)
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stdout and "3.9.1" in result.stdout
    assert not venv.exists()
