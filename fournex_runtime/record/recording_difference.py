"""
Two recordings compared: their configurations, and their ticks one by one.

Ticks belong together that have the same number in the same episode of sessions of one name. The
recordings are read once, side by side; what has no partner yet is kept.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import pathlib
from array import array
from collections.abc import Iterator, Mapping, Sequence

from ..errors import FournexError, ReplayError
from ..policy.bundle_difference import Difference
from ..policy.contract import parse_contract
from ..session.tick import Timing
from .bag_reader import BagReader
from .deviations import Deviation, SessionDeviations
from .manifest import Manifest, PolicyManifest, SessionManifest
from .manifest_difference import manifest_differences
from .named_values import ContractValues
from .recorded_configuration import read_manifest, recorded_bundle
from .recorded_ticks import RecordedTick, recorded_ticks
from .replay import Progress
from .tick_difference import STAGES, tick_differences
from .verification import MOST_DIVERGENCES, Divergence

TIMINGS = ('lateness_ns', 'take_ns', 'observe_ns', 'infer_ns', 'conclude_ns', 'publish_ns')
"""The durations whose distributions are compared; of a stage only where it was done."""
_TOLD_EVERY = 50

Key = tuple[str, int, int]
"""An episode's id, which of its name it is, and the number of a tick in it."""


@dataclasses.dataclass
class StageCount:
    """How many ticks have a stage equal and unequal, and the first of the latter."""

    equal: int = 0
    unequal: int = 0
    first: Divergence | None = None


@dataclasses.dataclass
class EpisodeDifference:
    """
    One episode in both recordings.

    :param name: its id.
    :param compared: how many ticks both have.
    :param only_before: ticks that only the first recording has.
    :param only_after: ticks that only the second one has.
    :param first: where they part: the first tick, counted in the episode, and the first stage of
        it that is not the same. Clocks alone do not count.
    """

    name: str
    compared: int = 0
    only_before: int = 0
    only_after: int = 0
    first: Divergence | None = None


class SessionDifference:
    """
    One session in both recordings.

    :param before: its part of the first manifest.
    :param after: its part of the second one.
    """

    def __init__(self, before: SessionManifest, after: SessionManifest) -> None:
        self.name = before.name
        self.compared = 0
        self.stages = {stage: StageCount() for stage in STAGES}
        self.episodes: dict[tuple[str, int], EpisodeDifference] = {}
        self.divergences: list[Divergence] = []
        """The ticks that differ in more than their times, at most ``MOST_DIVERGENCES``."""
        self.timings: Mapping[str, tuple[array[int], array[int]]] = {
            name: (array('q'), array('q')) for name in TIMINGS
        }
        self._manifest = before
        self._policies = before.policy, after.policy
        self._deviations = SessionDeviations(_values(before), _values(after))

    @property
    def deviations(self) -> Sequence[Deviation]:
        """Return how far the values are apart that are not the same."""
        return self._deviations.all

    @property
    def only_before(self) -> int:
        """Return how many ticks only the first recording has."""
        return sum(one.only_before for one in self.episodes.values())

    @property
    def only_after(self) -> int:
        """Return how many ticks only the second recording has."""
        return sum(one.only_after for one in self.episodes.values())

    @property
    def same(self) -> bool:
        """Return whether both have the same ticks, durations aside."""
        alone = self.only_before + self.only_after
        return not alone and not any(count.unequal for count in self.stages.values())

    def time(self, side: int, timing: Timing) -> None:
        """Take the durations of a tick of the first (0) or the second (1) recording."""
        for name, both in self.timings.items():
            value: int = getattr(timing, name)
            if value > 0:
                both[side].append(value)

    def compare(self, key: Key, before: RecordedTick, after: RecordedTick) -> None:
        """Compare the tick of one place in both."""
        self.compared += 1
        episode = self._episode(key)
        episode.compared += 1
        found = tick_differences(before, after, self._manifest)
        for stage, count in self.stages.items():
            if stage not in found:
                count.equal += 1
                continue
            count.unequal += 1
            if count.first is None:
                count.first = Divergence(before.record.tick, stage, found[stage])
        parted = next((stage for stage in STAGES[1:] if stage in found), '')
        if not parted:
            return
        if episode.first is None:
            episode.first = Divergence(key[2], parted, found[parted])
        if len(self.divergences) < MOST_DIVERGENCES:
            self.divergences.append(Divergence(before.record.tick, parted, found[parted]))
        self._deviate(before, after)

    def alone(self, key: Key, side: int) -> None:
        """Count a tick that only the first (0) or the second (1) recording has."""
        if side:
            self._episode(key).only_after += 1
        else:
            self._episode(key).only_before += 1

    def _episode(self, key: Key) -> EpisodeDifference:
        return self.episodes.setdefault(key[:2], EpisodeDifference(key[0]))

    def _deviate(self, before: RecordedTick, after: RecordedTick) -> None:
        ours, theirs = before.record, after.record
        policy = '' if ours.policy in ('', self._policies[0]) else ours.policy
        if policy != ('' if theirs.policy in ('', self._policies[1]) else theirs.policy):
            return  # of another policy: other numbers
        for stage, mine, other in (
            ('observation', ours.observation, theirs.observation),
            ('raw action', ours.raw_action, theirs.raw_action),
            ('state', ours.state, theirs.state),
            ('safe action', ours.safe_action, theirs.safe_action),
        ):
            self._deviations.add(policy, stage, ours.tick, mine, other)


