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
from elad_exp.words import CHARACTER, LETTERS

TEXT = frozenset({"rare_words", "question_length"})
"""Need the questions only: no student."""
FREE = frozenset({"step_entropy", "step_entropy_max", "step_entropy_sum", "perplexity"})
"""Need the greedy attempt only."""
STEP_ENTROPY = FREE - {"perplexity"}
"""Of these, the ones over steps whose entropy is known."""
FORCED_PARTIAL = frozenset({"intra", "intra_excess"})
"""Need answers forced after parts of the attempt."""
FORCED_DIRECT = frozenset({"direct_entropy"})
"""Need the answer forced without an explanation; closed answer sets only."""
DROPOUT = frozenset({"bald"})
"""Need the answer forced after the attempt, under dropout; closed answer sets only."""
ANSWER = frozenset({"answer_entropy", "least_confidence", "margin"})
"""Need the answer forced after the attempt (closed sets) or sampled explanations (open ones)."""
FORCED = FORCED_PARTIAL | FORCED_DIRECT | ANSWER
SAMPLED = frozenset({"inter", "step_content", "step_content_sum", "self_consistency"})
"""Need sampled explanations."""
CONTENT = frozenset({"step_content", "step_content_sum"})
"""Of these, the ones that compare what is asserted, see `selectors.content`."""
OF_STEPS = FORCED_PARTIAL | CONTENT | STEP_ENTROPY
"""Say something about the steps of an explanation."""
CLOSED_ONLY = FORCED_DIRECT | DROPOUT
COMPONENTS = TEXT | FREE | FORCED_PARTIAL | FORCED_DIRECT | DROPOUT | ANSWER | SAMPLED
"""What can stand in a candidate's scores."""
ATTEMPT = frozenset({"attempt"})
"""Not a score: the greedy attempt itself."""
FEATURES = frozenset({"features"})
"""Not a score: where questions lie for the student, and their distances to the labelled ones."""
ALL = "all"
"""Among components to score besides: every one that is supported."""

_WORD = re.compile(rf"{CHARACTER}|{LETTERS}(?:['\u2019]{LETTERS})*")


def check_components(names: Iterable[str]) -> frozenset[str]:
    """The names of components, or of what a selector needs beside them, as a set.

    Raises:
        ConfigError: one of them is neither.
    """
    wanted = frozenset(names)
    if unknown := sorted(wanted - COMPONENTS - ATTEMPT - FEATURES):
        allowed = ", ".join(sorted(COMPONENTS | ATTEMPT | FEATURES))
        raise ConfigError(
            f"unknown component {', '.join(map(repr, unknown))}; allowed: {allowed}. Change the "
            "selector's component or weights, or selection.also_score."
        )
    return wanted


def check_also(names: str | Iterable[str]) -> frozenset[str]:
    """The value of `selection.also_score` as a set: a name or several, `all` among them or not.

    Raises:
        ConfigError: one of them is neither a component nor `all`.
    """
    if not isinstance(names, (str, Iterable)) or isinstance(names, Mapping):
        raise ConfigError(f"also_score {names!r}: write a list of components, [] for none, or all")
    given = frozenset([names] if isinstance(names, str) else names)
    return check_components(given - {ALL}) | (given & {ALL})


def supported(*, closed: bool) -> frozenset[str]:
    """Everything that can be computed where all answers are of closed sets, or some are open."""
    return (COMPONENTS | ATTEMPT | FEATURES) - (frozenset() if closed else CLOSED_ONLY)


def with_also(needs: frozenset[str], also: frozenset[str], *, closed: bool) -> frozenset[str]:
    """`needs` and what is scored besides (see `check_also`), `all` put in full."""
    return needs | (also - {ALL}) | (supported(closed=closed) if ALL in also else frozenset())


def from_samples(names: frozenset[str], *, closed: bool) -> frozenset[str]:
    """Those of `names` that cost sampled explanations."""
    return names & (SAMPLED if closed else SAMPLED | ANSWER)


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

    For closed sets of answers; `intra_open` is for the others.

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


def intra_open(
    answer: str | None, given: Sequence[str | None], same: Callable[[str, str], bool]
) -> float:
    """Mean over partial explanations i of `1[a_i != a]`, a_i the answer that was written after i.

    `intra` for open answers; `same` says which answers are one. An unparsed a_i differs. Range 0
    to 1; 1 for an unparsed `answer`. Cost: n short generations.
    """
    if answer is None:
        return 1.0
    return sum(a is None or not same(answer, a) for a in given) / len(given)


