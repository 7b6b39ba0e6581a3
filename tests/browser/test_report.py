"""The page of `report` in a real browser: what is drawn, and what buttons, pointer and keys do."""

from contextlib import ExitStack
from pathlib import Path
from typing import Iterator

import pytest

from tests.browser.chromium import SHIFT, Chromium, find_chromium
from tests.unit.test_report import make_hostile, report, simulated

EVALUATIONS, COMMITS, SPEED, BARS = (
    f'figure[data-plot="{name}"]'
    for name in ("all-loss-0", "run-1-commits-0", "run-1-heterogeneity-0", "run-1-breakdown-0")
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on PATH: the page is only checked as text")
    with ExitStack() as stack:
        try:
            browser = Chromium(program, tmp_path_factory.mktemp("profile"))
            stack.enter_context(browser)
        except (EOFError, TimeoutError):
            pytest.skip(f"{program} does not start: the page is only checked as text")
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = [
        simulated(folder / f"{model}-{k}", model, [0.1, 0.2, 0.4])
        for k, model in enumerate(("adsp", "adacomm", "bsp", "ssp", "asp", "adsp-fixed"))
    ]
    for name, chosen in (("one", runs[:1]), ("six", runs), ("hostile", [make_hostile(folder)])):
        (folder / name).mkdir()
        report(folder / name, *chosen)
    return {name: folder / name / "report.html" for name in ("one", "six", "hostile")}


@pytest.fixture(autouse=True)
def no_complaints(browser: Chromium) -> Iterator[None]:
    browser.complaints.clear()
    yield
    assert browser.complaints == []


def drawn(browser: Chromium, figure: str) -> list[str]:
    """The series that a plot shows."""
    found = f"[...document.querySelectorAll('{figure} path[data-series]')]"
    drawn_series = f"{found}.filter(p => p.getAttribute('d')).map(p => p.dataset.series)"
    return sorted(set(browser.evaluate(drawn_series)))


def ticks(browser: Chromium, figure: str) -> list[str]:
    texts = f"[...document.querySelectorAll('{figure} .axes text')].map(t => t.textContent)"
    return browser.evaluate(texts)


def press(browser: Chromium, figure: str, text: str, modifiers: int = 0) -> None:
    """Click on the button of a plot that says so."""
    found = (
        f"[...document.querySelectorAll('{figure} button')].find(b => b.textContent == '{text}')"
    )
    browser.evaluate(f"document.querySelectorAll('#it').forEach(e => e.id = ''); {found}.id = 'it'")
    x, y, width, height = browser.place("#it")
    browser.click(x + width / 2, y + height / 2, modifiers)


@pytest.mark.parametrize("width", [380, 1400])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["one", "six"])
def test_everything_is_drawn(
    browser: Chromium, pages: dict[str, Path], name: str, dark: bool, width: int
) -> None:
    browser.open(pages[name], width, dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.wait_until(
        "[...document.querySelectorAll('figure')].every(f => f.querySelector('.axes, .bar'))"
    )
    empty = (
        "[...document.querySelectorAll('figure')].filter(f =>"
        " ![...f.querySelectorAll('.line, .dots, .box')].some(p => p.getAttribute('d'))"
        " && !f.querySelector('.bar span')).map(f => f.dataset.plot)"
    )
    assert browser.evaluate(empty) == []
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") != dark


def test_a_click_on_a_name_hides_and_shows_it(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["six"])
    everyone = drawn(browser, EVALUATIONS)
    assert len(everyone) > 3 and "3" in everyone
    press(browser, EVALUATIONS, "4 ssp-3")
    assert drawn(browser, EVALUATIONS) == [name for name in everyone if name != "3"]
    assert browser.evaluate("document.querySelector('#it').getAttribute('aria-pressed')") == "false"
    press(browser, EVALUATIONS, "4 ssp-3")
    assert drawn(browser, EVALUATIONS) == everyone
    press(browser, EVALUATIONS, "4 ssp-3", SHIFT)
    assert drawn(browser, EVALUATIONS) == ["3"]
    press(browser, EVALUATIONS, "4 ssp-3", SHIFT)
    assert drawn(browser, EVALUATIONS) == everyone
    press(browser, EVALUATIONS, "all / none")
    assert drawn(browser, EVALUATIONS) == []


def test_names_and_tools_work_from_the_keyboard(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    browser.evaluate(f"document.querySelector('{COMMITS} .legend button:not(.all)').focus()")
    browser.key(" ")
    assert drawn(browser, COMMITS) == ["1", "2", "3"]
    whole = ticks(browser, COMMITS)
    browser.evaluate(f"document.querySelector('{COMMITS} .picture').focus()")
    browser.key("+")
    near = ticks(browser, COMMITS)
    assert near != whole
    browser.key("-")
    assert ticks(browser, COMMITS) == whole
    browser.key("+")
    browser.key("ArrowRight", SHIFT)
    assert ticks(browser, COMMITS) not in (near, whole)
    browser.key("ArrowLeft")
    assert browser.evaluate(f"document.querySelector('{COMMITS} .readout').innerText").count("\n")
    browser.key("0")
    assert ticks(browser, COMMITS) == whole


def test_bars_are_rescaled_to_the_parts_that_are_shown(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    browser.open(pages["one"])
    parts = f"[...document.querySelectorAll('{BARS} .bar span')]"
    widths = f"{parts}.map(s => s.getBoundingClientRect().width)"
    before = browser.evaluate(widths)
    assert len(before) == 3 * 4 and sum(before) > 100
    press(browser, BARS, "computing")
    assert len(browser.evaluate(widths)) == 3 * 3


def test_a_drag_zooms_into_all_plots_of_the_run(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    before = [ticks(browser, figure) for figure in (EVALUATIONS, COMMITS, SPEED)]
    x, y, width, height = browser.place(f"{COMMITS} .picture")
    browser.mouse("mousePressed", x + 0.4 * width, y + height / 2)
    browser.mouse("mouseMoved", x + 0.6 * width, y + height / 2)
    browser.mouse("mouseReleased", x + 0.6 * width, y + height / 2)
    after = [ticks(browser, figure) for figure in (EVALUATIONS, COMMITS, SPEED)]
    assert after[0] == before[0] and after[1] != before[1] and after[2] != before[2]
    press(browser, SPEED, "whole")
    assert ticks(browser, COMMITS) == before[1]


def test_the_pointer_reads_values(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["one"])
    x, y, width, height = browser.place(f"{COMMITS} .picture")
    browser.mouse("mouseMoved", x + 0.9 * width, y + height / 2)
    readout = browser.evaluate(f"document.querySelector('{COMMITS} .readout').innerText")
    assert all(f"worker {k}" in readout for k in range(3)) and " s" in readout
    browser.mouse("mouseMoved", 1, 1)
    assert browser.evaluate(f"document.querySelector('{COMMITS} .readout').hidden")


def test_log_and_other_axes_redraw_the_losses(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["six"])
    shapes = (
        f"[...document.querySelectorAll('{EVALUATIONS} path.line')].map(p => p.getAttribute('d'))"
    )
    seen = [browser.evaluate(shapes)]
    press(browser, EVALUATIONS, "log")
    seen.append(browser.evaluate(shapes))
    for select, option in ((1, 1), (0, 1)):
        chosen = f"document.querySelectorAll('{EVALUATIONS} select')[{select}]"
        browser.evaluate(f"{chosen}.value = {option}; {chosen}.dispatchEvent(new Event('change'))")
        seen.append(browser.evaluate(shapes))
    assert all(seen[k] != seen[k + 1] for k in range(3))
    assert "steps of all workers" in ticks(browser, EVALUATIONS)


def test_printing_opens_and_draws_every_run(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["six"])
    assert not browser.evaluate("document.querySelector('details.run').open")
    assert len(browser.pdf()) > 50_000
    assert browser.evaluate("document.querySelector('details.run').open")
    assert drawn(browser, COMMITS) == ["0", "1", "2", "3"]


def test_no_word_of_a_user_becomes_a_script(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("window.hacked === undefined")
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert "<script>hacked=1" in browser.evaluate("document.body.innerText")
    assert drawn(browser, COMMITS) == ["0", "1", "2"]
