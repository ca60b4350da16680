"""Writing without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.

What has no dictionary takes each character of such a script as a word, or pairs of neighbours.
"""

from __future__ import annotations

UNSPACED = (
    # Thai, Lao, Burmese, Khmer, with their vowel signs and without their digits.
    r"\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u103f\u1780-\u17d3"
    # Japanese syllables.
    r"\u3041-\u3096\u30a1-\u30fa\u30fc"
    # Chinese characters with their repetition mark and zero.
    r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
"""Their letters, for a set of characters in a regular expression."""
CHARACTER = rf"(?=\w)[{UNSPACED}]"
"""Matches one that is a word. A vowel sign, which stands over another letter, is none."""
LETTERS = rf"[^\W{UNSPACED}]+"
"""Matches a run of the letters and digits of all other writing."""
