"""Scores candidates once for all selectors: the union of the components that they need."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from elad_exp.errors import ConfigError, EladError
from elad_exp.protocols import CheckableTask, Student, Task
from elad_exp.rng import generator
from elad_exp.selectors import components as c
from elad_exp.selectors.columns import Reading, sameness
from elad_exp.selectors.content import ENCODERS, Grouping, by_facts, by_meaning, by_text
from elad_exp.selectors.evidence import Evidence, Passes
from elad_exp.selectors.place import Embed, Place, places
from elad_exp.selectors.settings import guided_size, setting_problems
from elad_exp.types import Candidate, Sample

logger = logging.getLogger(__name__)

GUIDE = frozenset({"step_entropy_sum"})
"""Ranks candidates for guided scoring where the selector needs nothing that is cheaper."""
Rows = dict[str, dict[str, float]]


class Scorer:
    """Runs the student over candidates and computes what selectors need, and no more than asked.

    Passes over the student, each at most once per call: one greedy explanation if any component
    but the text-only ones is needed, in the same pass with `k` sampled ones if `inter`,
    `self_consistency`, `step_content` or, for open answers, an `answer_entropy`-like component is;
    with it forced answers, every different (sample, steps) pair once; answers under dropout;
    explanations that go on after prefixes; hidden states. Results do not depend on the order of the
    samples.

    *Guided*: with `guided_fraction` below 1, and where the selector needs samples at all, what
    needs none is computed first. Its mean rank over those components that the selector needs (or
    `step_entropy_sum`, where it needs no such) decides which candidates get samples. The others are
    `screened`: they lack the scores that cost samples.

    Args:
        task: tells which samples have a closed set of answers, and which answers are one vote.
        student: explains and answers; batches by itself.
        k: sampled explanations per candidate, at least 2.
        temperature: of the sampled explanations, above 0.
        intra: `truncate` (answer after each proper prefix) or `remove` (one step left out).
        inter_from: what `inter` samples from: `root` (k whole explanations), or `prefixes` (k
            from each proper prefix of the attempt, about (n+1)/2 times the cost for n steps).
        content: what counts as the same step in `step_content`: `facts` (equal numbers, names
            and negations) suits free text, `text` (equal normalised text) a fixed grammar,
            `cluster` is `content.by_meaning`. `auto` is `text` for tasks whose steps a program can
            check, else `facts`.
        content_encoder: of `cluster`: `student`, whose hidden states say where steps lie, or
            `minilm`, a sentence encoder.
        encoder: of `cluster` with `minilm`: where texts lie, as `Student.embed` says it.
        cluster_distance: of `cluster`: mean cosine distance up to which steps mean the same; null
            takes that of the encoder, see `content.ENCODERS`.
        dropout_passes: dropout masks of `bald`, at least 2.
        guided_fraction: share of the candidates that get samples, above 0 and at most 1.
        also: components to compute besides what the selector needs, `all` for all that task and
            student support. They never decide which candidates are screened.
        seed: with the round, gives the seeds of all that is drawn.
        on_phase: called with the name of a pass (`greedy`, `sampled`, `forced`, ...) and its number
            of items before it begins; may raise to stop the run.

    Attributes:
        settings: what scores depend on beside student, task, seed and what is needed: the group
            `selection` of the configuration as far as it is the scorer's.

    Raises:
        ConfigError: a value out of range.
    """

    def __init__(
        self,
        task: Task,
        student: Student,
        *,
        seed: int,
        k: int = 4,
        temperature: float = 1.0,
        intra: str = "truncate",
        inter_from: str = "root",
        content: str = "auto",
        content_encoder: str = "student",
        encoder: Embed | None = None,
        cluster_distance: float | None = None,
        dropout_passes: int = 8,
        guided_fraction: float = 1.0,
        also: str | Iterable[str] = (),
        on_phase: Callable[[str, int], None] | None = None,
    ) -> None:
        settings = {
            "samples": k,
            "temperature": temperature,
            "intra": intra,
            "inter_from": inter_from,
            "content": content,
            "content_encoder": content_encoder,
            "cluster_distance": cluster_distance,
            "dropout_passes": dropout_passes,
            "guided_fraction": guided_fraction,
        }
        if problems := list(setting_problems(settings)):
            raise ConfigError("scorer: " + "; ".join(problems))
        if content_encoder != "student" and encoder is None:
            raise ValueError(f"content_encoder={content_encoder} without an encoder")
        self.also = c.check_also(also)
        if cluster_distance is None:
            cluster_distance = settings["cluster_distance"] = ENCODERS[content_encoder]
        self.settings = settings | {"also_score": sorted(self.also)}
        if content == "auto":
            # In a fixed grammar the facts miss what tells "47 is before 60" from "47 is after 60".
            content = "text" if isinstance(task, CheckableTask) else "facts"
        self.task = task
        self.student = student
        self.seed = seed
        self.same = sameness(task)
        self.intra = intra
        self.inter_from = inter_from
        self.content = content
        self.embed = student.embed if encoder is None else encoder
        self.cluster_distance = cluster_distance
        self.guided_fraction = guided_fraction
        self.passes = Passes(
            student,
            seed=seed,
            k=k,
            temperature=temperature,
            intra=intra,
            dropout_passes=dropout_passes,
            on_phase=on_phase,
        )

    def score(
        self,
        samples: Sequence[Sample],
        needs: frozenset[str],
        *,
        labelled: Sequence[Sample],
        round: int,
        at_least: int = 0,
    ) -> list[Candidate]:
        """One candidate per sample, in the order given, with the scores in `needs` and `also`.

        With text-only needs, or none, the student is not called and `attempt` is None. A score
        that is undefined (no steps, or too long to force an answer) becomes the largest of its
        component in this call. `features` among them fills `features` and `near`. Where
        `step_entropy_sum` decided who is screened, it is there too.

        Args:
            samples: different samples.
            needs: names of components: what the selector needs.
            labelled: questions annotated so far, for `rare_words` and `features`.
            round: the round, for the seeds of what is drawn.
            at_least: so many candidates get samples, however small `guided_fraction` is.

        Raises:
            ConfigError: an unknown component, or one that open answers or the student do not
                support.
            EladError: the student's probabilities are not finite.
            ValueError: a sample is given twice.
        """
        c.check_components(needs)
        ordered = sorted(samples, key=lambda s: s.id)
        if len({s.id for s in ordered}) != len(ordered):
            raise ValueError("a sample is given twice")
        closed = [self.task.labels(s) is not None for s in ordered]
        wanted = c.with_also(needs, self.also, closed=all(closed))
        _check_open(ordered, closed, wanted)
        costly = c.from_samples(wanted, closed=all(closed))
        guide = self._guide(needs, costly)
        rows = self._text_rows(ordered, wanted, labelled)
        evidence: list[Evidence] = []
        chosen: Sequence[Evidence] = ()
        if ordered and (wanted | guide) - c.TEXT - c.FEATURES:
            # Of closed answers among open ones, forced answers are costly in name only.
            evidence = self.passes.attempts(
                ordered, closed, wanted | guide, sampled=bool(costly) and not guide, round=round
            )
            self._cheap(evidence, (wanted | guide) - costly, rows, needs=needs, round=round)
            chosen = self._screened(evidence, guide, rows, at_least, round) if guide else evidence
            self._costly(chosen, costly, rows, guided=bool(guide), round=round)
        place = self._places(ordered, labelled) if wanted & c.FEATURES else {}
        screened = {s.id for s in ordered if guide} - {found.sample.id for found in chosen}
        found = {evident.sample.id: evident for evident in evidence}
        made = {s.id: _candidate(s, rows[s.id], found.get(s.id), place, screened) for s in ordered}
        return [made[s.id] for s in samples]

    def _guide(self, needs: frozenset[str], costly: frozenset[str]) -> frozenset[str]:
        """The components that decide who gets samples; none where nobody is left out."""
        if self.guided_fraction == 1 or not needs & costly:
            return frozenset()
        return (needs & c.COMPONENTS) - costly or GUIDE

    def _text_rows(
        self, samples: Sequence[Sample], wanted: frozenset[str], labelled: Sequence[Sample]
    ) -> Rows:
        columns: dict[str, list[float]] = {}
        if "rare_words" in wanted:
            columns["rare_words"] = c.rare_words(samples, labelled)
        if "question_length" in wanted:
            columns["question_length"] = [c.question_length(s) for s in samples]
        rows: Rows = {sample.id: {} for sample in samples}
        _fill_in(rows, samples, columns)
        return rows

    def _cheap(
        self,
        evidence: Sequence[Evidence],
        names: frozenset[str],
        rows: Rows,
        *,
        needs: frozenset[str],
        round: int,
    ) -> None:
        """The columns that need no samples."""
        if names & c.FORCED_PARTIAL:
            self.passes.write(evidence)
        if names & c.DROPOUT:
            try:
                self.passes.drop_out(evidence, round)
            except ConfigError as error:
                if c.DROPOUT & (needs | self.also):
                    raise
                logger.info("selection.also_score=all leaves out bald: %s", error)
                names -= c.DROPOUT
        self._read(evidence, names, rows)

    def _costly(
        self,
        evidence: Sequence[Evidence],
        names: frozenset[str],
        rows: Rows,
        *,
        guided: bool,
        round: int,
    ) -> None:
        """The columns that need samples, of those that get them."""
        if not names:
            return
        if guided:
            self.passes.sample(evidence, round)
        if "inter" in names and self.inter_from == "prefixes":
            self.passes.go_on(evidence, round)
        self._read(evidence, names, rows)

    def _read(self, evidence: Sequence[Evidence], names: frozenset[str], rows: Rows) -> None:
        grouping = self._grouping(evidence, names)
        reading = Reading(self.same, self.intra, self.inter_from, grouping)
        columns = reading.columns(evidence, names)
        _fill_in(rows, [found.sample for found in evidence], columns)

    def _grouping(
        self, evidence: Sequence[Evidence], names: frozenset[str]
    ) -> Callable[[Evidence], Grouping]:
        if self.content == "cluster":
            vectors = self.passes.vectors(evidence, self.embed) if names & c.CONTENT else {}
            return lambda e: by_meaning(e.sample, vectors, distance=self.cluster_distance)
        if self.content == "facts":
            return lambda e: by_facts(e.sample, (t for drawn in e.sampled for t in drawn.texts))
        return lambda _: by_text

    def _screened(
        self,
        evidence: Sequence[Evidence],
        guide: frozenset[str],
        rows: Rows,
        at_least: int,
        round: int,
    ) -> list[Evidence]:
        """Those of highest mean rank in the guiding components, ties in drawn order."""
        n = len(evidence)
        size = min(n, max(at_least, guided_size(n, self.guided_fraction)))
        table = [[rows[found.sample.id][name] for name in sorted(guide)] for found in evidence]
        ranks = np.round(rankdata(table, axis=0).mean(axis=1), 9)
        drawn = generator(self.seed, "screen", round).permutation(n)
        first = sorted(drawn, key=lambda i: -ranks[i])[:size]
        return [evidence[i] for i in sorted(first)]

    def _places(self, samples: Sequence[Sample], labelled: Sequence[Sample]) -> dict[str, Place]:
        if not samples:
            return {}
        self.passes.begin("features", len(samples) + len(labelled))
        found = places(self.student, self.task, samples, labelled)
        return {sample.id: place for sample, place in zip(samples, found, strict=True)}


def _candidate(
    sample: Sample,
    scores: Mapping[str, float],
    found: Evidence | None,
    place: Mapping[str, Place],
    screened: set[str],
) -> Candidate:
    here = place.get(sample.id)
    return Candidate(
        sample,
        {name: scores[name] for name in sorted(scores)},
        found.attempt if found else None,
        tuple(e.answer for e in found.sampled) if found else (),
        here.features if here else (),
        here.near if here else (),
        sample.id in screened,
    )


def _check_open(samples: Sequence[Sample], closed: Sequence[bool], names: frozenset[str]) -> None:
    if not all(closed) and (refused := sorted(names & c.CLOSED_ONLY)):
        raise ConfigError(
            f"{', '.join(refused)}: not available for open answers (sample "
            f"{samples[closed.index(False)].id}); open answers support "
            f"{', '.join(sorted(c.supported(closed=False)))}"
        )


def _fill_in(rows: Rows, samples: Sequence[Sample], columns: Mapping[str, Sequence[float]]) -> None:
    for name, values in sorted(columns.items()):
        for sample, value in zip(samples, values, strict=True):
            if not math.isfinite(value):
                raise EladError(
                    f"{name} of sample {sample.id} is {value}: the student's probabilities are "
                    "not finite. Training has diverged; lower the learning rate."
                )
            rows[sample.id][name] = value
