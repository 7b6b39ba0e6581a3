"""Tables as plain text, Markdown and CSV."""

from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.tables import Table, labelled

SMALL = Table(["name", "n", "long number"], [["ab", "1", "2.5"], ["c", "100", "-"]], ["name"])


def test_words_line_up_left_and_numbers_right() -> None:
    assert SMALL.lines() == [
        "name    n  long number",
        "ab      1          2.5",
        "c     100            -",
    ]


def test_a_narrow_table_first_closes_its_gaps_then_goes_on_below() -> None:
    assert SMALL.lines(22) == SMALL.lines()
    assert SMALL.lines(20)[0] == "name   n long number"
    assert SMALL.lines(19) == [
        "name   n",
        "ab     1",
        "c    100",
        "",
        "name long number",
        "ab           2.5",
        "c              -",
    ]


def test_markdown_lines_up_below_its_title() -> None:
    table = Table(["a", "long"], [["wide cell", "x"]], title="Both")
    assert table.markdown().splitlines() == [
        "## Both",
        "",
        "| a         | long |",
        "| --------- | ---- |",
        "| wide cell | x    |",
    ]


def test_csv_quotes_what_it_must() -> None:
    assert Table(["a", "b"], [["1,5", 'x"y']]).csv() == 'a,b\n"1,5","x""y"\n'


def test_rows_of_dictionaries_take_a_format_a_column() -> None:
    table = Table.formatted([{"params": 57000, "s": 0.5}], {"params": ",d", "s": ".2f"})
    assert table.lines() == ["params     s", "57,000  0.50"]


def test_labels_line_up() -> None:
    assert labelled([("a", "1"), ("long", "2")]) == ["a     1", "long  2"]
    assert labelled([]) == []


@given(st.data(), st.integers(1, 8), st.integers(0, 4), st.integers(1, 90))
def test_no_cell_is_lost_or_cut_at_any_width(
    data: st.DataObject, columns: int, rows: int, width: int
) -> None:
    row = st.lists(st.text("ab1", min_size=1, max_size=12), min_size=columns, max_size=columns)
    table = Table(data.draw(row), [data.draw(row) for _ in range(rows)])
    lines = table.lines(width)
    words = [word for line in lines for word in line.split()]
    for line in (table.header, *table.rows):
        assert all(cell in words for cell in line)
    widest = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    if max([widest[0] + 1 + w for w in widest[1:]] or widest) <= width:
        assert max(map(len, lines)) <= width
