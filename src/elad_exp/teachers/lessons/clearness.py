"""How clear texts are to a linear model of the few labelled examples that a run begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from elad_exp.entities import Place, from_answer, tags_of_spans
from elad_exp.protocols import SpanTask, Task
from elad_exp.types import Sample

Answered = tuple[Sample, str]
"""A text and its canonical answer."""
Numbers = npt.NDArray[np.float64]
_BATCH = 500


def clearness(task: Task, given: Sequence[Answered], texts: Sequence[Answered]) -> Numbers:
    """For each text, how probable the model finds its right answer, 0 to 1.

    Of a class that no example has, every text is at 0; so are all texts if the examples have one
    class only.

    Args:
        task: Of labels, or of entities.
        given: What the model is fitted on; nothing else is.
        texts: With their gold answers.
    """
    if isinstance(task, SpanTask):
        return _of_entities(task, given, texts)
    return _of_labels(given, texts)


def _of_labels(given: Sequence[Answered], texts: Sequence[Answered]) -> Numbers:
    """TF-IDF of the runs of 2 to 4 characters inside words, which needs no word list and takes
    Chinese as well; logistic regression.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    right = [answer for _, answer in given]
    if len(set(right)) < 2:
        return np.zeros(len(texts))
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    model = _regression()
    model.fit(vectors.fit_transform([sample.question for sample, _ in given]), right)
    found = []
    for batch in _batches(texts):
        shares = model.predict_proba(vectors.transform([sample.question for sample, _ in batch]))
        found.append(_of_right(shares, model, [answer for _, answer in batch]))
    return np.concatenate(found) if found else np.zeros(0)


def _of_entities(task: SpanTask, given: Sequence[Answered], texts: Sequence[Answered]) -> Numbers:
    """Logistic regression of each token's entity type, or none, on the token, its ends, its shape
    and its neighbours; the mean over the tokens of a text. Types weigh alike in the fit, since
    most tokens are no entity.
    """
    from sklearn.feature_extraction import DictVectorizer

    tokens = [token for text in given for token in _tokens(task, text)]
    types = [kind for text in given for kind in _types(task, text)]
    if len(set(types)) < 2:
        return np.zeros(len(texts))
    vectors = DictVectorizer()
    model = _regression(class_weight="balanced")
    model.fit(vectors.fit_transform(tokens), types)
    found: list[float] = []
    for batch in _batches(texts):
        tokens = [token for text in batch for token in _tokens(task, text)]
        own = [_types(task, text) for text in batch]
        shares = model.predict_proba(vectors.transform(tokens))
        right = _of_right(shares, model, [kind for kinds in own for kind in kinds])
        ends = np.cumsum([len(kinds) for kinds in own])
        found += [float(part.mean()) for part in np.split(right, ends[:-1])]
    return np.array(found)


def _regression(**options: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=30.0, max_iter=1000, **options)


def _of_right(shares: Numbers, model: Any, right: Sequence[str]) -> Numbers:
    """Of each row the probability of what is right; 0 for what the model does not know."""
    columns = {name: column for column, name in enumerate(model.classes_)}
    places = np.array([columns.get(name, -1) for name in right])
    found: Numbers = np.where(places < 0, 0.0, shares[np.arange(len(places)), places])
    return found


def _tokens(task: SpanTask, text: Answered) -> list[dict[str, str]]:
    question = text[0].question
    words = [question[start:end] for start, end in _places(task, text)]
    around = ["", *words, ""]
    return [
        {
            "word": word.casefold(),
            "begin": word[:3].casefold(),
            "end": word[-3:].casefold(),
            "shape": "".join(map(_kind, word[:4])),
            "before": around[n].casefold(),
            "after": around[n + 2].casefold(),
            "shape before": "".join(map(_kind, around[n][:4])),
        }
        for n, word in enumerate(words)
    ]


def _kind(character: str) -> str:
    if character.isdigit():
        return "0"
    return "A" if character.isupper() else "a" if character.isalpha() else "."


def _types(task: SpanTask, text: Answered) -> list[str]:
    """The entity type of each token, `O` for none."""
    tags = tags_of_spans(from_answer(text[1]), _places(task, text))
    return [tag.removeprefix("B-").removeprefix("I-") for tag in tags]


def _places(task: SpanTask, text: Answered) -> list[Place]:
    return task.tokens(text[0].question)


def _batches(texts: Sequence[Answered]) -> Iterator[Sequence[Answered]]:
    for begin in range(0, len(texts), _BATCH):
        yield texts[begin : begin + _BATCH]
