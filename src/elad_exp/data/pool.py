"""The pool: what is labelled, what is not, and the query that is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elad_exp.data.samples import RemainingSamples, SampleBook, book_of
from elad_exp.types import Annotation, Query, Sample, Status


class Pool:
    """Unlabelled samples, their annotations, and at most one open query.

    Of the unlabelled samples nothing is held: they are what `samples` has beside the labelled and
    the ignored ones, and may be on disk.

    An annotation names its sample, which may be one that the pool never held (a synthetic text):
    `close` adds every ok annotation to `labelled`, removes those ids from `unlabelled`, and never
    asks which method ran. A sample whose annotation is not ok returns to the pool and is ignored
    after `max_attempts`.

    Args:
        samples: The unlabelled samples, with distinct ids.
        max_attempts: How often a sample may be asked for before it is ignored.
    """

    def __init__(self, samples: Iterable[Sample], *, max_attempts: int = 2) -> None:
        self._samples = book_of(samples)
        self.max_attempts = max_attempts
        self.round = 0
        self.open_query: Query | None = None
        self._labelled: dict[str, tuple[int, Annotation]] = {}
        self._attempts: dict[str, int] = {}

    @property
    def labelled(self) -> list[Annotation]:
        """Annotations in the order in which they were bought; one for each sample."""
        return [annotation for _, annotation in self._labelled.values()]

    def bought_in(self, sample_id: str) -> int:
        """The round whose purchase had the annotation of a labelled sample."""
        return self._labelled[sample_id][0]

    @property
    def unlabelled(self) -> SampleBook:
        """Samples that may still be asked for, in the order of the pool; none is read here."""
        seen = self._labelled.keys() | self._attempts.keys()
        closed = {i for i in seen if self._samples.has(i) and not self._available(i)}
        return RemainingSamples(self._samples, closed)

    def _available(self, sample_id: str) -> bool:
        tries = self._attempts.get(sample_id, 0)
        return sample_id not in self._labelled and tries < self.max_attempts

    @property
    def ignored(self) -> list[str]:
        """Ids given up after `max_attempts` annotations that were not ok."""
        tried = (i for i in self._attempts if self._samples.has(i) and i not in self._labelled)
        return [i for i in tried if not self._available(i)]

    def open(self, query: Query) -> None:
        """Make `query` the open one.

        Raises:
            ValueError: A query is open already, names a sample twice, or names one of the pool's
                samples that cannot be asked for.
        """
        if self.open_query is not None:
            raise ValueError(f"the query of round {self.open_query.round} is still open")
        ids = [item.sample.id for item in query.items]
        if len(set(ids)) != len(ids):
            raise ValueError("a query must not name a sample twice")
        asked = [item.sample.id for item in query.items if item.known is None]
        gone = [i for i in asked if self._samples.has(i) and not self._available(i)]
        if gone:
            raise ValueError(f"not in the pool any more: {', '.join(gone[:5])}")
        self.open_query = query

    def close(self, annotations: Sequence[Annotation]) -> None:
        """Take in the annotations of the open query and end it; the round moves on."""
        if self.open_query is None:
            raise ValueError("no query is open")
        for annotation in annotations:
            sample_id = annotation.sample.id
            if annotation.status is Status.OK:
                self._labelled[sample_id] = (self.open_query.round, annotation)
            else:
                self._attempts[sample_id] = self._attempts.get(sample_id, 0) + 1
        self.open_query = None
        self.round += 1

    def state_dict(self) -> dict[str, Any]:
        """Round, open query and annotations as primitives; never the unlabelled samples."""
        return {
            "round": self.round,
            "open_query": self.open_query.to_dict() if self.open_query else None,
            "labelled": [[r, a.to_dict()] for r, a in self._labelled.values()],
            "attempts": dict(self._attempts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.round = int(state["round"])
        query = state["open_query"]
        self.open_query = Query.from_dict(query) if query else None
        self._labelled = {}
        for bought_in, data in state["labelled"]:
            annotation = Annotation.from_dict(data)
            self._labelled[annotation.sample.id] = (int(bought_in), annotation)
        self._attempts = {k: int(v) for k, v in state["attempts"].items()}
