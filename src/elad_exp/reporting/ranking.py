"""Ranking the stored candidates of a round again, by any selector, without a student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elad_exp.errors import ConfigError, DataError
from elad_exp.lines import stored_candidate
from elad_exp.metrics import auroc, average_precision, proportion
from elad_exp.protocols import Selector
from elad_exp.reporting.files import read_config, read_records, read_result
from elad_exp.rng import generator
from elad_exp.rundir import Line
from elad_exp.selectors.components import ATTEMPT, FEATURES
from elad_exp.selectors.diagnose import class_shares, mean, selection_diversity, separation
from elad_exp.selectors.query import audit_size, build_query
from elad_exp.selectors.settings import chosen_among
from elad_exp.types import Candidate, Metric, QueryItem

_SETTINGS = ("seed", "selection.audit_fraction", "schedule.query_size")


@dataclass(frozen=True, slots=True)
class StoredRound:
    """The candidates of a round, without the texts of their questions and steps.

    Args:
        run: The run directory.
        round: The round after whose measurement they were scored.
        selector: Name of the run's selector.
        seed: Of the run.
        audit_fraction: Share of a query that is drawn uniformly.
        query_size: Of the run, audit included.
        candidates: As the run's selector saw them, but for texts.
        wrong: By sample id, whether the attempt's answer is; only of those with an attempt.
        taken: Ids that the run's selector chose and the run bought.
        among: What candidates were drawn from, see `selection.among`.
        scored_by: Version of the student, and settings of the scorer; null of an earlier version.
    """

    run: Path
    round: int
    selector: str
    seed: int
    audit_fraction: float
    query_size: int
    candidates: tuple[Candidate, ...]
    wrong: dict[str, bool]
    taken: frozenset[str]
    among: str
    scored_by: dict[str, Any] | None

    @property
    def chance(self) -> float:
        """The overlap that a choice at random is expected to have with the run's."""
        size = min(self.query_size, len(self.candidates))
        return len(self.taken) / (len(self.candidates) - audit_size(size, self.audit_fraction))

    def stored(self) -> frozenset[str]:
        """What a selector can need: components, and features and attempts where all have them.

        A component that only the screened candidates lack counts.
        """
        ranked = [c for c in self.candidates if not c.screened] or list(self.candidates)
        found = set.intersection(*(set(c.scores) for c in ranked))
        found |= FEATURES if all(c.features for c in self.candidates) else set()
        found |= ATTEMPT if all(c.attempt for c in self.candidates) else set()
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a selector makes of a stored round.

    Args:
        selector: Its name.
        needs: What it reads.
        chosen: In its order; what is drawn uniformly for the audit is not among them.
        overlap: Share of `chosen` that the run's selector chose and the run bought.
        wrong: Share of wrong attempts among `chosen`.
        auroc: How well the order in which it would take all candidates finds wrong attempts.
        auprc: The same by the precision-recall curve.
        mean_steps: Of the attempts of `chosen`.
        diversity: See `selection_diversity`; by features only, as words are not stored.
        classes: See `class_shares`, of the student's answers.

    None where what it takes is not stored, or undefined.
    """

    selector: str
    needs: frozenset[str]
    chosen: tuple[QueryItem, ...]
    overlap: float | None
    wrong: Metric | None
    auroc: Metric | None
    auprc: Metric | None
    mean_steps: float | None
    diversity: dict[str, Any] | None
    classes: dict[str, dict[str, float]] | None


def stored_round(run_dir: str | Path, round_: int | None = None) -> StoredRound:
    """The scores of a round of a run, of the last one by default.

    Raises:
        DataError: `run_dir` holds no run, no scores, or a file that cannot be read.
        ConfigError: The run has no scores of this round.
    """
    path = Path(run_dir)
    result = read_result(path / "result.json")
    settings = read_config(path / "config.yaml")
    among = settings.get("selection.among", "pool")  # runs of earlier versions had the pool only
    if missing := [key for key in _SETTINGS if key not in settings]:
        raise DataError(f"{path / 'config.yaml'} does not have {', '.join(missing)}")
    lines = read_records(path / "scores.jsonl.gz")
    rounds = sorted({line["round"] for line in lines})
    if not rounds:
        raise DataError(f"{path} has no scores: no round of it has selected anything yet")
    if round_ is not None and round_ not in rounds:
        known = ", ".join(map(str, rounds))
        raise ConfigError(f"--round {round_}: {path} has scores of rounds {known}")
    round_ = rounds[-1] if round_ is None else round_
    own = [line for line in lines if line["round"] == round_]
    bought = [x for x in read_records(path / "annotations.jsonl") if x["round"] == round_]
    seed, audit_fraction, query_size = (settings[key] for key in _SETTINGS)
    scored = {line["id"] for line in own}  # a teacher may have written texts of its own
    return StoredRound(
        run=path,
        round=round_,
        selector=(result["selector"] or {}).get("name", "selector"),
        seed=seed,
        audit_fraction=audit_fraction,
        query_size=query_size,
        candidates=_candidates(own, path),
        wrong={x["id"]: x["attempt_wrong"] for x in own if x.get("attempt_wrong") is not None},
        taken=frozenset(x["id"] for x in bought if not x["audit"]) & scored,
        among=among,
        scored_by=_scored_by(own, path),
    )


def _scored_by(lines: Sequence[Line], path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = lines[0].get("scored_by")
    if any(line.get("scored_by") != found for line in lines):
        raise DataError(
            f"{path / 'scores.jsonl.gz'} has scores of round {lines[0]['round']} by several "
            "versions of the student, or by several settings"
        )
    return found


def _candidates(lines: Sequence[Line], path: Path) -> tuple[Candidate, ...]:
    found = {line["id"]: stored_candidate(line) for line in lines}
    if len(found) != len(lines):
        raise DataError(f"{path / 'scores.jsonl.gz'} has a candidate twice in one round")
    return tuple(found.values())


def rank(stored: StoredRound, selector: Selector, *, n: int | None = None) -> Ranking:
    """Choose from the candidates as the run would have with this selector: with the same audit,
    drawn beforehand, and the same generator.

    Args:
        stored: The round.
        selector: Ranks by what is stored.
        n: Size of the query, audit included; by default the run's.

    Raises:
        ConfigError: The selector needs what is not stored, or is for other candidates; or `n` is
            out of range.
    """
    size = min(stored.query_size, len(stored.candidates)) if n is None else n
    if not 1 <= size <= len(stored.candidates):
        raise ConfigError(
            f"-n {size}: round {stored.round} has {len(stored.candidates)} candidates; ask for 1 "
            "to all of them"
        )
    _check_candidates(stored, selector)
    _check_stored(stored, selector)
    query = build_query(
        round=stored.round,
        candidates=stored.candidates,
        selector=selector,
        n=size,
        audit_fraction=stored.audit_fraction,
        seed=stored.seed,
    )
    chosen = tuple(item for item in query.items if not item.audit)
    audit = {item.sample.id for item in query.items if item.audit}
    rest = [c for c in stored.candidates if c.sample.id not in audit]
    order = selector.select(rest, len(rest), generator(stored.seed, "select", stored.round))
    graded = [item.sample.id for item in order if item.sample.id in stored.wrong]
    places = [-float(place) for place in range(len(graded))]
    wrong = [stored.wrong[sample_id] for sample_id in graded]
    by_id = {c.sample.id: c for c in stored.candidates}
    ids = [item.sample.id for item in chosen]
    answers = [c.attempt.answer for c in stored.candidates if c.attempt is not None]
    attempts = [item.attempt for item in chosen if item.attempt is not None]
    return Ranking(
        selector=selector.name,
        needs=selector.needs,
        chosen=chosen,
        overlap=len(stored.taken.intersection(ids)) / len(ids) if stored.taken and ids else None,
        wrong=_share([stored.wrong[i] for i in ids if i in stored.wrong]),
        auroc=auroc(places, wrong),
        auprc=average_precision(places, wrong),
        mean_steps=mean([len(attempt.steps) for attempt in attempts]),
        diversity=selection_diversity([by_id[i] for i in ids], stored.candidates),
        classes=class_shares([a.answer for a in attempts], answers) if attempts else None,
    )


def _share(flags: Sequence[bool]) -> Metric | None:
    return proportion(sum(flags), len(flags)) if flags else None


def _check_candidates(stored: StoredRound, selector: Selector) -> None:
    if stored.among not in (wanted := chosen_among(selector, stored.among)):
        raise ConfigError(
            f"selector {selector.name} chooses of what is annotated, and {stored.run} drew its "
            f"candidates with selection.among={stored.among}; rank a run with "
            f"selection.among={' or '.join(wanted)}, or choose another selector"
        )


def _check_stored(stored: StoredRound, selector: Selector) -> None:
    has = stored.stored()
    if missing := sorted(selector.needs - has):
        raise ConfigError(
            f"selector {selector.name} needs {', '.join(missing)}, which round {stored.round} of "
            f"{stored.run} did not score; it has {', '.join(sorted(has)) or 'no scores'}. A run "
            "with selection.also_score=all stores everything that its task supports"
        )


def base_rates(stored: StoredRound) -> tuple[Metric | None, float | None]:
    """What choices are to be compared with: of all candidates, the share of wrong attempts and
    their mean steps.
    """
    steps = [len(c.attempt.steps) for c in stored.candidates if c.attempt is not None]
    return _share(list(stored.wrong.values())), mean(steps)


def worth(stored: StoredRound) -> dict[str, Any]:
    """`separation` of the wrong attempts by every stored component."""
    return separation(
        (c.scores, stored.wrong[c.sample.id])
        for c in stored.candidates
        if c.sample.id in stored.wrong
    )
