"""Files into a table: one pass, a second one only where the kind of answers asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elad_exp.data.intake import tabulate
from elad_exp.data.rows import Problems, Row
from elad_exp.errors import DataError


class Reader:
    def __init__(self, *answers: str, problem: str = "") -> None:
        self.answers, self.problem, self.passes = answers, problem, 0

    def __call__(self, problems: Problems) -> Iterator[Row]:
        self.passes += 1
        for i, answer in enumerate(self.answers):
            yield Row(f"f line {i}", str(i), f"q{i}?", answer)
        if self.problem:
            problems.add("f", self.problem)


def test_answers_become_canonical_in_one_pass() -> None:
    reader = Reader("Yes", "NO", "no")
    table, kind = tabulate({"pool": reader}, "auto")
    assert (kind, reader.passes) == ("yes_no", 1)
    assert [table.row(i).answer for i in range(3)] == ["yes", "no", "no"]


def test_a_given_kind_is_not_inferred() -> None:
    reader = Reader("4", "Yes")
    table, kind = tabulate({"pool": reader}, "open")
    assert (kind, reader.passes) == ("open", 1)
    assert table.row(1).answer == "Yes"
    with pytest.raises(DataError, match=r"line 0: answer '4' is neither .* \(answers=yes_no\)"):
        tabulate({"pool": reader}, "yes_no")


def test_all_rows_together_decide_the_kind() -> None:
    pool, test = Reader("4", "5"), Reader("yes")
    with pytest.raises(DataError) as caught:
        tabulate({"pool": pool, "test": test}, "auto")
    assert (pool.passes, test.passes) == (2, 2)
    message = str(caught.value)
    assert message.startswith("2 problems")
    assert "f line 0: answer '4' is neither yes nor no; the file's answers were taken" in message


def test_what_is_wrong_with_the_files_comes_first() -> None:
    with pytest.raises(DataError, match=r"^1 problem in the data\n  f: cut short$"):
        tabulate({"pool": Reader("4", "yes", problem="cut short")}, "auto")
