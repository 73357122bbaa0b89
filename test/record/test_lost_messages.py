"""Messages and tick records that are not there make ticks unverifiable, and none unequal."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable

import pytest
from hard_life import HardLife
from replayed_cases import CASES, Case, wiring_of

from fournex_runtime.record.bag_reader import BagReader, RecordedMessage
from fournex_runtime.record.manifest import SessionManifest
from fournex_runtime.record.recorded_configuration import read_manifest, recorded_wiring
from fournex_runtime.record.replay import load_fallbacks, load_policies
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.record.verification import Verification
from fournex_runtime.session.engine import Engine

TICKS, LOST = 400, 0.02
NAMES = (
    'chunks, operators',
    'narrow limits, ramp, files of 2 MB',
    'joint position targets',
    'second policy recurrent, late answers used, operators',
)
CHOSEN = [case for case in CASES if case.name in NAMES and case.backend == 'onnx']
SOFT = (
    'narrow limits, ramp, files of 2 MB',
    'second policy recurrent, late answers used, operators',
)
SOFT_TICKS = 19
"""In the 20th tick of 20 ms the policy commands alone."""


def softly(case: Case, time: str) -> Case:
    """Return a case in which the policy takes over little by little."""
    soft = ('    reward:', f'    soft_start: {time}\n    reward:')
    return dataclasses.replace(case, wiring=(*case.wiring, soft))


def replayed(
    bag, ticks: int, lost: Callable[[SessionManifest, RecordedMessage], bool]
) -> Verification:
    """Return what a replay of a session finds without the messages of which ``lost`` is true."""
    with BagReader(bag) as reader, contextlib.ExitStack() as backends:
        types = reader.types()
        manifest = read_manifest(reader, types)
        wiring = recorded_wiring(manifest)
        ((session,), (recorded,)) = wiring.sessions, manifest.sessions
        engine = Engine(wiring.bundles[session.name], session, types)
        policy = load_policies(wiring, backends)[session.name]
        fallbacks = load_fallbacks(session, backends)
        replay = SessionReplay(recorded, engine, policy, types, fallbacks=fallbacks)
        topics = {*replay.topics}
        for one in reader.messages():
            if one.topic in topics and not lost(recorded, one):
                replay.take(one.topic, one.sequence, one.data)
        replay.finish(ticks)
        return replay.result


@pytest.mark.parametrize('case', CHOSEN, ids=str)
def test_what_is_lost_is_never_a_difference(case, checkout, tmp_path):
    if case.name in SOFT:
        case = softly(case, '100 ms')
    wiring = wiring_of(case, tmp_path / 'case', checkout, None)
    HardLife(wiring, tmp_path / 'bag', 1, harder=4.0).live(TICKS)
    for number, inputs in enumerate((True, False)):
        chance = random.Random(number)

        def lost(recorded, one, chance=chance, inputs=inputs):
            of = recorded.input_topics if inputs else [recorded.tick_topic]
            return one.topic in of and chance.random() <= LOST

        found = replayed(tmp_path / 'bag', TICKS, lost)
        assert found.ticks == TICKS and not found.all_equal
        assert [count.unequal for count in found.stages.values()] == [0] * 4, found
        assert found.commands.equal > TICKS / 5


def test_a_soft_start_from_a_message_that_is_lost(checkout, tmp_path):
    """The first tick takes over where the first message says that the robot is."""
    (case,) = (one for one in CHOSEN if one.robot == 'arm')
    wiring = wiring_of(softly(case, '400 ms'), tmp_path / 'case', checkout, None)
    HardLife(wiring, tmp_path / 'bag', harder=0.0).live(60)
    assert replayed(tmp_path / 'bag', 60, lambda recorded, one: False).all_equal

    found = replayed(
        tmp_path / 'bag',
        60,
        lambda recorded, one: one.topic == '/joint_states' and one.sequence == 1,
    )
    assert [count.unequal for count in found.stages.values()] == [0] * 4, found
    assert '/joint_states' in found.first_difference
    for count in (found.safe_actions, found.commands):
        assert SOFT_TICKS <= count.unverifiable <= SOFT_TICKS + 2
