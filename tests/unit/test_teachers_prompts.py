import hashlib
from importlib.resources import files

import pytest

from elad_exp.teachers import prompts
from elad_exp.teachers.prompts import Prompt, load_prompt
from elad_exp.teachers.texts import attempt_text, prompt_text
from elad_exp.types import Choice, Explanation, QueryItem, Sample
from tests.unit.teacher_toys import SAMPLE, STEPS, TASK, item

# Changing a prompt changes its version, and with it every request key: do it on purpose.
VERSIONS = {"revise": "68f024491fa5", "explain": "319d5af13f69"}


@pytest.mark.parametrize("name", sorted(VERSIONS))
def test_versions_are_pinned(name):
    prompt = load_prompt(name)
    text = (files(prompts) / f"{name}.txt").read_bytes()
    assert prompt.version == hashlib.sha256(text).hexdigest()[:12] == VERSIONS[name]


def test_every_prompt_file_is_pinned():
    found = {f.name for f in files(prompts).iterdir() if f.name.endswith(".txt")}
    assert found == {f"{name}.txt" for name in VERSIONS}


def test_the_revision_prompt_as_a_model_would_read_it():
    text, version = prompt_text(TASK, item(*STEPS), mode="revise")
    assert version == VERSIONS["revise"]
    assert (
        "Facts you may rely on:\nEven numbers end in 0, 2, 4, 6 or 8.\n\n"
        "Question: Is 2 + 3 + 4 even?\nChoices:\n(none)\nPossible answers: yes, no\n\n"
        "The student's explanation:\nStep 1: 2 + 3 = 5\nStep 2: 5 + 4 = 9\nAnswer: no\n\n"
    ) in text
    assert "$" not in text


def test_the_explanation_prompt_hides_the_attempt():
    text, _ = prompt_text(TASK, item("a canary"), mode="explain")
    assert SAMPLE.question in text
    assert "canary" not in text


def test_choices_are_listed_and_dollar_signs_stay():
    choices = (Choice("A", "$question"), Choice("B", "$5"))
    sample = Sample("i", "What costs $5?", choices)
    text, _ = prompt_text(TASK, QueryItem(sample), mode="explain")
    assert "Question: What costs $5?\nChoices:\n(A) $question\n(B) $5\n" in text
    assert "Possible answers: A, B\n" in text


def test_an_attempt_without_answer_says_so():
    assert attempt_text(Explanation.of([], None)) == "Answer: (none)"


def test_fields_and_values_must_match():
    prompt = Prompt("p", "$a and ${b}", "v")
    assert prompt.render(a="1", b="2") == "1 and 2"
    for values in ({"a": "1"}, {"a": "1", "b": "2", "c": "3"}):
        with pytest.raises(ValueError, match=r"has fields \['a', 'b'\]"):
            prompt.render(**values)
