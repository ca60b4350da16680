"""Text to token ids, the same way for training and for inference, and ids to batches.

Prompt and target are tokenised apart and joined as ids, because that is what a student sees when
it generates: the prompt's ids first, then ids of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from elad_exp.errors import ConfigError

IGNORE = -100
"""Label of a token that is read but not learnt (the convention of torch's cross-entropy)."""
ANSWER_MARK = "Answer: "
"""What a target's last line begins with, see `protocols.Task`."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One training example: token ids, and the same ids as labels with `IGNORE` where masked.

    `prompt` is the number of ids that are the prompt's; they come first and are all masked.
    `synthetic`: the text is no sample of a dataset (`Sample.origin`).
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    prompt: int = 0
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a student reads for a task's prompt: `head`, `text`, `tail`.

    `text` is the task's; the names of special tokens count only in `head` and `tail`.
    """

    text: str
    head: str = ""
    tail: str = ""

    def __str__(self) -> str:
        return f"{self.head}{self.text}{self.tail}"


# Stands for the message when a chat template is taken apart.
_SENTINEL = "the-message-goes-here"


def render(tokenizer: Any, prompt: str, *, chat_template: bool, ends: bool = False) -> Rendered:
    """What a student reads for a task's prompt, with all special tokens written out.

    A template that does more with the message than to trim it cannot be taken apart; all of what
    it makes is then `head`.

    Args:
        tokenizer: A Hugging Face tokenizer.
        prompt: The task's prompt.
        chat_template: Put the prompt as the user's message into the tokenizer's chat template.
            Otherwise only the start token is added, if the tokenizer is one that adds it.
        ends: The prompt is all that an encoder reads: without a chat template it gets the end
            token as well, if the tokenizer is one that adds it.

    Raises:
        ConfigError: `chat_template` is asked of a tokenizer that has none.
    """
    if chat_template:
        if not tokenizer.chat_template:
            raise ConfigError(
                f"chat_template=true, but the tokenizer of {tokenizer.name_or_path!r} has none; "
                "set student.chat_template=false"
            )
        filled = _fill(tokenizer, prompt)
        head, _, tail = _fill(tokenizer, _SENTINEL).partition(_SENTINEL)
        for text in (prompt, prompt.strip()):
            if filled == f"{head}{text}{tail}":
                return Rendered(text, head, tail)
        return Rendered("", head=filled)
    added = tokenizer("").input_ids
    starts, ended = added[:1] == [tokenizer.bos_token_id], added[-1:] == [tokenizer.eos_token_id]
    return Rendered(
        prompt,
        head=tokenizer.bos_token if starts else "",
        tail=tokenizer.eos_token if ends and ended else "",
    )


def _fill(tokenizer: Any, message: str) -> str:
    text: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": message}], tokenize=False, add_generation_prompt=True
    )
    return text


def prompt_ids(tokenizer: Any, rendered: Sequence[Rendered]) -> list[list[int]]:
    """Ids of rendered prompts; special tokens count only where `render` has written them."""
    if not rendered:
        return []
    ids: list[list[int]] = tokenizer(list(map(str, rendered)), add_special_tokens=False).input_ids
    special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
    for i, r in enumerate(rendered):
        # Only then in pieces, because a token may reach over the end of a piece.
        if any(name in r.text for name in special):
            head, tail = tokenizer([r.head, r.tail], add_special_tokens=False).input_ids
            text = tokenizer(r.text, add_special_tokens=False, split_special_tokens=True).input_ids
            ids[i] = [*head, *text, *tail]
    return ids


def target_ids(tokenizer: Any, targets: Sequence[str]) -> list[list[int]]:
    """Ids of targets, each with the end token appended.

    A special token's name inside a target is plain text: an annotation cannot end a sequence.
    """
    if not targets:
        return []
    found = tokenizer(list(targets), add_special_tokens=False, split_special_tokens=True)
    return [[*ids, tokenizer.eos_token_id] for ids in found.input_ids]


