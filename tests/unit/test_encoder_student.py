"""Students that label: what they learn, how they are asked, and what is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from elad_exp.data.collate import IGNORE
from elad_exp.entities import from_answer, tags_of_spans
from elad_exp.errors import AssetError, ConfigError
from elad_exp.protocols import SpanTask, Splits
from elad_exp.student.build_encoder import (
    BuiltEncoder,
    PretrainedEncoder,
    TinyEncoder,
)
from elad_exp.student.encoder_tokenizer import build_encoder_tokenizer
from elad_exp.types import GoldBook
from tests.unit.label_toys import EntityToy, LabelToy, annotations, sample, taught


def tiny(task: LabelToy, splits: Splits | None = None, **changes: Any) -> BuiltEncoder:
    options: dict[str, Any] = {"d_model": 48, "layers": 2, "heads": 4, "vocab_size": 400}
    options |= {"level": "word", "max_length": 40, "dropout": 0.1} | changes
    return TinyEncoder(**options).build(task, splits or task.load(), seed=0)


@cache
def learnt(kind: type[LabelToy]) -> tuple[LabelToy, BuiltEncoder]:
    task = kind()
    return task, taught(tiny(task), task)


@pytest.mark.parametrize("kind", [LabelToy, EntityToy])
def test_what_is_learnt_by_heart_is_answered(kind: type[LabelToy]) -> None:
    task, built = learnt(kind)
    splits = task.load()
    found = built.engine(task).explain(splits.pool)
    right = [
        task.grade(s, e[0].answer, splits.gold) for s, e in zip(splits.pool, found, strict=True)
    ]
    assert np.mean(right) == 1
    assert all(e.steps == () and e.logprob is not None and e.logprob < 0 for [e] in found)


@pytest.mark.parametrize("kind", [LabelToy, EntityToy])
def test_a_batch_of_one_gives_what_a_batch_of_all_gives(kind: type[LabelToy]) -> None:
    task, built = learnt(kind)
    texts = [sample("x"), *task.load().pool[:9], sample("Mira Solent " * 6)]
    together = built.engine(task).explain(texts)
    engine = built.engine(task)
    engine.batches.tokens = 1
    for one, [expected] in zip(texts, together, strict=True):
        [[alone]] = engine.explain([one])
        assert alone.answer == expected.answer
        assert alone.logprob == pytest.approx(expected.logprob, abs=1e-5)


def test_distributions_are_the_model_s_and_sum_to_one() -> None:
    task, built = learnt(LabelToy)
    pool = task.load().pool[:5]
    found = built.engine(task).answer_distributions([(s, ()) for s in pool])
    for one, distribution in zip(pool, found, strict=True):
        ids = built.tokenizer(one.question, return_tensors="pt").input_ids
        with torch.no_grad():
            expected = built.model(input_ids=ids).logits[0].softmax(dim=-1)
        assert list(distribution) == ["concert", "market"]
        assert list(distribution.values()) == pytest.approx(expected.tolist(), abs=1e-5)
        assert sum(distribution.values()) == pytest.approx(1)


def test_samples_follow_the_distribution_and_depend_on_their_own_text_alone() -> None:
    task = LabelToy()
    engine = tiny(task).engine(task)  # not trained: no label is sure
    pool = task.load().pool[:6]
    drawn = engine.explain(pool, k=400, temperature=1.0, seed=3)
    [distribution, *_] = engine.answer_distributions([(pool[0], ())])
    share = np.mean([e.answer == "concert" for e in drawn[0]])
    assert share == pytest.approx(distribution["concert"], abs=0.08)
    again = engine.explain(pool[::-1], k=400, temperature=1.0, seed=3)[::-1]
    assert [[e.answer for e in own] for own in drawn] == [[e.answer for e in o] for o in again]
    assert engine.explain(pool, k=400, temperature=1.0, seed=4) != drawn
    with_greedy = engine.explain(pool, k=400, temperature=1.0, seed=3, greedy=True)
    assert [own[1:] for own in with_greedy] == drawn
    assert [own[0] for own in with_greedy] == [own[0] for own in engine.explain(pool)]
    [sure] = engine.explain(pool[:1], k=50, temperature=0.01, seed=3)
    assert {e.answer for e in sure} == {with_greedy[0][0].answer}


def test_dropout_gives_several_opinions_and_the_same_ones_again() -> None:
    task, built = learnt(LabelToy)
    items = [(s, ()) for s in task.load().pool[:5]]
    engine = built.engine(task)
    first = engine.dropout_distributions(items, passes=3, seed=1)
    assert len(first) == 3
    assert first[0] != first[1] != first[2]
    assert engine.dropout_distributions(items, passes=3, seed=1) == first
    assert not built.model.training
    without = tiny(task, dropout=0.0).engine(task)
    with pytest.raises(ConfigError, match="do not differ"):
        without.dropout_distributions(items, passes=2, seed=0)


def test_steps_are_refused() -> None:
    task, built = learnt(LabelToy)
    engine, first = built.engine(task), task.load().pool[0]
    for ask in (engine.answer_distributions, engine.forced_answers, engine.explain_from):
        with pytest.raises(ConfigError, match="writes no steps"):
            ask([(first, ("a step",))])
    assert engine.forced_answers([(first, ())]) == ["concert"]


def test_texts_have_places_of_length_one() -> None:
    task, built = learnt(LabelToy)
    found = built.engine(task).embed(["Sundry", "a fish", "", "Sundry"])
    assert found.shape == (4, 48)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1] * 4, abs=1e-5)
    assert (found[0] == found[3]).all()
    assert not (found[0] == found[1]).all()


def test_a_text_that_does_not_fit_is_told_and_not_learnt() -> None:
    task, built = learnt(LabelToy)
    long = sample("market " * 60)
    engine = built.engine(task)
    assert not engine.fits(long)
    assert engine.fits(task.load().pool[0])
    [first, *_] = annotations(task)
    encoder = built.encoder(task, train_on="full")
    assert encoder.whole(first) is not None
    too_long = type(first)(long, first.explanation, first.status, "toy")
    assert encoder.whole(too_long) is None


def test_only_first_pieces_carry_tags() -> None:
    task, built = learnt(EntityToy)
    assert isinstance(task, SpanTask)
    [first, *_] = annotations(task)
    row = built.encoder(task, train_on="full").whole(first)
    assert row is not None
    learnt_labels = [n for n in row.labels if n != IGNORE]
    spans = from_answer(first.explanation.answer)
    tags = tags_of_spans(spans, task.tokens(first.sample.question))
    assert [built.outputs[n] for n in learnt_labels] == tags
    assert len(row.labels) == len(row.ids) > len(learnt_labels)
    assert row.labels[0] == row.labels[-1] == IGNORE


def test_a_text_that_may_be_cut_is_read_up_to_there() -> None:
    task = LabelToy()
    short, whole = tiny(task), tiny(task, max_length=80)
    cut = tiny(task, truncate=True)
    assert cut.warnings == ()
    texts = [sample("Mira sings " * 30), task.load().pool[0], sample("")]
    ids, full = cut.engine(task).ids(texts), whole.engine(task).ids(texts)
    assert len(ids[0]) == 40
    assert ids[0] == [*full[0][:39], full[0][-1]]
    assert ids[1:] == full[1:]
    assert all(cut.engine(task).fits(text) for text in texts)
    assert not short.engine(task).fits(texts[0])
    assert cut.tokenizer.backend_tokenizer.truncation is None  # it is saved with the student
    [[found]] = cut.engine(task).explain(texts[:1])
    assert found.answer in ("concert", "market")
    [first, *_] = annotations(task)
    row = cut.encoder(task, train_on="full").whole(
        type(first)(texts[0], first.explanation, first.status, "toy")
    )
    assert row is not None
    assert list(row.ids) == ids[0]
    assert len(row.labels) == 1
    [told] = tiny(task, max_length=10, truncate=True).warnings
    assert told.startswith("40 of 40 texts of the pool that were looked at are longer than")
    assert "student.max_length=10" in told


def test_only_texts_with_a_class_are_cut_and_something_is_left() -> None:
    with pytest.raises(ConfigError, match=r"student\.truncate=true: the entities of task"):
        tiny(EntityToy(), truncate=True)
    with pytest.raises(ConfigError, match=r"student\.max_length=7: .* at least 8"):
        tiny(LabelToy(), max_length=7, truncate=True)


@pytest.mark.parametrize("level", ["word", "character"])
def test_the_vocabulary_is_the_same_every_time(level: str) -> None:
    texts = [s.question for s in LabelToy().load().pool]
    options: dict[str, Any] = {"vocab_size": 120, "level": level, "max_length": 40}
    first, *others = [build_encoder_tokenizer(texts, **options).get_vocab() for _ in range(4)]
    assert all(vocabulary == first for vocabulary in others)
    tokenizer = build_encoder_tokenizer(texts, **options)
    ids = tokenizer("Mira ##a [SEP]", split_special_tokens=True).input_ids
    marks = tokenizer.convert_ids_to_tokens(ids)
    assert (marks[0], marks[-1]) == ("[CLS]", "[SEP]")
    assert "##a" not in marks[2:]  # no word goes on after a space
    assert marks.count("[SEP]") == 1


def test_chinese_is_read_by_characters() -> None:
    class Chinese(LabelToy):
        def load(self) -> Splits:
            pool = [sample(text) for text in ("今天下雨了", "明天晴天", "火车晚点了", "汽车坏了")]
            return Splits(pool, pool, pool, GoldBook({}), {})

    task = Chinese()
    built = tiny(task, level="character")
    ids = built.engine(task).ids([sample("今天 晴天")])[0]
    assert built.tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", *"今天晴天", "[SEP]"]


def test_a_tokenizer_that_does_not_know_the_language_is_refused(tmp_path: Path) -> None:
    english = build_encoder_tokenizer(
        [s.question for s in LabelToy().load().pool], vocab_size=300, level="word", max_length=40
    )
    save_bert(tmp_path, english)

    class Chinese(LabelToy):
        def load(self) -> Splits:
            pool = [sample(text) for text in ("今天下雨了", "明天晴天 3", "Mira sings 火车晚点了")]
            return Splits(pool, pool, pool, GoldBook({}), {})

    task = Chinese()
    with pytest.raises(ConfigError, match=r"\d+ % of the tokens .* unknown .*student.level"):
        PretrainedEncoder(name=str(tmp_path), max_length=32).build(task, task.load(), seed=0)


def english_bert(folder: Path) -> None:
    """An encoder with a small English vocabulary, which cuts Chinese into characters like BERT."""
    words = "abcdefghijklmnopqrstuvwxyz0123456789.,'"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *(f"##{c}" for c in words)]
    tokenizer = Tokenizer(WordPiece({p: n for n, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    save_bert(folder, PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names))


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (["今天下雨了", "火车晚点了"], 100),
        (["今天下雨了", "a b c d e"], 50),
        (["a" * 38, "北京"], None),  # 2 of 40
        (["a" * 37, "北京晴"], 8),  # 3 of 40 are 7.5 %
    ],
)
def test_the_share_of_unknown_tokens_decides(
    texts: list[str], share: int | None, tmp_path: Path
) -> None:
    english_bert(tmp_path)
    pool = [sample(text) for text in texts]
    splits = Splits(pool, pool, pool, GoldBook({}), {})
    maker = PretrainedEncoder(name=str(tmp_path), max_length=40)
    if share is None:
        assert maker.build(LabelToy(), splits, seed=0).max_length == 40
    else:
        with pytest.raises(ConfigError) as caught:
            maker.build(LabelToy(), splits, seed=0)
        assert f": {share} % of the tokens of the pool's texts are unknown" in str(caught.value)
        assert "(at most 5 %); choose an encoder of the language" in str(caught.value)
        assert "student=tiny_encoder student.level=character for Chinese" in str(caught.value)


def save_bert(folder: Path, tokenizer: Any, *, without: str = "") -> None:
    """A pretrained body without a head."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    torch.manual_seed(1)
    model = BertModel(config)
    state = {k: v for k, v in model.state_dict().items() if not (without and without in k)}
    model.save_pretrained(folder, state_dict=state)
    tokenizer.save_pretrained(folder)


