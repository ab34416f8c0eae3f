"""The logo, the favicon and the map of chapters."""

import re
from xml.etree import ElementTree

import pytest

from tools import draw_book_art as art

SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = art.drawings()


def test_committed_files_are_what_the_tool_draws():
    assert art.main(["--check"]) == 0


def test_check_names_a_stale_or_missing_file(tmp_path, capsys):
    assert art.main(["--folder", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(DRAWINGS)
    assert art.main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "logo.svg").write_text("old")
    (tmp_path / "favicon.svg").unlink()
    assert art.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "logo.svg, favicon.svg" in capsys.readouterr().out


@pytest.mark.parametrize("name", DRAWINGS)
def test_well_formed_titled_and_self_contained(name):
    root = ElementTree.fromstring(DRAWINGS[name])
    assert root.find(f"{SVG}title").text
    assert root.find(f"{SVG}desc").text
    assert root.get("aria-labelledby") == "title desc"
    assert not re.search(
        r"https?://(?!www\.w3\.org/2000/svg)|<script|<image|@import", DRAWINGS[name]
    )


@pytest.mark.parametrize("name", [name for name in DRAWINGS if "map" in name])
def test_maps_show_every_chapter_and_arrow(name):
    root = ElementTree.fromstring(DRAWINGS[name])
    shown = [element.text for element in root.iter(f"{SVG}text")]
    for chapter in art.CHAPTERS.values():
        assert chapter.number in shown
        assert set(chapter.title) <= set(shown)
        assert chapter.date in shown
    arrows = [p for p in root.iter(f"{SVG}path") if p.get("marker-end")]
    assert len(arrows) == len(art.BUILDS_ON)


def test_the_dates_put_the_transformer_before_elmo():
    dates = {number: chapter.date for number, chapter in art.CHAPTERS.items()}
    assert dates["01"] == "1990"
    assert dates["04"] == "June 2017"
    assert [dates[n] for n in ("05", "06", "07")] == ["February 2018", "June 2018", "October 2018"]


def test_arrows_point_forward_in_the_book():
    assert all(source < target for source, target in art.BUILDS_ON)
    assert {target for _, target in art.BUILDS_ON} == set(art.CHAPTERS) - {"00"}
