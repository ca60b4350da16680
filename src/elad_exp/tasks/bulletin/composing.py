"""Making a notice of a class, with chosen phenomena."""

from __future__ import annotations

import re
from collections.abc import Collection

from elad_exp.tasks.bulletin.frames import DECIDING, DISTRACTORS, FRAMES, LEAD, WORDINGS
from elad_exp.tasks.bulletin.world import Picker

_SLOT = re.compile(r"\{(\w+)\}")
_DECIDING = tuple(f"{{{slot}}}" for slot in DECIDING)


def _decides(frame: str) -> bool:
    return any(slot in frame for slot in _DECIDING)


class Composer:
    """Writes notices.

    Args:
        pick: Where names and cues come from, and how often.
    """

    def __init__(self, pick: Picker) -> None:
        self.pick, self._draw = pick, pick.draw

    def text(self, label: str, phenomena: Collection[str] = (), other: str | None = None) -> str:
        """A notice of class `label`; `other` is the class that its distractors speak of.

        Raises:
            ValueError: A phenomenon needs another class, and there is none.
        """
        wording = next((name for name in WORDINGS if name in phenomena), "common")
        frames = self._frames(phenomena, wording)
        short = wording == "abbreviation"
        return " ".join(
            self._filled(frame, label, other, wording=wording, short=short) for frame in frames
        )

    def _frames(self, phenomena: Collection[str], wording: str) -> list[str]:
        """The frames of the sentences, in order."""
        draw = self._draw
        deciding: list[str] = []
        beside: list[str] = []
        for name in ("mixture", *DISTRACTORS):
            if name in phenomena:
                frame = self._frame(name, wording, decided=bool(deciding))
                (deciding if _decides(frame) else beside).append(frame)
        if not deciding:
            deciding = self._plain(wording)
        asides = draw.shuffled(FRAMES["aside"])
        if "long_lead_in" in phenomena:
            before = [*beside, *asides[: max(0, LEAD - len(beside)) + draw.below(2)]]
            return [*draw.shuffled(before), *deciding]
        loose = draw.shuffled([*beside, *asides[: draw.below(3)]])
        cut = draw.below(min(len(loose), LEAD - 1) + 1)
        return [*loose[:cut], *deciding, *loose[cut:]]

    def _plain(self, wording: str) -> list[str]:
        """Sentences that only decide. An act would give an odd wording's meaning away."""
        announced, asked = (self._draw.pick(FRAMES[role]) for role in ("announce", "request"))
        if wording != "common":
            return [announced]
        return self._draw.pick(([announced], [announced, asked], [asked]))

    def _frame(self, name: str, wording: str, *, decided: bool) -> str:
        fitting = [
            frame
            for frame in FRAMES[name]
            if not (decided and _decides(frame)) and not (wording != "common" and "{act}" in frame)
        ]
        return self._draw.pick(fitting)

    def _filled(
        self, frame: str, label: str, other: str | None, *, wording: str, short: bool
    ) -> str:
        def fill(match: re.Match[str]) -> str:
            slot = match.group(1)
            if slot == "DATE":
                return self.pick.date(short=short)
            if slot.isupper():
                return self.pick.name(slot)
            if slot in DECIDING:
                owner = label
            elif other is None:
                raise ValueError(f"a notice of {label!r} with {frame!r} needs another class")
            else:
                owner = other
            if slot.endswith("act"):
                return _SLOT.sub(fill, self.pick.act(owner))
            return self.pick.cue(owner, wording if slot == "cue" else "common")

        return _SLOT.sub(fill, frame)