def one_vote(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> list[str | None]:
    """The answers, each in the form that stands for all that are the same as it.

    Where sameness is not transitive (50% is the same as 50 and as 0.5), what is connected is one.
    The order of the answers does not matter to which of them are one.
    """
    groups: list[list[str]] = []
    for answer in sorted({a for a in answers if a is not None}):
        joined = [g for g in groups if any(same(answer, other) for other in g)]
        groups = [g for g in groups if g not in joined]
        groups.append([*(other for g in joined for other in g), answer])
    stands = {answer: min(group) for group in groups for answer in group}
    return [None if answer is None else stands[answer] for answer in answers]


def inter(answers: Sequence[str | None]) -> float:
    """Entropy of the answers of k sampled explanations, an unparsed one its own symbol.

    Range 0 to ln k. Cost: k generations.
    """
    return entropy(vote(answers).values())


def inter_prefixes(answers: Sequence[Sequence[str | None]]) -> float:
    """`inter` of the k explanations that go on after each proper prefix of the attempt, averaged.

    Prefixes of 0 to n-1 steps; with 0 steps the explanations are those of `inter`. Range 0 to
    ln k. Cost: k generations from the root and k from each of n-1 prefixes, which are the shorter
    the longer their prefix: about (n+1)/2 times that of `inter`.
    """
    return math.fsum(map(inter, answers)) / len(answers)


def self_consistency(answers: Sequence[str | None]) -> float:
    """`1 -` the share of the most frequent answer among those of k sampled explanations.

    How far the samples are from one vote (self-consistency, Wang et al. 2022, arXiv 2203.11171).
    An unparsed answer is a symbol of its own. Range 0 to 1 - 1/k. Cost: shares the generations of
    `inter`.
    """
    return least_confidence(vote(answers).values())


def bald(distributions: Sequence[Mapping[str, float]]) -> float:
    """Mutual information between the answer and the dropout mask: `H(mean p) - mean H(p)`.

    High where each mask is sure and the masks disagree: what more training data could settle
    (Houlsby et al. 2011, arXiv 1112.5745; with dropout as the posterior Gal et al. 2017, arXiv
    1703.02910). In nats, 0 to ln(number of answers). Cost: a forced answer after the attempt for
    each mask. Closed answer sets only.

    Args:
        distributions: of the answer, one for each dropout mask, over the same answers.
    """
    n = len(distributions)
    mean = [math.fsum(p[answer] for p in distributions) / n for answer in distributions[0]]
    within = math.fsum(entropy(p.values()) for p in distributions) / n
    return max(0.0, entropy(mean) - within)


def check_step_entropies(attempts: Iterable[Explanation]) -> None:
    """Raises ConfigError where attempts have steps and none of these has an entropy."""
    entropies = [step.entropy for attempt in attempts for step in attempt.steps]
    if entropies and all(entropy is None for entropy in entropies):
        raise ConfigError(
            "the student reports no entropy for any step, which step_entropy, step_entropy_max "
            "and step_entropy_sum need; choose other components or another student. (A step that "
            "the task's parse has changed inside has none: leave the words of its line as they are)"
        )


def _step_entropies(attempt: Explanation) -> list[float]:
    """Of the steps that have one: one that stands in no line of the raw text has none."""
    return [step.entropy for step in attempt.steps if step.entropy is not None]


def step_entropy(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the mean over steps. None without any.

    Range 0 to ln(vocabulary). Free: kept from generating the attempt.
    """
    values = _step_entropies(attempt)
    return math.fsum(values) / len(values) if values else None


def step_entropy_max(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the maximum over steps. None without any.

    Range 0 to ln(vocabulary). Free: kept from generating the attempt.
    """
    return max(_step_entropies(attempt), default=None)


def step_entropy_sum(attempt: Explanation) -> float | None:
    """Mean token entropy inside each step, then the sum over steps. None without any.

    What a whole explanation leaves open: an annotation answers all of it, and counts once however
    long it is. Prefers long explanations, so read it beside `question_length` and teacher tokens.
    Range 0 to n ln(vocabulary). Free: kept from generating the attempt.
    """
    values = _step_entropies(attempt)
    return math.fsum(values) if values else None


def perplexity(attempt: Explanation) -> float | None:
    """`exp` of minus the mean log-probability of all tokens of the greedy attempt.

    Range 1 to the size of the vocabulary. Free: kept from generating the attempt. None where the
    student wrote nothing.
    """
    if attempt.logprob is None and attempt.steps:
        raise ConfigError(
            "the student reports no log-probability for its attempts, which perplexity needs; "
            "choose other components or another student"
        )
    return None if attempt.logprob is None else math.exp(-attempt.logprob)


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
    """Case-folded words of the question and, because the student reads them too, its choices.

    In writing without spaces between words each character is one, see `elad_exp.words`.
    """
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
