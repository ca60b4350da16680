"""What a model answered once is answered again, for nothing: by request, by sample, or not."""

import json
import sys
from dataclasses import replace

import pytest

from elad_exp.budget.store import Store
from elad_exp.errors import ConfigError, DataError
from elad_exp.teachers import litellm
from elad_exp.teachers.recorded import RecordedTeacher
from elad_exp.types import Explanation, Query, QueryItem, Sample, Status
from tests.unit.recording_toys import (
    MODEL,
    QUERIES,
    SAMPLES,
    FakeModel,
    attempted,
    bought,
    edit,
    meanings,
    pay,
    record,
)
from tests.unit.teacher_toys import TASK, Chain


@pytest.fixture
def files(tmp_path):
    return tmp_path / "paid.sqlite", tmp_path / "recording.jsonl", tmp_path / "replay.sqlite"


def replay(path, store, **options):
    queries = options.pop("queries", QUERIES)
    limits = {k: options.pop(k) for k in list(options) if k.startswith("max_")}
    teacher = RecordedTeacher(TASK, path=str(path), **options)
    return bought(store, teacher, run_id="again", queries=queries, **limits)


@pytest.mark.parametrize("mode", ["single", "sequential", "explain"])
def test_a_paid_run_is_replayed_without_model_or_litellm(files, monkeypatch, mode):
    paid_store, recording, store = files
    model = FakeModel(monkeypatch)
    paid, spent, money, _ = pay(paid_store, mode=mode)
    assert spent == money
    assert spent.usd > 0
    assert record(paid_store, recording) == model.n == spent.calls
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ConfigError, match="not installed"):
        litellm.load()
    again, spent_again, nothing, _ = replay(recording, store)
    assert meanings(again) == meanings(paid)
    assert all(a.status is Status.OK for a in again)
    assert {a.replayed_by for a in again} == {"key"}
    assert {a.teacher for a in again} == {"recorded"}
    assert spent_again == spent
    assert (nothing.calls, nothing.tokens, nothing.usd) == (0, 0, 0.0)


def test_unusable_answers_are_replayed_as_such_and_a_budget_ends_at_the_same_item(
    files, monkeypatch
):
    paid_store, recording, store = files
    garbage = "The answer is in the stars."
    FakeModel(monkeypatch, garbage)
    # The first sample is asked about again in a later round.
    queries = [*QUERIES, Query(2, (QUERIES[0].items[0], *map(attempted, SAMPLES[6:])))]
    free, all_of_it, _, _ = pay(paid_store, run_id="whole", queries=queries)
    assert [a.status for a in free].count(Status.UNPARSED) == 1
    FakeModel(monkeypatch, garbage)
    with Store(paid_store) as store_:
        worst = max(call["bound"]["usd"] for call in store_.calls("whole"))
    limit = worst + 0.6 * all_of_it.usd
    other = paid_store.with_name("other.sqlite")
    paid, spent, _, refusal = pay(other, run_id="cut", queries=queries, max_usd=limit)
    assert "budget.max_usd" in refusal
    assert 3 < len(paid) < len(free)
    record(paid_store, recording)
    again, spent_again, _, refusal_again = replay(recording, store, queries=queries, max_usd=limit)
    assert meanings(again) == meanings(paid)
    assert (spent_again, refusal_again) == (spent, refusal)


def test_another_attempt_gets_the_explanation_of_the_sample_and_no_verdicts(files, monkeypatch):
    paid_store, recording, store = files
    FakeModel(monkeypatch)
    paid, _, _, _ = pay(paid_store)
    record(paid_store, recording)
    sample = SAMPLES[3]
    other = QueryItem(sample, Explanation.of(["I guess"], "yes"))
    unknown, late = attempted(TASK.sample(9, 9, 9)), attempted(SAMPLES[0])
    found, spent, money, _ = replay(
        recording, store, queries=[Query(0, (other, unknown, late, QUERIES[1].items[1]))]
    )
    by_sample, missing, explained, by_key = found
    assert by_sample.explanation == paid[3].explanation
    assert (by_sample.replayed_by, by_sample.verdicts, by_sample.first_error) == (
        "sample",
        (),
        None,
    )
    assert by_key.replayed_by == "key"
    assert by_key.verdicts
    # Asked about without an attempt in the paid run: still an explanation.
    assert (explained.replayed_by, explained.explanation) == ("sample", paid[0].explanation)
    assert (missing.status, missing.replayed_by, missing.call_ids) == (Status.MISSING, "", ())
    assert "recording.jsonl (6 answers)" in missing.reason
    assert (spent.annotations, money.calls) == (3, 0)