@dataclasses.dataclass(frozen=True, eq=False)
class RecordingDifference:
    """
    What two recordings differ in.

    :param configuration: what of wiring, policies, versions and machine.
    :param sessions: the sessions that both have.
    :param problems: what is wrong with the recordings themselves, in words: one was cut off.
    """

    configuration: Sequence[Difference]
    sessions: Sequence[SessionDifference]
    problems: Sequence[str] = ()

    @property
    def same(self) -> bool:
        """Return whether they are of one configuration and have the same ticks."""
        return not self.configuration and all(one.same for one in self.sessions)


def recording_difference(
    before: pathlib.Path, after: pathlib.Path, progress: Progress | None = None
) -> RecordingDifference:
    """
    Compare two recordings.

    :param before: the first bag.
    :param after: the second one.
    :param progress: told about progress.
    :raises ReplayError: one was not recorded by Fournex, they have no session in common, or no
        tick.
    :raises RecordingError: one cannot be read.
    """
    with BagReader(before) as first, BagReader(after) as second:
        readers = (first, second)
        types = [reader.types() for reader in readers]
        manifests = [read_manifest(*pair) for pair in zip(readers, types)]
        sessions = _common(before, after, *manifests)
        total = sum(
            reader.counts.get(one.tick_topic, 0)
            for reader, manifest in zip(readers, manifests)
            for one in manifest.sessions
        )
        streams = [_keyed(recorded_ticks(*three)) for three in zip(readers, types, manifests)]
        waiting: dict[tuple[str, Key], tuple[int, RecordedTick]] = {}
        for done, (side, key, tick) in enumerate(_alternating(*streams), 1):
            session = sessions.get(tick.session)
            if progress is not None and (done % _TOLD_EVERY == 0 or done == total):
                progress(done, total)
            if session is None:
                continue
            session.time(side, tick.timing)
            place = (tick.session, key)
            other = waiting.get(place)
            if other is not None and other[0] != side:
                del waiting[place]
                session.compare(key, *((tick, other[1]) if side == 0 else (other[1], tick)))
                continue
            if other is not None:  # two ticks of one place: the recording is not as we write it
                session.alone(key, side)
            waiting[place] = (side, tick)
        for (name, key), (side, _) in waiting.items():
            sessions[name].alone(key, side)
        if not any(one.episodes for one in sessions.values()):
            raise ReplayError(f'{before} and {after} hold no tick of {", ".join(sessions)}')
        return RecordingDifference(
            manifest_differences(*manifests),
            tuple(sessions.values()),
            tuple(f'{one.path}: {one.problem}' for one in readers if one.problem),
        )


def _common(
    before: pathlib.Path, after: pathlib.Path, first: Manifest, second: Manifest
) -> dict[str, SessionDifference]:
    there = {one.name: one for one in second.sessions}
    found = {
        one.name: SessionDifference(one, there[one.name])
        for one in first.sessions
        if one.name in there
    }
    if not found:
        raise ReplayError(
            f'{before} and {after} have no session in common: the one has '
            f'{", ".join(one.name for one in first.sessions)}, the other {", ".join(there)}'
        )
    return found


def _keyed(ticks: Iterator[RecordedTick]) -> Iterator[tuple[Key, RecordedTick]]:
    """Yield each tick with its place: the second episode of a name is another one."""
    begun: collections.Counter[tuple[str, str]] = collections.Counter()
    for tick in ticks:
        episode = tick.record.episode
        known = (tick.session, episode.id) in begun
        begun[tick.session, episode.id] += tick.record.episode_start or not known
        yield (episode.id, begun[tick.session, episode.id], episode.tick), tick


def _alternating(
    first: Iterator[tuple[Key, RecordedTick]], second: Iterator[tuple[Key, RecordedTick]]
) -> Iterator[tuple[int, Key, RecordedTick]]:
    """Yield the ticks of both, one of each in turn, with the number of the recording."""
    for both in itertools.zip_longest(first, second):
        for side, one in enumerate(both):
            if one is not None:
                yield side, *one


def _values(session: SessionManifest) -> dict[str, ContractValues]:
    """Return what the numbers of a session's policies are; its own is under an empty name."""
    seconds = {one.policy: _values_of(one) for one in session.fallback_policies}
    return {**seconds, '': _values_of(session)}


def _values_of(policy: SessionManifest | PolicyManifest) -> ContractValues:
    """Return what a policy's numbers are; where its bundle is gone, as its contract says."""
    try:
        bundle = recorded_bundle(policy, None)
    except FournexError:
        return ContractValues(parse_contract(policy.contract), {})
    return ContractValues(bundle.contract, bundle.statistics)
