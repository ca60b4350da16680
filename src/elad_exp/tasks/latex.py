r"""Plain text for the little LaTeX and typography that numbers come in: `\$18`, `\boxed{18}`."""

from __future__ import annotations

import re
import unicodedata

_MATHS = re.compile(r"\\[()\[\]]|\\(?:left|right|displaystyle)(?![a-zA-Z])")
_SPACES = re.compile(r"\\[,!;: ]|~")
_WRAPPED = re.compile(r"\\(?:boxed|fbox|mbox|text[a-z]*|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac\s*([0-9])\s*([0-9])")
_MIXED = re.compile(r"(?<=[0-9])(?=\\[dt]?frac|[\u00bc-\u00be\u2150-\u215e])")
_RAISED = re.compile(r"[\u00b2\u00b3\u00b9\u2070\u2074-\u2079]+")
_DEEPEST = 4
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2044": "/"})


def plain_text(text: str) -> str:
    r"""`text` with escapes, delimiters, boxes and simple fractions of LaTeX written plainly.

    The same goes for characters: full-width digits, the minus sign, one half, squares. Other LaTeX
    (`\sqrt`, fractions of expressions) stays as it is.
    """
    text = _RAISED.sub(r"^\g<0>", _MIXED.sub(" ", text))
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    text = text.replace("\\$", "$").replace("\\%", "%").replace("{,}", ",")
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", _MATHS.sub(" ", _SPACES.sub(" ", text)))
    for _ in range(_DEEPEST):
        text = _WRAPPED.sub(r" \1 ", _FRACTION.sub(r"\1/\2", text))
    return " ".join(text.split())
