"""Synonyms from a file: one group a line."""

from __future__ import annotations

from pathlib import Path

from elad_exp.errors import DataError

COMMENT = "#"


def read_synonyms(path: str) -> dict[str, tuple[str, ...]]:
    """Case-folded word -> the other words of its groups, in their order.

    A line is a group: words or phrases, separated by commas. Empty lines and lines that begin with
    `#` are left out.

    Args:
        path: A UTF-8 file.

    Raises:
        DataError: There is no such file, it is no text, a line has one word only, or there is no
            group; names the line.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"teacher.synonyms={path}: no such file; name one, or null for none")
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"teacher.synonyms={path}: not UTF-8 text ({error})") from error
    found: dict[str, dict[str, None]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(COMMENT):
            continue
        group = list(dict.fromkeys(" ".join(part.split()) for part in line.split(",")))
        group = [word for word in group if word]
        if len(group) < 2:
            raise DataError(
                f"teacher.synonyms={path}, line {number}: {line.strip()[:60]!r} is no group: "
                "give two words or more, separated by commas"
            )
        for word in group:
            others = (other for other in group if other.casefold() != word.casefold())
            found.setdefault(word.casefold(), {}).update(dict.fromkeys(others))
    if not found:
        raise DataError(f"teacher.synonyms={path}: there is no group of synonyms in it")
    return {word: tuple(others) for word, others in found.items()}
