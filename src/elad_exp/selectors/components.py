"""The uncertainty scores of a candidate, as pure functions; higher always means less certain.

They follow the published description of ELAD (arXiv 2402.13098). Its full text could not be
consulted, so the exact definitions are ours. Entropies are in nats. Costs are per candidate and
beyond the greedy attempt, which every component that looks at the student needs.

Undefined scores (`None`) are left to the caller; `fill_undefined` gives the house rule.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from elad_exp.errors import ConfigError
from elad_exp.types import Explanation, Sample, normalise

TEXT = frozenset({"rare_words", "question_length"})
"""Need the questions only: no student."""
FREE = frozenset({"step_entropy", "step_entropy_max", "step_entropy_sum", "perplexity"})
"""Need the greedy attempt only."""
FORCED_PARTIAL = frozenset({"intra", "intra_excess"})
"""Need answers forced after parts of the attempt; closed answer sets only."""
FORCED_DIRECT = frozenset({"direct_entropy"})
"""Need the answer forced without an explanation; closed answer sets only."""
ANSWER = frozenset({"answer_entropy", "least_confidence", "margin"})
"""Need the answer forced after the attempt (closed sets) or sampled explanations (open ones)."""
SAMPLED = frozenset({"inter", "step_content", "step_content_sum", "self_consistency"})
"""Need sampled explanations."""
DROPOUT = frozenset({"bald"})
"""Need answers forced under dropout; closed answer sets only."""
CLOSED_ONLY = FORCED_PARTIAL | FORCED_DIRECT | DROPOUT
COMPONENTS = TEXT | FREE | FORCED_PARTIAL | FORCED_DIRECT | ANSWER | SAMPLED | DROPOUT
ATTEMPT = frozenset({"attempt"})
"""Not a score: the greedy attempt itself."""
FEATURES = frozenset({"features"})
"""Not a score: where questions lie for the student, and their distances to the labelled ones."""

# Capitalised where they open a sentence, without being names.
_FUNCTION_WORDS_TEXT = """
a an and as because both but by each every finally first for from he hence her here his how however
i if in it its next of on one or second she since so that the their then there therefore these they
third this those thus to we what when where which while who why with you
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())
_NEGATIONS = frozenset({"not", "no", "never", "none", "neither", "nor", "cannot"})
_NUMBER = r"(?:(?<!\w)-)?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?"
_TOKEN = re.compile(_NUMBER + r"|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def check_components(names: Iterable[str]) -> frozenset[str]:
    """The names of components, or of what a selector needs beside them, as a set.

    Raises:
        ConfigError: one of them is neither.
    """
    wanted = frozenset(names)
    if unknown := sorted(wanted - COMPONENTS - ATTEMPT - FEATURES):
        raise ConfigError(
            f"unknown component {', '.join(map(repr, unknown))}; allowed: "
            f"{', '.join(sorted(COMPONENTS))}. Change the selector's component or weights."
        )
    return wanted


def fill_undefined(values: Sequence[float | None]) -> list[float]:
    """Undefined scores become the largest defined one, or 0 where none is defined.

    What the student could not even begin to explain, or explained at too great a length, counts
    as least certain, on whatever scale the batch has.
    """
    top = max((v for v in values if v is not None), default=0.0)
    return [top if v is None else v for v in values]


def entropy(probabilities: Iterable[float]) -> float:
    """`-sum p ln p`, in nats, 0 to ln(number of outcomes). Zero terms count 0.

    The sum is exactly rounded, so that equal distributions tie whatever their order.
    """
    return max(0.0, -math.fsum(p * math.log(p) for p in probabilities if p > 0) + 0.0)


def vote(symbols: Sequence[Hashable]) -> dict[Hashable, float]:
    """Relative frequencies; `None` (unparsed, missing) is a symbol of its own."""
    return {symbol: count / len(symbols) for symbol, count in Counter(symbols).items()}


def partial_explanations(steps: Sequence[str], *, mode: str) -> list[tuple[str, ...]]:
    """What `intra` forces an answer after.

    `truncate`: the n prefixes with 0..n-1 steps; `remove`: the n explanations that lack one step.
    An attempt without steps gives the empty explanation in both modes.
    """
    n = len(steps)
    if n == 0:
        return [()]
    if mode == "truncate":
        return [tuple(steps[:i]) for i in range(n)]
    return [(*steps[:i], *steps[i + 1 :]) for i in range(n)]


def intra(answer: str | None, distributions: Sequence[Mapping[str, float]]) -> float:
    """Mean over partial explanations i of `1 - p_i(a)`, a the attempt's own final answer.

    Range 0 to 1; 1 for an unparsed answer, which no distribution supports. Cost: n forced
    answers (one forward pass for a student that shares prefixes).
    """
    if answer is None:
        return 1.0
    return math.fsum(1.0 - p.get(answer, 0.0) for p in distributions) / len(distributions)


def intra_excess(values: Sequence[float | None], n_steps: Sequence[int]) -> list[float | None]:
    """`intra` minus its mean over the candidates with the same number of steps.

    Equal to the mean excess over these candidates at every position. Range -1 to 1, sums to 0 in
    each group; 0 for the only candidate with its number of steps. It takes out what an answer
    forced early leaves open for any question of that length. No cost beyond `intra`; undefined
    where that is, and the means are over the others.
    """
    groups: dict[int, list[float]] = {}
    for value, n in zip(values, n_steps, strict=True):
        if value is not None:
            groups.setdefault(n, []).append(value)
    means = {n: math.fsum(group) / len(group) for n, group in groups.items()}
    return [
        None if value is None else value - means[n]
        for value, n in zip(values, n_steps, strict=True)
    ]


def inter(answers: Sequence[str | None]) -> float:
    """Entropy of the answers of k sampled explanations, an unparsed one its own symbol.

    Range 0 to ln k. Cost: k generations.
    """
    return entropy(vote(answers).values())


def _step_entropies(attempt: Explanation) -> list[float]:
    values = [step.entropy for step in attempt.steps if step.entropy is not None]
    if len(values) != len(attempt.steps):
        raise ConfigError(
            "the student reports no entropy for its steps, which step_entropy, step_entropy_max "
            "and step_entropy_sum need; choose other components or another student"
        )
    return values


def step_entropy(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the mean over steps. None without steps.

    Range 0 to ln(vocabulary). Free: kept from generating the attempt.
    """
    values = _step_entropies(attempt)
    return math.fsum(values) / len(values) if values else None


def step_entropy_max(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the maximum over steps. None without steps.

    Range 0 to ln(vocabulary). Free: kept from generating the attempt.
    """
    return max(_step_entropies(attempt), default=None)


def step_entropy_sum(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the sum over steps. None without steps.

    What a whole explanation leaves open: an annotation answers all of it, and counts once however
    long it is. Prefers long explanations, so read it beside `question_length` and teacher tokens.
    Range 0 to n ln(vocabulary). Free: kept from generating the attempt.
    """
    values = _step_entropies(attempt)
    return math.fsum(values) if values else None


def facts(text: str) -> tuple[str, ...]:
    """What a step asserts, for comparing steps: its numbers, capitalised words and negations.

    In order of mention, so that "Ada is older than Bo" differs from its converse; digit grouping
    and trailing zeros do not matter. A step with no number or name is its normalised text.
    """
    found: list[str] = []
    named = False
    for token in _TOKEN.findall(text):
        folded = token.casefold()
        if token[-1].isdigit():
            number = token.replace(",", "")
            found.append(number.rstrip("0").rstrip(".") if "." in number else number)
            named = True
        elif folded in _NEGATIONS or folded.replace("\u2019", "'").endswith("n't"):
            found.append("not")
        elif token[0].isupper() and folded not in _FUNCTION_WORDS:
            found.append(folded)
            named = True
    return tuple(found) if named else (normalise(text),)


def whole_text(text: str) -> tuple[str, ...]:
    """The normalised text: for tasks whose steps follow a fixed grammar."""
    return (normalise(text),)


CONTENT_KEYS: dict[str, Callable[[str], tuple[str, ...]]] = {"facts": facts, "text": whole_text}


def _content_entropies(
    explanations: Sequence[Explanation], key: Callable[[str], tuple[str, ...]]
) -> list[float]:
    keys = [[key(step.text) for step in explanation.steps] for explanation in explanations]
    longest = max(map(len, keys), default=0)
    rows = [[steps[i] if i < len(steps) else None for steps in keys] for i in range(longest)]
    return [entropy(vote(row).values()) for row in rows]


def step_content(
    explanations: Sequence[Explanation], *, key: Callable[[str], tuple[str, ...]] = facts
) -> float | None:
    """Sampled explanations aligned by step index: entropy of what they assert, mean over indices.

    A missing step is a symbol of its own; the indices run to the longest explanation. None where
    none of them has a step. Range 0 to ln k. Cost: shares the generations of `inter`.
    """
    values = _content_entropies(explanations, key)
    return math.fsum(values) / len(values) if values else None


def step_content_sum(
    explanations: Sequence[Explanation], *, key: Callable[[str], tuple[str, ...]] = facts
) -> float | None:
    """As `step_content`, but the sum over indices; see `step_entropy_sum`. Range 0 to n ln k."""
    values = _content_entropies(explanations, key)
    return math.fsum(values) if values else None


def least_confidence(probabilities: Iterable[float]) -> float:
    """`1 - p1`, p1 the largest probability: 0 to 1. Cost as `answer_entropy`: one forced answer
    after the attempt for closed answer sets, k generations for open ones.
    """
    return 1.0 - max(probabilities)


def margin(probabilities: Iterable[float]) -> float:
    """`1 - (p1 - p2)` of the two largest probabilities: 0 to 1. Cost as `answer_entropy`.

    A single outcome has p2 = 0.
    """
    first, second, *_ = [*sorted(probabilities, reverse=True), 0.0, 0.0]
    return 1.0 - (first - second)


def words(sample: Sample) -> list[str]:
    """Case-folded words of the question and, because the student reads them too, its choices."""
    texts = [sample.question, *(choice.text for choice in sample.choices)]
    return [word for text in texts for word in _WORD.findall(normalise(text))]


def rare_words(samples: Sequence[Sample], labelled: Sequence[Sample]) -> list[float]:
    """Mean over a question's different words w of `1 / (1 + c(w))`, c(w) = labelled questions
    that contain w.

    Range 0 (no words at all) to 1 (every word is new). Text only, no student.
    """
    counts = Counter(word for sample in labelled for word in set(words(sample)))
    scores = []
    for sample in samples:
        own = set(words(sample))
        scores.append(math.fsum(1 / (1 + counts[w]) for w in own) / len(own) if own else 0.0)
    return scores


def question_length(sample: Sample) -> float:
    """Number of words of the question and its choices. Text only, no student."""
    return float(len(words(sample)))
