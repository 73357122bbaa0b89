"""What a tick of a hosted session is at each of its stages, and where its results go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from ..immutable import immutable
from ..session.tick import Request, TickRecord, Timing
from .run_recording import Write


@dataclasses.dataclass(frozen=True)
class Outlets:
    """
    Where a hosted session's results go.

    :param commands: publish and record the bytes of a command; one for each target.
    :param record: takes the bytes of a tick record and its number, from 1; None: no recording.
    :param event: takes kind, record and values of something that happened once.
    """

    commands: Sequence[Write]
    record: Write | None
    event: Callable[[str, TickRecord, Sequence[tuple[str, str]]], None]


@immutable
class Due:
    """
    The release of a tick.

    :param ns: when it was scheduled, on the clock that paces the session; in lockstep the stamp
        of the synchronised inputs, which then is the time of everything in the tick.
    :param lateness_ns: how late the tick begins.
    :param skipped: releases skipped before this one.
    :param wait_ns: how long the loop waited for it.
    """

    ns: int
    lateness_ns: int = 0
    skipped: int = 0
    wait_ns: int = 0


@immutable
class Begun:
    """A tick that has been given its inputs and waits for the policy's answer."""

    due: Due
    request: Request
    begin_ns: int
    sampled_ns: int
    decoded_ns: int
    observed_ns: int


@immutable
class Concluded:
    """A tick whose commands are out, and that is yet to be counted and recorded."""

    record: TickRecord
    timing: Timing
    begun: Begun
