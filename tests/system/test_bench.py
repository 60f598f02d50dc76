"""What tests/bench/run measures, small: that it works, and how many searches
there are. How long things take is not for tests that run on any machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import Bench, Table
from sandbox import Sandbox

USERS, MAILBOXES = 600, 500

# Nothing that answers from its memory is slower than a directory by so much,
# whatever else the machine does.
ANY_RATIO = 100


@pytest.fixture(scope="module")
def table(sandbox: Sandbox) -> Iterator[Table]:
    bench = Bench(sandbox, 1, USERS, MAILBOXES)
    with bench.prepared():
        yield bench.run()


@pytest.mark.parametrize("what, count", [
    ("searches for an uncached home", 1),
    ("searches for a cached home", 0),
    ("searches for a mailbox", 0),
])
def test_number_of_searches(table: Table, what: str, count: int) -> None:
    assert table.rows[what].values == [count]


@pytest.mark.parametrize("what", [
    "cached homes / raw libldap", "mailboxes / raw libldap",
    "cached homes while a connect stalls", "cached homes while a bind stalls",
    "cached homes while a search stalls"])
def test_nothing_hangs(table: Table, what: str) -> None:
    assert table.rows[what].median < ANY_RATIO, str(table)


def test_table_says_what_is_missed(table: Table) -> None:
    table.add("never met", 2, target=1)
    line = str(table).splitlines()[-1]
    assert line.startswith("never met") and line.endswith("MISSED")
