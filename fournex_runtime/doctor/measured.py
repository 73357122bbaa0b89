"""What the terms of a session read from the messages of a survey, in the contract's units."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError, UnresolvedFrame
from ..pipeline.observation import LastAction, NonFinite, ObservationPipeline
from ..pipeline.ports import Port
from ..pipeline.transforms import Frames
from ..policy.contract import ArrayLayout, Contract, Term
from .frames import surveyed_frames
from .survey import Case, Sample, Survey

READINGS = 1000
"""How many readings of a term are made of the messages of a survey; evenly spread beyond."""


@dataclasses.dataclass(frozen=True)
class Readings:
    """
    What one term read.

    :param term: the term.
    :param ports: where it reads.
    :param times_ns: arrival of the newest message of each reading, steady clock.
    :param values: in the contract's unit, before offset, clip and scale; shape (readings, size).
    :param unreadable: why the first message that could not be read could not.
    :param non_finite: what the first message with a value that is not finite had.
    :param unresolved: which frame was not known for the first message that needed one.
    """

    term: Term
    ports: tuple[Port, ...]
    times_ns: tuple[int, ...]
    values: NDArray[np.float64]
    unreadable: str = ''
    non_finite: str = ''
    unresolved: str = ''

    @property
    def subject(self) -> str:
        """Return the term as the wiring has it."""
        return f'inputs.{self.term.name}'


def read_terms(case: Case, survey: Survey) -> dict[str, Readings]:
    """Return what each term reads that has a message on each of its topics, by its name."""
    decoded = [_decoded(case, survey, source) for source in range(len(case.wiring.sources))]
    frames = surveyed_frames(case, survey)
    found = {}
    for term in case.contract.observation_terms:
        ports = tuple(port for port in case.wiring.ports if port.term == term.name)
        if ports and all(decoded[port.source] for port in ports):
            found[term.name] = _read(case, term, ports, decoded, frames)
    return found


def unresolved_frames(case: Case, survey: Survey) -> list[str]:
    """Return what is not known of terms that are frames and nothing else, in words."""
    frames = surveyed_frames(case, survey)
    read = {port.term for port in case.wiring.ports}
    framed = {port.term for port in case.wiring.frame_ports}
    terms = [one for one in case.contract.observation_terms if one.name in framed - read]
    return [
        words for term in terms for words in _bare_pipeline(case, term, ()).unresolved((), frames)
    ]


def _decoded(case: Case, survey: Survey, source: int) -> list[tuple[Sample, Any]]:
    """Return the messages of a source with their samples; what is none of its type is a text."""
    wired = case.wiring.sources[source]
    topic = survey.topics[wired.topic]
    if any(one.type != wired.type for one in topic.publishers):
        return []  # bytes of another type may decode to nonsense
    kept = [one for one in topic.samples if one.data is not None]
    if len(kept) > READINGS:
        kept = [kept[index] for index in np.linspace(0, len(kept) - 1, READINGS).astype(int)]
    found: list[tuple[Sample, Any]] = []
    for one in kept:
        assert one.data is not None
        try:
            found.append((one, case.messages.decode(one.data, wired.type)))
        except MessageError as problem:
            found.append((one, f'{topic.name}: {problem}'))
    return found


def _read(
    case: Case,
    term: Term,
    ports: Sequence[Port],
    decoded: Sequence[list[tuple[Sample, Any]]],
    frames: Frames,
) -> Readings:
    """Read a term once for each message that came, with the newest of its other ports."""
    sources = sorted({port.source for port in ports})
    arrivals = {source: [one.arrival_ns for one, _ in decoded[source]] for source in sources}
    moments = sorted({time for times in arrivals.values() for time in times})
    begin = max(times[0] for times in arrivals.values())
    pipeline = _bare_pipeline(case, term, ports)
    nothing = LastAction(np.zeros(0), np.zeros(0))
    times: list[int] = []
    rows: list[NDArray[np.float64]] = []
    unreadable = non_finite = unresolved = ''
    for now in moments:
        if now < begin:
            continue
        newest: list[Any] = [None] * len(case.wiring.sources)
        for source in sources:
            newest[source] = decoded[source][bisect.bisect_right(arrivals[source], now) - 1][1]
        broken = next((one for one in newest if isinstance(one, str)), None)
        if broken is not None:
            unreadable = unreadable or broken
            continue
        try:
            values = pipeline.build(newest, nothing, {}, frames=frames).inputs[term.name]
        except NonFinite as problem:
            non_finite = non_finite or str(problem)
        except UnresolvedFrame as problem:
            unresolved = unresolved or str(problem)
        except MessageError as problem:
            unreadable = unreadable or str(problem)
        else:
            times.append(now)
            rows.append(np.asarray(values, np.float64).ravel())
    size = math.prod(term.shape) if term.shape else term.size
    stacked = np.array(rows).reshape(len(rows), size)
    return Readings(term, tuple(ports), tuple(times), stacked, unreadable, non_finite, unresolved)


def _bare_pipeline(case: Case, term: Term, ports: Sequence[Port]) -> ObservationPipeline:
    """Return what reads one term and does no arithmetic on it."""
    channels = len(term.scale)
    bare = dataclasses.replace(
        term,
        clip=((-math.inf,) * len(term.clip[0]), (math.inf,) * len(term.clip[1])),
        scale=(1.0,) * channels,
        offset=(0.0,) * channels,
        history=1,
    )
    shape = term.shape or (term.size,)
    contract: Contract = dataclasses.replace(
        case.contract,
        inputs={term.name: (bare,)},
        input_layouts={term.name: ArrayLayout(shape, 'float64', batch=False, frame=shape)},
        normalisation=(),
    )
    return ObservationPipeline(
        contract,
        case.wiring.sources,
        ports,
        case.messages,
        {},
        case.frame_prefix,
        [port for port in case.wiring.frame_ports if port.term == term.name],
    )


def adjusted(term: Term, values: NDArray[np.float64], clip: bool = True) -> NDArray[np.float64]:
    """Return values after the term's offset, clip and scale, as the policy has them."""
    moved = values - np.array(term.offset)
    if clip:
        moved = np.clip(moved, np.array(term.clip[0]), np.array(term.clip[1]))
    scaled: NDArray[np.float64] = moved * np.array(term.scale)
    return scaled


def joint_readings(readings: Mapping[str, Readings], kind: str) -> list[Readings]:
    """Return the readings of the joint terms of a kind that have any."""
    return [one for one in readings.values() if one.term.kind == kind and len(one.values)]
