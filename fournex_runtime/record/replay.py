"""
Re-running a recording tick by tick, and comparing bit for bit.

Each tick is made again from the raw input messages of the bag by the same ``observe`` and
``conclude`` that ran live (``record/session_replay.py``). What cannot be judged, because a message
or the tick before is not in the bag, counts as unverifiable, never as equal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from ..errors import ReplayError
from ..policy.backend import Backend, load_backend
from ..policy.bundle import Bundle
from ..policy.inference import Inference
from ..session.engine import Engine
from ..session.sharing import sharing
from ..session.wiring_types import SessionWiring, Wiring
from ..worker.succession import describe_interpreter
from .bag_reader import BagReader
from .manifest import environment, environment_differences
from .recorded_configuration import read_manifest, recorded_wiring
from .selection import ALL_TICKS, Selection
from .session_replay import ReplayedTick, SessionReplay
from .verification import Verification

ANSWER_TIMEOUT_S = 10.0
"""How long a policy in a worker may take; a replay is in no hurry."""

Progress = Callable[[int, int], None]
"""Takes the ticks verified so far and the ticks in the bag."""


class BagConsumer(Protocol):
    """What runs the ticks of one session again."""

    @property
    def topics(self) -> Iterator[str]:
        """Return every topic that it needs."""
        ...

    def take(self, topic: str, sequence: int, data: bytes) -> None:
        """Take one message of the bag."""
        ...


def verify(
    bag: pathlib.Path,
    bundles: Mapping[str, pathlib.Path] | None = None,
    progress: Progress | None = None,
    selection: Selection = ALL_TICKS,
    watch: Callable[[ReplayedTick], None] | None = None,
) -> list[Verification]:
    """
    Re-run the ticks of a recording.

    :param bag: folder of the bag, or an ``.mcap`` file.
    :param bundles: where the policy bundle of a session is, if not where it was recorded.
    :param progress: told about progress.
    :param selection: which ticks to judge.
    :param watch: told about each of these ticks.
    :returns: one verification a session.
    :raises ReplayError: the bag has no manifest or none of the ticks, or its bundle is not to be
        found.
    :raises RecordingError: the bag cannot be read.
    """
    with BagReader(bag) as reader, known_definitions(reader), contextlib.ExitStack() as backends:
        types = reader.types()
        manifest = read_manifest(reader, types)
        wiring = recorded_wiring(manifest, bundles)
        found = wiring.bundles
        wired = {one.name: one for one in wiring.sessions}
        policies = load_policies(wiring, backends)
        sessions = {
            one.tick_topic: SessionReplay(
                one,
                Engine(found[one.name], wired[one.name], types, one.frame_prefix),
                policies[one.name],
                types,
                selection,
                watch,
                load_fallbacks(wired[one.name], backends),
            )
            for one in manifest.sessions
        }
        run_through(reader, sessions, progress)
        for one in manifest.sessions:
            replay = sessions[one.tick_topic]
            replay.finish(reader.made(one.tick_topic))
            contract = found[one.name].contract
            here = environment([replay.backend.description], [contract])
            here[f'worker.{one.name}'] = describe_interpreter(replay.backend)
            replay.result.environment = environment_differences(manifest.environment, here)
        results = [replay.result for replay in sessions.values()]
        for result in results:
            if result.ticks == 0 and selection == ALL_TICKS:
                raise ReplayError(f'{bag}: holds no tick of session {result.session}')
        if not any(result.ticks for result in results):
            counts = ', '.join(
                f'{replay.result.session}: {replay.span}' for replay in sessions.values()
            )
            raise ReplayError(f'{bag}: holds none of {selection}; it has {counts}')
        return results


def load_policies(wiring: Wiring, backends: contextlib.ExitStack) -> dict[str, Backend]:
    """Load the policy of each session; sessions that asked one together do so again."""
    found = {}
    wired = {one.name: one for one in wiring.sessions}
    for names in sharing(wiring):
        inference = dataclasses.replace(wired[names[0]].inference, rows=len(names))
        policy = load_policy(wiring.bundles[names[0]], inference, backends)
        found.update(dict.fromkeys(names, policy))
    return found


def load_fallbacks(wiring: SessionWiring, backends: contextlib.ExitStack) -> dict[str, Backend]:
    """Load the second policies of a session, by the reference of their contract."""
    return {
        one.bundle.contract.reference: load_policy(one.bundle, one.wiring.inference, backends)
        for one in wiring.fallbacks
    }


def load_policy(bundle: Bundle, inference: Inference, backends: contextlib.ExitStack) -> Backend:
    """Load a policy; it is closed with the others."""
    backend = load_backend(bundle, inference.on_another_machine(), ANSWER_TIMEOUT_S)
    backends.callback(backend.close)
    return backend


@contextlib.contextmanager
def known_definitions(reader: BagReader) -> Iterator[None]:
    """
    Name the definitions of a bag that are not those known here, where that ends a replay.

    :param reader: the bag.
    :raises ReplayError: the messages in it lack what this version works with.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError) as problem:
        others = reader.other_definitions()
        if not others:
            raise
        raise ReplayError(
            f'{reader.path}: cannot be run again: its definition of {", ".join(others)} is not '
            f'the one that this version of Fournex works with ({problem})'
        ) from problem


def run_through(
    reader: BagReader, sessions: Mapping[str, BagConsumer], progress: Progress | None
) -> None:
    """
    Hand the messages of a bag to those who run its ticks again.

    :param reader: the bag.
    :param sessions: who takes the ticks of a topic, and what these need.
    :param progress: told about progress.
    """
    total = sum(count for topic, count in reader.counts.items() if topic in sessions)
    done = 0
    takers: dict[str, list[BagConsumer]] = {}
    for replay in sessions.values():
        for topic in dict.fromkeys(replay.topics):
            takers.setdefault(topic, []).append(replay)
    present = [channel.topic for channel in reader.channels if channel.topic in takers]
    for message in reader.messages(present):
        for replay in takers[message.topic]:
            replay.take(message.topic, message.sequence, message.data)
        if message.topic in sessions:
            done += 1
            if progress is not None and (done % 50 == 0 or done == total):
                progress(done, total)
