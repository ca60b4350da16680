"""Text to ids, masks and batches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elad_exp.data.collate import (
    IGNORE,
    Encoded,
    Rendered,
    collate,
    encode,
    prompt_ids,
    render,
    target_ids,
)
from elad_exp.errors import ConfigError
from tests.unit.student_toys import SAMPLES, TASK, tiny

TOKENIZER = tiny()[1]
PROMPT = "Question: Is Ana taller than Bo?\n"
READ = Rendered(PROMPT)
CHAT = "{{ bos_token }}user\n{{ messages[0].content }}<|eos|>\n[go]"
TARGET = "Ana measures 3 feet.\nBo measures 17 feet.\nAnswer: no"


def learnt(row: Encoded) -> str:
    return str(TOKENIZER.decode([i for i in row.labels if i != IGNORE]))


def encoded(**options: Any) -> Encoded:
    row = encode(TOKENIZER, READ, TARGET, **({"max_length": 96} | options))
    assert row is not None
    return row


def test_the_prompt_is_read_and_the_target_with_its_end_is_learnt() -> None:
    row = encoded()
    assert TOKENIZER.decode(row.ids) == PROMPT + TARGET + "<|eos|>"
    assert learnt(row) == TARGET + "<|eos|>"
    assert row.ids[-1] == row.labels[-1] == TOKENIZER.eos_token_id
    assert (
        list(row.ids[: len(row) - len(target_ids(TOKENIZER, [TARGET])[0])])
        == (prompt_ids(TOKENIZER, [READ])[0])
    )


@pytest.mark.parametrize(
    ("kept", "rest"),
    [(0, TARGET), (1, "Bo measures 17 feet.\nAnswer: no"), (2, "Answer: no")],
)
def test_kept_steps_are_read_and_not_learnt(kept: int, rest: str) -> None:
    row = encoded(kept_steps=kept)
    assert learnt(row) == rest + "<|eos|>"
    assert row.ids == encoded().ids


@pytest.mark.parametrize("kept", [-1, 3])
def test_a_mask_that_leaves_nothing_is_refused(kept: int) -> None:
    with pytest.raises(ValueError, match=f"kept_steps={kept} of a target with 3 lines"):
        encoded(kept_steps=kept)


def test_what_does_not_fit_is_left_out_never_cut() -> None:
    n = len(encoded())
    assert encoded(max_length=n) == encoded()
    assert encode(TOKENIZER, READ, TARGET, max_length=n - 1) is None


@given(st.text(max_size=60))
def test_any_target_survives_encoding_and_decoding(text: str) -> None:
    ids = target_ids(TOKENIZER, [text])[0]
    assert ids.count(TOKENIZER.eos_token_id) == 1
    assert TOKENIZER.decode(ids[:-1], clean_up_tokenization_spaces=False) == text


def test_a_special_tokens_name_in_a_target_is_plain_text() -> None:
    text = "the sign says <|eos|> and <|pad|>"
    ids = target_ids(TOKENIZER, [text])[0]
    assert not set(TOKENIZER.all_special_ids) & set(ids[:-1])
    assert TOKENIZER.decode(ids[:-1]) == text
    row = encode(TOKENIZER, READ, text, max_length=200)
    assert row is not None
    assert row.ids.count(TOKENIZER.eos_token_id) == 1


def test_batches_are_padded_on_the_right_and_masked_by_length() -> None:
    end = TOKENIZER.eos_token_id
    short, long = (
        Encoded((5, 6, end), (IGNORE, 6, end)),
        Encoded((1, 2, 3, 4, end), (1, 2, 3, 4, end)),
    )
    batch = collate([short, long], pad_id=end)
    assert batch["input_ids"].tolist() == [[5, 6, end, end, end], [1, 2, 3, 4, end]]
    assert batch["labels"].tolist()[0] == [IGNORE, 6, end, IGNORE, IGNORE]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


def test_no_texts_give_no_ids() -> None:
    assert prompt_ids(TOKENIZER, []) == target_ids(TOKENIZER, []) == []


def test_rendering_uses_the_chat_template_when_asked() -> None:
    tokenizer = tiny()[1]
    assert render(tokenizer, PROMPT, chat_template=False) == READ
    with pytest.raises(ConfigError, match="chat_template=false"):
        render(tokenizer, PROMPT, chat_template=True)
    tokenizer.chat_template = CHAT
    read = render(tokenizer, PROMPT, chat_template=True)
    assert read == Rendered(PROMPT, head="<|bos|>user\n", tail="<|eos|>\n[go]")
    ids = prompt_ids(tokenizer, [read])[0]
    assert tokenizer.decode(ids) == str(read) == f"<|bos|>user\n{PROMPT}<|eos|>\n[go]"
    assert (ids.count(tokenizer.bos_token_id), ids.count(tokenizer.eos_token_id)) == (1, 1)


@pytest.mark.parametrize("chat_template", [False, True])
def test_ordinary_prompts_are_tokenised_as_one_text(chat_template: bool) -> None:
    tokenizer = tiny()[1]
    tokenizer.chat_template = CHAT
    read = [render(tokenizer, TASK.prompt(s), chat_template=chat_template) for s in SAMPLES]
    whole = tokenizer([str(r) for r in read], add_special_tokens=False).input_ids
    assert prompt_ids(tokenizer, read) == whole


QUESTION = "Question: What do <|eos|> and <|bos|><|pad|> mean?\n"


@pytest.mark.parametrize("template", [None, CHAT, CHAT.replace("content", "content | trim")])
def test_a_special_tokens_name_in_a_question_is_plain_text(template: str | None) -> None:
    tokenizer = tiny()[1]
    tokenizer.chat_template = template
    ordinary, odd = (
        render(tokenizer, text, chat_template=template is not None) for text in (PROMPT, QUESTION)
    )
    expected, ids = prompt_ids(tokenizer, [ordinary, odd])
    assert expected == prompt_ids(tokenizer, [ordinary])[0]
    special = set(tokenizer.all_special_ids)
    assert [i for i in ids if i in special] == [i for i in expected if i in special]
    assert tokenizer.decode(ids) == str(odd)
    assert QUESTION.strip() in str(odd)


def test_a_template_that_cannot_be_taken_apart_is_read_as_it_is() -> None:
    tokenizer = tiny()[1]
    tokenizer.chat_template = "{{ messages[0].content }}{{ messages[0].content }}"
    read = render(tokenizer, PROMPT, chat_template=True)
    assert read == Rendered("", head=PROMPT + PROMPT)
    assert prompt_ids(tokenizer, [read]) == tokenizer([PROMPT + PROMPT]).input_ids


def test_a_start_token_is_written_out_for_tokenizers_that_add_one() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny()[1]
    bos = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos[0]} $A", special_tokens=[bos]
    )
    read = render(tokenizer, PROMPT, chat_template=False)
    assert read.head == tokenizer.bos_token
    assert prompt_ids(tokenizer, [read])[0] == tokenizer(PROMPT).input_ids