def test_by_sample_the_whole_annotation_is_charged(files, monkeypatch):
    paid_store, recording, store = files
    FakeModel(monkeypatch)
    queries = [Query(0, (attempted(SAMPLES[3]),))]
    _, spent, _, _ = pay(paid_store, mode="sequential", queries=queries)
    assert spent.calls == 3  # two checks and the correction
    record(paid_store, recording)
    other = Query(0, (QueryItem(SAMPLES[3], Explanation.of(["I guess"], "yes")),))
    found, again, _, _ = replay(recording, store, queries=[other])
    assert found[0].replayed_by == "sample"
    assert (again.calls, again.tokens, again.usd) == (1, spent.tokens, spent.usd)


def test_an_explanation_to_prompts_that_are_gone_does_not_stand_in(files, monkeypatch):
    paid_store, recording, store = files
    FakeModel(monkeypatch)
    pay(paid_store)
    record(paid_store, recording)
    other = [Query(0, (QueryItem(SAMPLES[3], Explanation.of(["I guess"], "yes")),))]

    def renamed(lines):
        return [x if "format" in x else x | {"prompt_version": "older"} for x in lines]

    edit(recording, renamed)
    found, _, _, _ = replay(recording, store, queries=other)
    assert found[0].status is Status.MISSING


def test_a_restarted_replay_charges_nothing_twice(files, monkeypatch):
    paid_store, recording, store = files
    FakeModel(monkeypatch)
    pay(paid_store)
    record(paid_store, recording)
    other = QueryItem(SAMPLES[3], Explanation.of(["I guess"], "yes"))
    queries = [QUERIES[0], Query(1, (other, QUERIES[1].items[1]))]
    first, spent, _, _ = replay(recording, store, queries=queries)
    moved = recording.rename(recording.with_name("moved.jsonl"))
    again, spent_again, _, _ = replay(moved, store, queries=queries, max_calls=0)
    assert again == first
    assert spent_again == spent


def test_a_store_is_replayed_without_an_export(files, monkeypatch):
    paid_store, _, store = files
    FakeModel(monkeypatch)
    paid, _, _, _ = pay(paid_store)
    pay(paid_store, run_id="other", mode="explain")
    with pytest.raises(ConfigError, match=r"answers of one teacher .*teacher\.run=RUN_ID"):
        RecordedTeacher(TASK, store=str(paid_store))
    teacher = RecordedTeacher(TASK, store=str(paid_store), run="paid")
    again, _, _, _ = bought(store, teacher, run_id="again")
    assert meanings(again) == meanings(paid)


def test_answers_of_a_recording_are_never_served_to_the_real_teacher(files, monkeypatch):
    paid_store, recording, store = files
    model = FakeModel(monkeypatch)
    pay(paid_store)
    record(paid_store, recording)
    replay(recording, store)
    model.n = 0
    _, _, money, _ = pay(store)
    assert money.calls == model.n == 6


def test_it_says_what_it_is(files, monkeypatch):
    paid_store, recording, _ = files
    FakeModel(monkeypatch)
    pay(paid_store)
    record(paid_store, recording)
    teacher = RecordedTeacher(TASK, path=str(recording))
    assert (teacher.name, teacher.model, teacher.mode) == ("recorded", MODEL, "single")
    assert teacher.estimated is False
    found = json.loads(json.dumps(teacher.info))["recording"]
    assert (found["name"], found["answers"], len(found["sha256"])) == ("recording.jsonl", 6, 64)
    assert found["teacher"]["price"] == {"prompt_usd": 1e-6, "completion_usd": 3e-6}


# -- plain files ---------------------------------------------------------------------------------

ROW = {"id": "q1", "rationale": ["1 + 2 = 3", "3 + 3 = 6"], "teacher_answer": "yes", "raw": "So."}


class Sourced(Chain):
    source_ids = {s.id: f"q{i}" for i, s in enumerate(SAMPLES, 1)}  # noqa: RUF012


def plain(path, *rows):
    path.write_text("".join(json.dumps(ROW | row) + "\n" for row in rows))
    return path


def test_a_plain_file_answers_by_the_rows_own_id_or_ours(files):
    _, path, store = files
    plain(path, {}, {"id": SAMPLES[1].id, "raw": ""}, {"id": "q3", "teacher_answer": "maybe"})
    teacher = RecordedTeacher(Sourced(), path=str(path))
    assert (teacher.model, teacher.mode, teacher.estimated) == ("recording.jsonl", "explain", True)
    items = [QueryItem(s) for s in SAMPLES[:4]]
    rounds = [Query(0, tuple(items)), Query(1, (items[2],))]
    found, spent, money, _ = bought(store, teacher, run_id="again", queries=rounds)
    ok = Explanation.of(ROW["rationale"], "yes")
    assert [a.explanation for a in found[:2]] == [ok, ok]
    assert [a.raw for a in found[:2]] == ["So.", "1 + 2 = 3\n3 + 3 = 6\nAnswer: yes"]
    # Billed once and never served again.
    statuses = [Status.OK, Status.OK, Status.UNPARSED, Status.MISSING, Status.MISSING]
    assert [a.status for a in found] == statuses
    assert "line 3: the answer 'maybe' is none of: yes, no" in found[2].reason
    assert [a.replayed_by for a in found] == ["sample"] * 3 + [""] * 2
    assert (spent.annotations, spent.usd, money.calls) == (3, 0.0, 0)
    assert spent.tokens > 3


