"""The tokenizer of an encoder from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = PAD, UNKNOWN, CLS, SEP = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = 1000
"""Characters that word pieces are made of: words with any other are unknown."""


def build_encoder_tokenizer(
    texts: Sequence[str], *, vocab_size: int, level: str, max_length: int
) -> Any:
    """Word pieces, or characters, of lower-cased texts; what was never seen is unknown.

    Deterministic: equal texts in equal order give an equal vocabulary.
    """
    tokenizer = (_characters if level == "character" else _pieces)(texts, vocab_size)
    ends = [(token, tokenizer.token_to_id(token)) for token in (CLS, SEP)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=CLS,
        sep_token=SEP,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def _characters(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    # White space is no character of its own: it is left out, as from words.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _pieces(texts: Sequence[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.normalizer = normalizers.Lowercase()
    letters = _letters(texts)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        # The trainer numbers the letters inside of words as it meets them, the words in random
        # order, and joins equally frequent pairs by their numbers. So all are numbered here.
        special_tokens=[*SPECIAL, *(f"##{letter}" for letter in letters)],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Special tokens are found in any text, which "##a" must not be: only its vocabulary is kept.
    found = Tokenizer(models.WordPiece(tokenizer.get_vocab(), unk_token=UNKNOWN))
    found.pre_tokenizer, found.normalizer = tokenizer.pre_tokenizer, tokenizer.normalizer
    return found


def _letters(texts: Iterable[str]) -> list[str]:
    """The most frequent characters but white space, in the order of Unicode."""
    counts = Counter(letter for text in texts for letter in text.lower() if not letter.isspace())
    return sorted(sorted(counts, key=lambda letter: (-counts[letter], letter))[:LETTERS])
