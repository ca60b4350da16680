"""Forced answers: the tree of prefixes against plain forward passes."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from elad_exp.data.collate import encode, render
from elad_exp.errors import ConfigError
from elad_exp.protocols import Splits
from elad_exp.student.build import TinyStudent
from elad_exp.student.forced import Continuation, TokenTree, continuations
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Choice, Explanation, GoldBook, Sample
from tests.unit.student_toys import SAMPLES, TASK, ToyTask, engine, pairs, sample, tiny

MODEL, TOKENIZER = tiny()
with torch.no_grad():
    for parameter in MODEL.parameters():
        parameter.mul_(5)


def plain(
    sample_: Sample, steps: tuple[str, ...], *, first_token_only: bool, task: ReasoningTask = TASK
) -> dict[str, float]:
    """Softmax over labels of what training would have as the log-probability of each."""
    labels = task.labels(sample_)
    assert labels is not None
    rows = []
    for label in labels:
        row = encode(
            TOKENIZER,
            render(TOKENIZER, task.prompt(sample_), chat_template=False),
            task.target(sample_, Explanation.of(steps, label)),
            max_length=500,
        )
        assert row is not None
        rows.append(row.ids)
    common = next(i for i, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1)
    scores = []
    for ids in rows:
        with torch.no_grad():
            logp = torch.log_softmax(MODEL(torch.tensor([ids])).logits[0], dim=-1)
        places = [common] if first_token_only else range(common, len(ids))
        scores.append(sum(float(logp[i - 1, ids[i]]) for i in places))
    values = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
    return dict(zip(labels, values, strict=True))


def items() -> list[tuple[Sample, tuple[str, ...]]]:
    """Every prefix of an explanation, samples interleaved; and one with a step left out."""
    found = [(s, e.texts[:n]) for n, (s, e) in product(range(3), pairs()[:9])]
    return [*found, (SAMPLES[0], ("Bo measures 17 feet.",))]


def test_the_tree_gives_what_plain_forward_passes_give() -> None:
    asked = items()
    found = engine(MODEL, TOKENIZER).answer_distributions(asked)
    for (sample_, steps), distribution in zip(asked, found, strict=True):
        expected = plain(sample_, steps, first_token_only=True)
        assert distribution == pytest.approx(expected, abs=1e-4)
        assert sum(distribution.values()) == pytest.approx(1)
    assert len({round(d["yes"], 3) for d in found}) > 5


def test_batches_do_not_show() -> None:
    asked = items()
    together = engine(MODEL, TOKENIZER, tokens_per_batch=10_000).answer_distributions(asked)
    apart = engine(MODEL, TOKENIZER, tokens_per_batch=1).answer_distributions(asked)
    for a, b in zip(together, apart, strict=True):
        assert a == pytest.approx(b, abs=1e-5)


@pytest.mark.parametrize(
    "labels", [("north", "northeast", "south"), ("A", "AB", "ABC"), ("1", "10", "100")]
)
def test_labels_that_begin_alike_are_compared_as_wholes(labels: tuple[str, ...]) -> None:
    question = sample("Where to?", tuple(Choice(label, f"go {label}") for label in labels))
    steps = ("Ana measures 3 feet.",)
    [found] = engine(MODEL, TOKENIZER).answer_distributions([(question, steps)])
    firsts = {
        tuple(TOKENIZER(f"Answer: {x}").input_ids[: len(TOKENIZER("Answer:").input_ids) + 1])
        for x in labels
    }
    assert len(firsts) < len(labels)
    assert found == pytest.approx(plain(question, steps, first_token_only=False), abs=1e-4)


def test_forced_tokens_are_those_of_training() -> None:
    for (sample_, explanation), label in product(pairs()[:5], ("yes", "no")):
        target = TASK.target(sample_, Explanation.of(explanation.texts, label))
        prompt = render(TOKENIZER, TASK.prompt(sample_), chat_template=False)
        row = encode(TOKENIZER, prompt, target, max_length=96)
        assert row is not None
        trees, [(number, scores)] = engine(MODEL, TOKENIZER)._laid_out(
            [(sample_, explanation.texts)], [("yes", "no")], {}
        )
        node, token = trees[number].scored[scores[("yes", "no").index(label)]][0]
        path = []
        while node >= 0:
            path.append(trees[number].tokens[node])
            node = trees[number].parents[node]
        assert (*path[::-1], token) == row.ids[:-1]


def test_continuations_are_the_shortest_that_decide() -> None:
    assert continuations([[1, 2, 7, 0], [1, 2, 8, 0]]) == [
        Continuation((1, 2), (7,)),
        Continuation((1, 2), (8,)),
    ]
    assert continuations([[1, 7, 0], [1, 7, 5, 0], [1, 8, 0]]) == [
        Continuation((1,), (7, 0)),
        Continuation((1,), (7, 5, 0)),
        Continuation((1,), (8, 0)),
    ]
    assert continuations([[1, 7, 0], [1, 7, 5, 0]]) == [
        Continuation((1, 7), (0,)),
        Continuation((1, 7), (5,)),
    ]


def test_a_tree_shares_beginnings_and_computes_asked_nodes_last() -> None:
    tree = TokenTree()
    for tokens in ([1, 2, 3], [1, 2, 4], [1, 5]):
        tree.add(Continuation(tuple(tokens), (9,)))
    assert tree.tokens == [1, 2, 3, 4, 5]
    assert tree.depths == [0, 1, 2, 2, 1]
    assert tree.order() == [0, 1, 2, 3, 4]
    assert tree.ancestors().astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 0, 0, 0, 1],
    ]
    tree.add(Continuation((1,), (5,)))
    assert tree.order() == [1, 2, 3, 4, 0]


def test_shared_prefixes_are_read_once() -> None:
    student = engine(MODEL, TOKENIZER)
    sample_, explanation = pairs()[0]
    student.answer_distributions([(sample_, explanation.texts[:n]) for n in range(3)])
    longest = len(student.prompt_ids([sample_])[0]) + len(
        TOKENIZER(TASK.target(sample_, explanation)).input_ids
    )
    # The longest path without its label, and "Answer:" after the two shorter prefixes.
    branch = len(TOKENIZER("Answer:").input_ids)
    assert student.speeds["forced"].tokens == longest - 1 + 2 * branch


def test_open_answers_are_refused() -> None:
    open_ = engine(MODEL, TOKENIZER, task=ToyTask("open"))
    with pytest.raises(ConfigError, match="open"):
        open_.answer_distributions([(SAMPLES[0], ())])


def test_explanations_that_do_not_fit_the_context_have_no_distribution() -> None:
    student = engine(MODEL, TOKENIZER)
    asked = items()[:6]
    expected = student.answer_distributions(asked)
    endless = ("Ana measures 3 feet.",) * 60
    told: list[tuple[int, int]] = []
    student.on_progress = lambda *at: told.append(at)
    found = student.answer_distributions(
        [(SAMPLES[0], endless), *asked, (asked[0][0], endless), (SAMPLES[40], endless)]
    )
    assert found[0] == found[-1] == found[-2] == {}
    for a, b in zip(found[1:-2], expected, strict=True):
        assert a == pytest.approx(b, abs=1e-6)
    assert told[-1][0] == told[-1][1]
    assert student.answer_distributions([(SAMPLES[0], endless)]) == [{}]


def test_an_attempt_that_grows_when_it_is_read_again_fits_the_context_of_tiny() -> None:
    options = {"d_model": 32, "layers": 1, "heads": 2, "vocab_size": 400, "dropout": 0.1}
    built = TinyStudent(max_length=96, max_new_tokens=40, **options).build(  # type: ignore[arg-type]
        TASK, Splits(tuple(SAMPLES), (), (), GoldBook({})), seed=0
    )
    student = built.engine(TASK)
    question = max((s for s in SAMPLES if student.fits(s)), key=student.prompt_length)
    # Each generated token was an invalid byte; decoded, it is a character of three bytes.
    attempt = ("\ufffd" * 40,)
    assert len(TOKENIZER(attempt[0]).input_ids) == 3 * 40
    [found] = student.answer_distributions([(question, attempt)])
    assert found.keys() == {"yes", "no"}


def test_the_longest_explanation_that_can_be_generated_can_be_scored() -> None:
    student = engine(MODEL, TOKENIZER, tokens_per_batch=4000)
    word = "Ana"
    assert len(TOKENIZER(word).input_ids) == 1
    prompt = student.prompt_length(SAMPLES[0])
    # Each step takes a token for its word and one for its line break.
    steps = (word,) * ((96 - prompt) // 2)
    [found] = student.answer_distributions([(SAMPLES[0], steps)])
    assert sum(found.values()) == pytest.approx(1)
