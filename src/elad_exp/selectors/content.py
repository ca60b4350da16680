"""What the steps of sampled explanations assert, and how far the samples differ in it.

Steps are aligned by their index, and those of one index put into groups of the same assertion, by
a `Grouping`: `by_facts` (equal numbers, names and negations), `by_text` (equal text), or
`by_meaning` (near for the student or a sentence encoder, numbers, names and negations equal).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from elad_exp.selectors.components import entropy, vote
from elad_exp.types import Explanation, Sample, normalise

Vector = np.ndarray[Any, np.dtype[np.float32]]
Grouping = Callable[[Sequence[str]], Sequence[Hashable]]
"""A symbol for each of the texts that stand at one index; equal symbols assert the same."""

CONTENTS = ("auto", "text", "facts", "cluster")
ENCODERS = {"student": 0.15, "minilm": 0.25}
"""Who says where steps lie, and the cut that goes with it, see benchmarks/content."""

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
_SENTENCE_END = (".", "!", "?", ":")


def facts(
    text: str, *, names: Collection[str] = (), words: Collection[str] = ()
) -> tuple[str, ...]:
    """What a step asserts, for comparing steps: its numbers, capitalised words and negations.

    In order of mention, so that "Ada is older than Bo" differs from its converse; digit grouping
    and trailing zeros do not matter. A step with no number or name is its normalised text.

    A capitalised word that opens a sentence may owe its capital to that. It counts as a name if it
    is one of `names`, not if it is one of `words`; else it tells steps apart but is no fact by
    itself: "People need water" is its text.

    Args:
        text: The step.
        names: Case-folded words that stand capitalised inside a sentence elsewhere.
        words: Words that stand in lower case elsewhere.
    """
    found, sure = [], False
    for match, symbol in _mentions(text):
        doubtful = _opens(match) and symbol != "not" and symbol not in names
        if doubtful and symbol in words:
            continue
        found.append(symbol)
        sure |= not doubtful and symbol != "not"
    return tuple(found) if sure else (normalise(text),)


def by_facts(sample: Sample, steps: Iterable[str]) -> Grouping:
    """Texts with equal `facts` assert the same; names and words are looked for in the question,
    its choices and all `steps` of its explanations.
    """
    known = [*_asked(sample), *set(steps)]
    names = {name for text in known for name in _inner_names(text)}
    tokens = {match.group() for text in known for match in _TOKEN.finditer(text)}
    words = {token for token in tokens if token[0].islower()}
    return lambda texts: [facts(text, names=names, words=words) for text in texts]


def by_text(texts: Sequence[str]) -> Sequence[Hashable]:
    """Texts that are equal but for case and space assert the same: for tasks whose steps follow a
    fixed grammar.
    """
    return [normalise(text) for text in texts]


def by_meaning(sample: Sample, vectors: Mapping[str, Vector], *, distance: float) -> Grouping:
    """Texts assert the same where they lie near each other and mention the same.

    Average-linkage agglomerative clustering of the different texts of one index by cosine
    distance, cut at `distance`. Texts whose numbers, names or negations differ, in order of
    mention, are clustered apart from each other. A capitalised word that opens a sentence is a
    name only if it stands capitalised inside one too: in the question or in one of the texts.

    What an encoder tells apart is subjects, not claims: by the hidden states of SmolLM2-135M
    different claims about one thing lie nearer to each other than paraphrases do, and those of
    all-MiniLM-L6-v2 hardly tell the two apart (benchmarks/content).

    Args:
        sample: the question that the texts explain.
        vectors: of every text that will be grouped.
        distance: 0 to 2; the mean cosine distance up to which groups are joined.
    """

    def group(texts: Sequence[str]) -> list[Hashable]:
        names = {name for text in [*_asked(sample), *texts] for name in _inner_names(text)}
        apart: dict[tuple[str, ...], list[str]] = {}
        for text in sorted(set(texts)):
            apart.setdefault(_named(text, names), []).append(text)
        symbols: dict[str, Hashable] = {}
        for mentioned, alike in apart.items():
            numbers = _clusters([vectors[text] for text in alike], distance)
            symbols |= {t: (mentioned, n) for t, n in zip(alike, numbers, strict=True)}
        return [symbols[text] for text in texts]

    return group


def _asked(sample: Sample) -> list[str]:
    return [sample.question, *(choice.text for choice in sample.choices)]


def _clusters(vectors: Sequence[Vector], distance: float) -> list[int]:
    if len(vectors) == 1:
        return [1]
    tree = linkage(pdist(np.stack(vectors).astype(np.float64), "cosine"), "average")
    return [int(number) for number in fcluster(tree, distance, "distance")]


def _mentions(text: str) -> Iterable[tuple[re.Match[str], str]]:
    """Numbers, capitalised words and negations (as "not") in order of mention."""
    for match in _TOKEN.finditer(text):
        token = match.group()
        folded = token.casefold()
        if token[-1].isdigit():
            number = token.replace(",", "")
            yield match, number.rstrip("0").rstrip(".") if "." in number else number
        elif folded in _NEGATIONS or folded.replace("\u2019", "'").endswith("n't"):
            yield match, "not"
        elif token[0].isupper() and folded not in _FUNCTION_WORDS:
            yield match, folded


def _opens(match: re.Match[str]) -> bool:
    """Whether a capitalised word may owe its capital to the beginning of a sentence."""
    before = match.string[: match.start()].rstrip(" \"'(\u201c\u2018")
    return match.group()[0].isupper() and (not before or before.endswith(_SENTENCE_END))


def _inner_names(text: str) -> Iterable[str]:
    return (s for m, s in _mentions(text) if m.group()[0].isupper() and not _opens(m))


def _named(text: str, names: Collection[str]) -> tuple[str, ...]:
    return tuple(s for m, s in _mentions(text) if s in names or s == "not" or not _opens(m))


def _content_entropies(explanations: Sequence[Explanation], group: Grouping) -> list[float]:
    longest = max((len(explanation.steps) for explanation in explanations), default=0)
    found = []
    for i in range(longest):
        texts = [e.steps[i].text for e in explanations if i < len(e.steps)]
        missing = [None] * (len(explanations) - len(texts))
        found.append(entropy(vote([*group(texts), *missing]).values()))
    return found


def step_content(explanations: Sequence[Explanation], group: Grouping) -> float | None:
    """Sampled explanations aligned by step index: entropy of what they assert, mean over indices.

    A missing step is a symbol of its own; the indices run to the longest explanation. None where
    none of them has a step. Range 0 to ln k. Cost: shares the generations of `inter`; with
    `by_meaning` a forward pass over the different steps besides.
    """
    values = _content_entropies(explanations, group)
    return math.fsum(values) / len(values) if values else None


def step_content_sum(explanations: Sequence[Explanation], group: Grouping) -> float | None:
    """As `step_content`, but the sum over indices; see `step_entropy_sum`. Range 0 to n ln k."""
    values = _content_entropies(explanations, group)
    return math.fsum(values) if values else None