def test_a_pretrained_body_gets_a_head_that_depends_on_the_seed(tmp_path: Path) -> None:
    task = LabelToy()
    splits = task.load()
    tokenizer = build_encoder_tokenizer(
        [s.question for s in splits.pool], vocab_size=300, level="word", max_length=40
    )
    save_bert(tmp_path / "body", tokenizer)
    maker = PretrainedEncoder(name=str(tmp_path / "body"), max_length=40, dropout=0.2)
    built = maker.build(task, splits, seed=0)
    assert built.model.config.hidden_dropout_prob == 0.2
    heads = [maker.build(task, splits, seed=s).model.classifier.weight for s in (0, 0, 1)]
    assert (heads[0] == heads[1]).all()
    assert not (heads[0] == heads[2]).all()
    body = BertModel.from_pretrained(tmp_path / "body").embeddings.word_embeddings.weight
    assert (built.model.bert.embeddings.word_embeddings.weight == body).all()
    built.model.save_pretrained(tmp_path / "student")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student")
    assert again.config.id2label == {0: "concert", 1: "market"}
    assert (again.classifier.weight == built.model.classifier.weight).all()
    with pytest.raises(ConfigError, match="reads 40 tokens"):
        PretrainedEncoder(name=str(tmp_path / "body"), max_length=64).build(task, splits, seed=0)


