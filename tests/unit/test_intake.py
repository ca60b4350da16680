"""Files into a table: one pass, a second one only where the kind of answers asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from elad_exp.data.intake import tabulate
from elad_exp.data.records import Reading
from elad_exp.data.rows import Row
from elad_exp.errors import DataError


class Reader:
    def __init__(self, *answers: str, problem: str = "", ours: bool = True) -> None:
        self.answers, self.problem, self.passes, self.ours = answers, problem, 0, ours

    def __call__(self, reading: Reading) -> Iterator[Row]:
        self.passes += 1
        reading.ours = self.ours
        reading.records = 0 if self.ours else len(self.answers)
        for i, answer in enumerate(self.answers):
            yield Row(f"f line {i}", str(i), f"q{i}?", answer)
        if self.problem:
            reading.problems.add("f", self.problem)


def test_answers_become_canonical_in_one_pass() -> None:
    reader = Reader("Yes", "NO", "no")
    table, kind, _ = tabulate({"pool": reader}, "auto")
    assert (kind, reader.passes) == ("yes_no", 1)
    assert [table.row(i).answer for i in range(3)] == ["yes", "no", "no"]


def test_a_given_kind_is_not_inferred() -> None:
    reader = Reader("4", "Yes")
    table, kind, _ = tabulate({"pool": reader}, "open")
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


def test_a_few_answers_of_another_kind_are_left_out_of_a_dataset_s_own_columns() -> None:
    pool, test = Reader(*["4"] * 19, "unknown", ours=False), Reader("5")
    table, _, readings = tabulate({"pool": pool, "test": test}, "number")
    assert table.counts() == {"pool": 19, "test": 1}
    [(place, reason)] = readings["pool"].left_out.items()
    assert (place, readings["test"].left_out) == ("f line 19", {})
    assert "'unknown' is not one number" in reason
    with pytest.raises(DataError, match="2 problems in the data"):
        tabulate({"pool": Reader(*["4"] * 9, "unknown", "5", "six", ours=False)}, "number")


def test_what_the_first_row_alone_would_leave_out_is_kept() -> None:
    reader = Reader("yes", "4", *["no"] * 30, ours=False)
    table, kind, readings = tabulate({"pool": reader}, "auto")
    assert (kind, len(table), list(readings["pool"].left_out)) == ("yes_no", 31, ["f line 1"])
    reader = Reader("4", *["no"] * 30, ours=False)
    table, kind, readings = tabulate({"pool": reader}, "auto")
    assert (kind, reader.passes, len(table)) == ("yes_no", 2, 30)