def encode(
    tokenizer: Any, prompt: Rendered, target: str, *, max_length: int, kept_steps: int = 0
) -> Encoded | None:
    """A training example, or None if it does not fit `max_length` tokens: never cut.

    Args:
        tokenizer: A Hugging Face tokenizer with an end token.
        prompt: The rendered prompt (see `render`); read, not learnt.
        target: One step per line, then the answer; learnt, with the end token.
        max_length: Context of the student in tokens.
        kept_steps: Steps (lines) at the start of the target that are read but not learnt, as
            under `train_on=revision`.

    Raises:
        ValueError: `kept_steps` leaves nothing to learn.
    """
    lines = target.splitlines(keepends=True)
    if not 0 <= kept_steps < len(lines):
        raise ValueError(
            f"kept_steps={kept_steps} of a target with {len(lines)} lines; must be at least 0 "
            "and leave a line to learn"
        )
    row = _encoded(tokenizer, prompt, target, read=sum(map(len, lines[:kept_steps])))
    return row if len(row) <= max_length else None


def encode_label(tokenizer: Any, prompt: Rendered, target: str) -> Encoded:
    """A training example of which the answer's label alone is learnt, with the end token.

    The words before the label are not: what they would teach is that the answer comes here.

    Args:
        tokenizer: A Hugging Face tokenizer with an end token.
        prompt: The rendered prompt.
        target: Steps, if any, one per line, then the answer.

    Raises:
        ValueError: The last line of the target is no answer line.
    """
    last = target.splitlines()[-1] if target else ""
    if not last.startswith(ANSWER_MARK) or not target.endswith(last):
        raise ValueError(f"the last line of a target is {last!r}; it must be {ANSWER_MARK!r}LABEL")
    return _encoded(tokenizer, prompt, target, read=len(target) - len(last) + len(ANSWER_MARK))


def _encoded(tokenizer: Any, prompt: Rendered, target: str, *, read: int) -> Encoded:
    """Ids of prompt and target; the first `read` characters of the target are not learnt."""
    start = prompt_ids(tokenizer, [prompt])[0]
    found = tokenizer(
        target, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    # A token that reaches over the boundary is learnt: it holds part of what is to be learnt.
    known = sum(end <= read for _, end in found.offset_mapping) if read else 0
    masked = len(start) + known
    ids = (*start, *found.input_ids, tokenizer.eos_token_id)
    return Encoded(ids, (IGNORE,) * masked + ids[masked:], len(start))


def collate(batch: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`, `labels`: (examples, longest), padded on the right.

    Padding is masked by length, not by id: a pad token may be the end token, which is learnt.
    """
    ids, mask = padded([row.ids for row in batch], pad_id)
    labels, _ = padded([row.labels for row in batch], IGNORE)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def collate_pairs(batch: Sequence[Encoded], pad_id: int, start_id: int) -> dict[str, Tensor]:
    """A batch for an encoder-decoder model: prompts for its encoder, targets for its decoder.

    What the decoder reads is given rather than left to the model, which would derive it from the
    labels and so read nothing where they are masked.

    Args:
        batch: Training examples.
        pad_id: Token for padding.
        start_id: What the decoder reads first.

    Returns:
        `input_ids`, `attention_mask`: (examples, longest prompt); `decoder_input_ids`,
        `decoder_attention_mask`, `labels`: (examples, longest target). Padded on the right.
    """
    prompts, mask = padded([row.ids[: row.prompt] for row in batch], pad_id)
    read, decoder_mask = padded([(start_id, *row.ids[row.prompt : -1]) for row in batch], pad_id)
    labels, _ = padded([row.labels[row.prompt :] for row in batch], IGNORE)
    return {
        "input_ids": prompts,
        "attention_mask": mask,
        "decoder_input_ids": read,
        "decoder_attention_mask": decoder_mask,
        "labels": labels,
    }


def padded(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """`rows` filled up on the right, and 1 where they are real: (rows, longest) each."""
    width = max(map(len, rows))
    filled = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return filled, mask