def test_positions_that_begin_after_padding_are_not_counted(tmp_path: Path) -> None:
    task = LabelToy()
    splits = task.load()
    tokenizer = build_encoder_tokenizer(
        [s.question for s in splits.pool], vocab_size=300, level="word", max_length=40
    )
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        max_position_embeddings=42,
        pad_token_id=1,
        **sizes,
    )
    RobertaModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    built = PretrainedEncoder(name=str(tmp_path), max_length=40, truncate=True).build(
        task, splits, seed=0
    )
    [[found]] = built.engine(task).explain([sample("Mira sings " * 30)])
    assert found.answer in ("concert", "market")
    with pytest.raises(ConfigError, match="reads 40 tokens"):
        PretrainedEncoder(name=str(tmp_path), max_length=41).build(task, splits, seed=0)


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    task = LabelToy()
    splits = task.load()
    tokenizer = build_encoder_tokenizer(
        [s.question for s in splits.pool], vocab_size=300, level="word", max_length=40
    )
    save_bert(tmp_path, tokenizer, without="attention.self.query")
    with pytest.raises(AssetError, match=r"missing bert\.encoder"):
        PretrainedEncoder(name=str(tmp_path), max_length=40).build(task, splits, seed=0)


@pytest.mark.parametrize(
    ("labels", "told"), [(("one",), "one label only"), (None, "choose student=tiny")]
)
def test_tasks_that_no_encoder_can_answer_are_refused(
    labels: tuple[str, ...] | None, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        tiny(LabelToy(labels))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"level": "byte"}, "choose word or character"),
        ({"d_model": 50}, "multiple of student.heads=4"),
        ({"dropout": 1.0}, "below 1"),
    ],
)
def test_shapes_that_make_no_model_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        tiny(LabelToy(), **changes)
