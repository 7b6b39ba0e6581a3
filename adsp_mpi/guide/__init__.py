"""Short pages of documentation that the package ships: `python -m adsp_mpi guide [PAGE]`."""

import re
import signal
import sys
from importlib import resources
from typing import TYPE_CHECKING, Sequence

from adsp_mpi.errors import UsageError

if TYPE_CHECKING:
    from rich.markdown import Markdown

PAGES = {
    "convert": "your own training loop: from a PyTorch script to this in five minutes",
    "examples": "training loops that come with the program, one file each",
    "tasks": "your own model and data without a loop of your own",
    "built-in": "the tasks that come with the program; how data is dealt out",
    "settings": "every setting, where it comes from, when a run ends",
    "schemes": "the synchronization schemes, compared",
    "own-scheme": "a scheme of your own, in one file",
    "commit-rule": "commits that do something else than add up, with a state on the server",
    "heterogeneity": "real speeds, injected speeds, links, changes over time",
    "simulate": "the same run in virtual time; what other machines would need",
    "paper": "the comparisons of the ADSP paper, repeated",
    "traces": "what a run leaves, how to read it, every analysis verb",
    "cluster": "your MPI, several hosts, Slurm",
    "faults": "runs that are stopped and resumed, workers that die, hang or come back",
    "speed": "what a commit costs, thin links, several servers",
    "guarantees": "what holds, and where it ends",
    "code": "what is where in the code; one commit's way through the files",
    "troubleshooting": "what goes wrong and what to do",
}
"""What each page is about, by its name. A page is a file NAME.md beside this one."""


def read_page(name: str) -> str:
    """The text of a page in Markdown; UsageError for an unknown name."""
    if name not in PAGES:
        raise UsageError(f"guide {name}: there is no such page; there are: {', '.join(PAGES)}")
    return (resources.files("adsp_mpi.guide") / f"{name}.md").read_text()


def list_pages() -> str:
    """One line per page."""
    lines = [f"  {name:<17}{about}" for name, about in PAGES.items()]
    return "\n".join(["python -m adsp_mpi guide PAGE prints one of these pages:", "", *lines])


def for_terminal(text: str) -> "Markdown":
    """A page of Markdown without its images, and with the target of each link beside it."""
    from rich.markdown import Markdown

    return Markdown(re.sub(r"^!\[.*\]\(.*\)\n+", "", text, flags=re.M), hyperlinks=False)


def show_guide(arguments: Sequence[str]) -> None:
    """Print a page, or the list of pages; formatted where the output is a terminal."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `guide | head` is no error
    if len(arguments) > 1:
        raise UsageError("guide takes one page: python -m adsp_mpi guide PAGE")
    if not arguments or arguments[0].startswith("-"):
        print(list_pages())
        return
    text = read_page(arguments[0])
    if not sys.stdout.isatty():
        print(text, end="")
        return
    from rich.console import Console

    Console().print(for_terminal(text))