def test_a_recording_of_another_dataset_is_refused_before_anything_is_scored(files):
    _, path, store = files
    plain(path, {"id": "elsewhere-1"})
    teacher = RecordedTeacher(Sourced(), path=str(path))
    with pytest.raises(DataError, match=r"none of the 8 samples.*'elsewhere-1'.*'q1'"):
        teacher.check(None)
    # Where rows have no ids, it shows when they are asked about.
    found, spent, _, _ = bought(
        store, RecordedTeacher(TASK, path=str(path)), run_id="r", queries=QUERIES[:1]
    )
    assert [a.status for a in found] == [Status.MISSING] * 3
    assert spent.calls == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rationale": "one"}, r"line 2: rationale: a list of strings"),
        ({"rationale": [1]}, r"line 2: rationale: a list of strings"),
        ({"teacher_answer": True}, r"line 2: teacher_answer: a string"),
        ({"id": None}, r"line 2: id: a string"),
        ({"id": "q1"}, r"line 2: a second row with id 'q1'"),
        ({"raw": None}, r"line 2: raw: a string"),
    ],
)
def test_rows_of_a_plain_file_that_cannot_be_used(files, change, message):
    with pytest.raises(DataError, match=message):
        RecordedTeacher(TASK, path=str(plain(files[1], {}, {"id": "q2"} | change)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("{}\n", r"line 1: no id and no rationale and no teacher_answer \(found: nothing\)"),
        ("[]\n", "line 1: a JSON object is expected"),
        ("nonsense\n", "line 1: malformed JSON"),
        ('{"format": "mp3"}\n', "its format is 'mp3'"),
        ('{"format": "elad_exp recording", "version": 2}\n', "version 2, this elad_exp reads 1"),
        ('{"format": "elad_exp recording", "version": 1}\n', "lack what their teachers were"),
    ],
)
def test_files_that_are_no_recording(files, text, message):
    files[1].write_text(text)
    with pytest.raises(DataError, match=message):
        RecordedTeacher(TASK, path=str(files[1]))


def test_lines_of_a_recording_that_cannot_be_used_are_named_all_at_once(files, monkeypatch):
    paid_store, recording, _ = files
    FakeModel(monkeypatch)
    pay(paid_store)
    record(paid_store, recording)

    def broken(lines):
        del lines[2]["key"]
        lines[3]["usage"]["usd"] = -1.0
        lines[4]["status"] = "splendid"
        return lines

    edit(recording, broken)
    with pytest.raises(DataError, match=r"(?s)3 problems.*line 3: .*line 4: .*line 5: .*splendid"):
        RecordedTeacher(TASK, path=str(recording))
    edit(recording, lambda lines: lines[:1])
    with pytest.raises(DataError, match="holds no answers"):
        RecordedTeacher(TASK, path=str(recording))

    def other_mode(lines):
        lines[0]["runs"]["paid"]["teacher"]["mode"] = "guess"
        return lines

    edit(recording, other_mode)
    with pytest.raises(DataError):
        RecordedTeacher(TASK, path=str(recording))


def test_arguments_that_do_not_fit(files):
    path = plain(files[1], {})
    for options in ({}, {"path": str(path), "store": "s"}):
        with pytest.raises(
            ConfigError, match=r"needs teacher\.path=FILE .* or teacher\.store=FILE"
        ):
            RecordedTeacher(TASK, **options)
    with pytest.raises(ConfigError, match="plain file, which knows no runs"):
        RecordedTeacher(TASK, path=str(path), run="r")
    with pytest.raises(ConfigError, match="there is no store"):
        RecordedTeacher(TASK, store=str(path.with_name("none.sqlite")))
    for missing, wrong in (
        (path.with_name("none.jsonl"), "no such file"),
        (path.parent, "no file"),
    ):
        with pytest.raises(DataError, match=wrong) as caught:
            RecordedTeacher(TASK, path=str(missing))
        assert str(caught.value).startswith(f"teacher.path={missing}: ")
        assert "\n" not in str(caught.value)


def test_a_question_of_another_kind_is_not_answered_by_a_recorded_label(files):
    path = plain(files[1], {"id": SAMPLES[0].id, "rationale": ["Answer: no"]})
    teacher = RecordedTeacher(TASK, path=str(path))
    queries = [Query(0, (QueryItem(replace(SAMPLES[0])), QueryItem(Sample("x", "y?"))))]
    found, _, _, _ = bought(files[2], teacher, run_id="r", queries=queries)
    assert found[0].status is Status.UNPARSED
    assert "reads like an answer" in found[0].reason
