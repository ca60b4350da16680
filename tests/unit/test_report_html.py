from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from elad_exp import cli
from elad_exp.errors import DataError
from elad_exp.metrics import proportion
from elad_exp.reporting.html import number, write_report
from elad_exp.reporting.revisions import choose, revision
from elad_exp.reporting.text import clipped, visible
from tests.helpers_runs import write_lines, write_run

HOSTILE = (
    "</script></style></title></textarea><script>alert(1)</script><img src=x onerror=alert(1)>"
    "\" onmouseover=\"alert(1)' onfocus='alert(1) `${7*7}` {{ 7*7 }} {% if %} &lt;b&gt; <!-- ]]> "
    "\u202emoor\u2066ward \x1b[31m\x00 http://evil.example/x.js \ud800"
)
_TAGS = (
    "html head meta title style body header h1 h2 h3 p b span small code div ul li table thead "
    "tbody tfoot tr th td details summary dl dt dd svg line text polygon polyline circle"
)
ALLOWED_TAGS = set(_TAGS.split())


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.pieces: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def report(run: Path, **options: Any) -> tuple[str, Page]:
    source = write_report(run, **options).read_text(encoding="utf-8")
    return source, Page(source)


def test_a_completed_run_shows_what_it_reached_and_cost(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", limit=400)
    result = json.loads((run / "result.json").read_text())
    _, page = report(run)
    reached = result["metrics"]["test/acc"]["value"]
    untrained = result["metrics"]["test/acc_round0"]["value"]
    assert f"{100 * reached:.1f} % of 1,000 test questions" in page.text
    assert f"{100 * (reached - untrained):+.1f} points against the untrained student" in page.text
    low, high = result["metrics"]["test/majority"]["ci95"]
    assert f"[{low:.3f}, {high:.3f}], n = 1,000" in page.text
    assert "240 annotations (60 % of 400)" in page.text
    for part in ("tiny", "oracle", "almanac_a", "elad", "step_entropy", "audit items (uniform)"):
        assert part in page.text
    # A point for each round, and a row in both round tables.
    assert page.tags.count("circle") == result["rounds"] == 7


def test_the_teachers_model_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    result = json.loads((run / "result.json").read_text())
    for model, told in (("openai/gpt-4o-mini", "oracle (openai/gpt-4o-mini)"), (None, "oracle")):
        result["teacher"]["model"] = model
        (run / "result.json").write_text(json.dumps(result))
        _, page = report(run)
        assert f"taught by {told} on almanac_a" in page.text
        assert re.search(rf"{re.escape(told)}, \d+ tokens", page.text)  # of an annotation


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    source, page = report(write_run(tmp_path / "run"))
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name in {"src", "href", "style"}]
    policy = next(v for _, v in page.attributes if v.startswith("default-src"))
    assert policy.startswith("default-src 'none';")
    style = re.search(r"<style>(.*?)</style>", source, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_hostile_text_in_every_field_stays_text(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", text=HOSTILE)
    annotations = [json.loads(x) for x in (run / "annotations.jsonl").read_text().splitlines()]
    for line in annotations:
        line |= {"tokens": HOSTILE, "usd": HOSTILE, "id": HOSTILE}
        line["scores"] = {HOSTILE: HOSTILE}
        line["score"] = None if line["score"] is None else HOSTILE
    write_lines(run / "annotations.jsonl", annotations)
    source, page = report(run)
    assert set(page.tags) <= ALLOWED_TAGS
    assert page.tags.count("title") == 1 + page.tags.count("circle")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not [value for _, value in page.attributes if "evil" in value]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", source)
    assert "[U+202E]moor[U+2066]ward [U+001B][31m[U+0000]" in page.text
    assert "{{ 7*7 }}" in page.text
    assert "&lt;b&gt;" in page.text  # shown as it was written, not decoded once more


def test_hostile_text_of_a_failed_run_stays_text(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", text=HOSTILE, status="failed", rounds=0)
    _, page = report(run)
    assert set(page.tags) <= ALLOWED_TAGS
    assert "The run failed: </script>" in page.text


@pytest.mark.parametrize(
    ("status", "rounds", "told"),
    [
        ("running", 2, "running"),
        ("stopped", 2, "The run stopped and can be resumed: no_annotations"),
        ("stopped", 0, "Nothing was annotated"),
        ("failed", 1, "The run failed: RuntimeError: the teacher went away"),
        ("failed", 0, "Nothing was measured yet"),
    ],
)
def test_a_run_in_any_state_has_a_report(
    tmp_path: Path, status: str, rounds: int, told: str
) -> None:
    run = write_run(tmp_path / "run", status=status, rounds=rounds)
    _, page = report(run)
    assert told in page.text
    assert "None" not in page.text
    assert ("svg" in page.tags) == ((run / "rounds.jsonl").exists())


def test_a_missing_run_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run directory"):
        write_report(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        write_report(tmp_path)


def test_a_file_in_place_of_a_run_is_the_users_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    assert cli.main(["report", str(run / "result.json")]) == 2
    assert "result.json is not a run directory" in capsys.readouterr().err


def test_labelled_is_not_said_to_be_trained_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=2)
    path = run / "annotations.jsonl"
    lines = [json.loads(x) for x in path.read_text().splitlines()]
    lines[0]["trained_on"] = False  # readable, but longer than the student's context
    write_lines(path, lines)
    _, page = report(run)
    assert "Labelled counts the teacher's answers that could be read" in page.text
    assert "are not trained on" in page.text


def test_shown_revisions_are_counted_and_spread(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=4, query_size=20)
    _, page = report(run, limit=12)
    assert page.tags.count("details") == 12 + 1
    assert "12 of 60 shown, spread evenly over the rounds. 20 more were made" in page.text
    lines = [json.loads(x) for x in (run / "annotations.jsonl").read_text().splitlines()]
    assert [line["round"] for line in choose(lines, 12)] == [1] * 4 + [2] * 4 + [3] * 4
    assert choose(lines[:20], 100) == lines[:20]  # only explanations: all are shown


def test_acceptance_of_audit_items_is_pooled_over_rounds(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", rounds=3)
    lines = [json.loads(x) for x in (run / "rounds.jsonl").read_text().splitlines()]
    lines[1]["bought"]["acceptance_audit"] = proportion(1, 4).to_dict()
    lines[1]["bought"]["acceptance_selected"] = proportion(3, 36).to_dict()
    lines[2]["bought"]["acceptance_audit"] = None
    lines[2]["bought"]["acceptance_selected"] = proportion(6, 30).to_dict()
    write_lines(run / "rounds.jsonl", lines)
    _, page = report(run)
    pooled = proportion(9, 66)
    section = page.text[page.text.index("How often the teacher") :]
    assert f"{pooled.value:.3f}[{pooled.ci95[0]:.3f}, {pooled.ci95[1]:.3f}], n = 66" in section
    assert "0.250[0.046, 0.699], n = 4" in section[section.index("all") :]
    assert "0.200[" in section


def test_the_teacher_audit_is_summed_over_rounds_and_left_out_where_nothing_is_known(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", rounds=3)
    lines = [json.loads(x) for x in (run / "rounds.jsonl").read_text().splitlines()]
    lines[1]["bought"]["teacher"] = {"answer_accuracy": proportion(3, 4).to_dict()}
    lines[2]["bought"]["teacher"] = {"answer_accuracy": proportion(5, 5).to_dict()}
    write_lines(run / "rounds.jsonl", lines)
    _, page = report(run)
    section = page.text[page.text.index("Teacher audit") : page.text.index("What the scores")]
    low, high = proportion(8, 9).ci95
    assert f"later answers right0.889[{low:.3f}, {high:.3f}], n = 9The same" in section
    assert "initial answers right" in section
    assert "right made wrong" not in section
    assert "first error exact" not in section
    for line in lines[:3]:
        del line["bought"]["teacher"]  # as earlier versions wrote it
    write_lines(run / "rounds.jsonl", lines)
    assert "Teacher audit" not in report(run)[1].text


def annotation(**changes: Any) -> dict[str, Any]:
    steps = [
        {"index": i, "text": f"s{i}", "logprob": -0.1, "entropy": 0.5 * i} for i in range(1, 4)
    ]
    line = {
        "question": "Is it so?",
        "attempt": {"steps": steps, "answer": "no", "raw": ""},
        "verdicts": [
            {"index": 1, "ok": True, "correction": None, "reason": ""},
            {"index": 2, "ok": False, "correction": "t2", "reason": "not so"},
        ],
        "first_error": 2,
        "steps": ["s1", "t2"],
        "answer": "yes",
        "status": "ok",
    }
    return line | changes


def test_the_first_error_is_marked_beside_its_correction() -> None:
    found = revision(annotation())
    assert [(s.mark, s.attempt, s.revised, s.changed) for s in found.steps] == [
        ("right", "s1", "s1", False),
        ("error", "s2", "t2", True),
        ("after", "s3", None, True),
    ]
    assert found.steps[1].reason == "not so"
    assert (found.outcome, found.tone) == ("first error in step 2", "bad")


def test_an_error_after_the_last_step_marks_no_step() -> None:
    verdicts = [{"index": i, "ok": True, "correction": None, "reason": ""} for i in (1, 2, 3)]
    verdicts.append({"index": 4, "ok": False, "correction": "s4", "reason": "a step is missing"})
    found = revision(annotation(first_error=4, verdicts=verdicts, steps=["s1", "s2", "s3", "s4"]))
    assert [s.mark for s in found.steps] == ["right", "right", "right", "unjudged"]
    assert found.steps[3].attempt is None
    assert found.steps[3].revised == "s4"
    assert found.reason == "a step is missing"
    assert "answer does not follow" in found.outcome


@pytest.mark.parametrize(
    ("changes", "outcome", "tone"),
    [
        ({"first_error": None}, "accepted unchanged", "good"),
        ({"first_error": None, "verdicts": []}, "replaced without a check", "soft"),
        (
            {"first_error": None, "verdicts": [], "attempt": None},
            "explained from scratch",
            "soft",
        ),
        (
            {"first_error": None, "verdicts": [], "status": "refused", "steps": []},
            "refused, not trained on",
            "bad",
        ),
    ],
)
def test_outcomes_in_words(changes: dict[str, Any], outcome: str, tone: str) -> None:
    found = revision(annotation(**changes))
    assert (found.outcome, found.tone) == (outcome, tone)


def test_texts_of_a_teacher_s_own_are_called_so_and_say_why_they_are_not_used() -> None:
    text = "Ada Lovelace left Paris."
    answer = '[["PER",0,12],["LOC",18,23]]'
    own = {"question": text, "parents": ["a"], "attempt": None, "verdicts": [], "steps": []}
    own |= {"first_error": None, "answer": answer, "aim": "hard"}
    found = revision(annotation(**own))
    assert found.outcome == "written by the teacher, asked for as hard"
    assert found.answer == "PER: Ada Lovelace; LOC: Paris"
    dropped = revision(annotation(**own | {"status": "unparsed", "reason": "an empty text"}))
    assert (dropped.outcome, dropped.reason) == ("unparsed, not trained on", "an empty text")
    given = revision(annotation(attempt=None, verdicts=[], first_error=None, steps=[]))
    assert (given.outcome, given.answer) == ("answered", "yes")


def test_numbers_and_texts_for_people() -> None:
    assert number(12345.678, 1) == "12,345.7"
    assert number(None) == "\N{EN DASH}"
    assert number("a lot") == "a lot"
    assert visible("a\u202eb\n\tc") == "a[U+202E]b\n\tc"
    assert clipped("abcdef", 4) == "abcd ... (2 more characters)"


@pytest.mark.browser
def test_a_browser_finds_nothing_to_refuse(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium")
    page = write_report(write_run(tmp_path / "run", text=HOSTILE))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert "Accuracy against annotations" in done.stdout
