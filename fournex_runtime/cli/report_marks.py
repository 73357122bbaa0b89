"""What a report marks on the curves: ticks that replay finds unequal, or where two runs part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..record.recording_difference import RecordingDifference
from ..record.verification import Divergence, Verification


@dataclasses.dataclass(frozen=True)
class Marks:
    """
    Ticks of one session that are marked.

    :param session: its name.
    :param title: what was compared.
    :param outcome: what came of it, in words.
    :param ticks: the ticks, with what differs.
    """

    session: str
    title: str
    outcome: str
    ticks: Sequence[Divergence]


def replay_marks(found: Sequence[Verification]) -> list[Marks]:
    """Return the ticks of each session that are not as recorded when they are made again."""
    return [
        Marks(
            one.session,
            'replayed',
            'every tick equal to the bit'
            if one.all_equal
            else ', '.join(
                f'{stage} {count.unequal} unequal, {count.unverifiable} unverifiable'
                for stage, count in one.stages.items()
                if not count.all_equal
            ),
            one.divergences,
        )
        for one in found
    ]


def difference_marks(found: RecordingDifference, other: str) -> list[Marks]:
    """
    Return the ticks of each session that another recording has otherwise.

    :param found: the comparison.
    :param other: the other recording, in words.
    """
    marks = []
    for one in found.sessions:
        unequal = ', '.join(
            f'{stage} {count.unequal}' for stage, count in one.stages.items() if count.unequal
        )
        words = f'{unequal} of {one.compared} ticks differ' if unequal else 'the same ticks'
        if one.only_before or one.only_after:
            words += f'; {one.only_before} only here, {one.only_after} only there'
        marks.append(Marks(one.name, f'against {other}', words, one.divergences))
    return marks
