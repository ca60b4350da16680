"""A toy task and a toy student for the tests of student, engine and collate."""

from __future__ import annotations

from typing import Any

from elad_exp.data.collate import Encoded, encode, render
from elad_exp.student.decoder import DecoderEngine
from elad_exp.student.tiny import build_tiny
from elad_exp.tasks.reasoning import ReasoningTask
from elad_exp.types import Choice, Explanation, Sample, sample_id

NAMES = ("Ana", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana")
HEIGHTS = dict(zip(NAMES, (3, 17, 22, 38, 41, 55, 63, 70), strict=True))


class ToyTask(ReasoningTask):
    """Is A taller than B? Two facts, then the answer."""

    def __init__(self, answers: str = "yes_no") -> None:
        super().__init__(name="toy", answers=answers)

    def vocabulary(self) -> tuple[str, ...]:
        return tuple(f"{name} measures {HEIGHTS[name]} feet." for name in NAMES) * 2


TASK = ToyTask()


def sample(question: str, choices: tuple[Choice, ...] = ()) -> Sample:
    return Sample(sample_id(question, choices), question, choices)


def pairs() -> list[tuple[Sample, Explanation]]:
    """All questions, of several lengths, with their right explanations."""
    found = []
    for i, a in enumerate(NAMES):
        for b in NAMES[:i]:
            more = " as far as anybody knows" * ((i + len(b)) % 3)
            steps = [f"{n} measures {HEIGHTS[n]} feet." for n in (a, b)]
            answer = "yes" if HEIGHTS[a] > HEIGHTS[b] else "no"
            found.append((sample(f"Is {a} taller than {b}{more}?"), Explanation.of(steps, answer)))
            found.append((sample(f"Is {b} taller than {a}{more}?"), Explanation.of(steps, "no")))
    return found


SAMPLES = [s for s, _ in pairs()]


def tiny(seed: int = 0, **changes: Any) -> tuple[Any, Any]:
    shape: dict[str, Any] = {
        "d_model": 32,
        "layers": 2,
        "heads": 2,
        "vocab_size": 400,
        "max_length": 96,
    }
    return build_tiny(TASK, SAMPLES, seed=seed, **(shape | changes))


def engine(
    model: Any, tokenizer: Any, *, task: ReasoningTask = TASK, **changes: Any
) -> DecoderEngine:
    options: dict[str, Any] = {"max_new_tokens": 40, "max_length": 96, "tokens_per_batch": 2000}
    return DecoderEngine(model, tokenizer, task, **(options | changes))


def rows(tokenizer: Any, *, max_length: int = 96) -> list[Encoded]:
    found = [
        encode(
            tokenizer,
            render(tokenizer, TASK.prompt(s), chat_template=False),
            TASK.target(s, e),
            max_length=max_length,
        )
        for s, e in pairs()
    ]
    assert all(found)
    return [row for row in found if row]
