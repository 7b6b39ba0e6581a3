"""The README and the pages of the guide read well on a terminal of 80 columns."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from adsp_mpi.guide import PAGES, for_terminal, read_page

README = (Path(__file__).parents[2] / "README.md").read_text()
WIDTH = 80


def on_terminal(text: str) -> str:
    console = Console(file=io.StringIO(), width=WIDTH, force_terminal=False)
    console.print(for_terminal(text))
    return console.file.getvalue()


def fenced_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_no_line_of_the_readmes_blocks_is_broken() -> None:
    assert max(map(len, fenced_lines(README))) <= WIDTH


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_a_pages_blocks_is_broken(page: str) -> None:
    text = read_page(page)
    shown = [line.strip() for line in on_terminal(text).splitlines()]
    for line in fenced_lines(text):
        assert len(line) <= 76 and line.strip() in shown


def test_images_are_left_out_and_links_name_their_target() -> None:
    text = "Before\n\n![A figure](a/figure.png)\n\n[All of it](a/page.md) is there.\n"
    shown = [line.rstrip() for line in on_terminal(text).splitlines()]
    assert shown == ["Before", "", "All of it (a/page.md) is there."]
