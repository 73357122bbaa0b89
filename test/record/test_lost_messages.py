"""Messages and tick records that are not there make ticks unverifiable, and none unequal."""

from __future__ import annotations

import contextlib
import random

import pytest
from hard_life import HardLife
from replayed_cases import CASES, wiring_of

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.recorded_configuration import read_manifest, recorded_wiring
from fournex_runtime.record.replay import load_fallbacks, load_policies
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.session.engine import Engine

TICKS, LOST = 400, 0.02
NAMES = (
    'chunks, operators',
    'narrow limits, ramp, files of 2 MB',
    'joint position targets',
    'second policy recurrent, operators',
)
CHOSEN = [case for case in CASES if case.name in NAMES and case.backend == 'onnx']


@pytest.mark.parametrize('case', CHOSEN, ids=str)
def test_what_is_lost_is_never_a_difference(case, checkout, tmp_path):
    HardLife(
        wiring_of(case, tmp_path / 'case', checkout, None), tmp_path / 'bag', 1, harder=4.0
    ).live(TICKS)
    with BagReader(tmp_path / 'bag') as reader, contextlib.ExitStack() as backends:
        types = reader.types()
        manifest = read_manifest(reader, types)
        wiring = recorded_wiring(manifest)
        ((session,), (recorded,)) = wiring.sessions, manifest.sessions
        engine = Engine(wiring.bundles[session.name], session, types)
        policy = load_policies(wiring, backends)[session.name]
        fallbacks = load_fallbacks(session, backends)
        kept = list(reader.messages())
        for number, lost in enumerate([recorded.input_topics, [recorded.tick_topic]]):
            chance = random.Random(number)
            replay = SessionReplay(recorded, engine, policy, types, fallbacks=fallbacks)
            topics = {*replay.topics}
            for one in kept:
                if one.topic in topics and (one.topic not in lost or chance.random() > LOST):
                    replay.take(one.topic, one.sequence, one.data)
            replay.finish(TICKS)
            found = replay.result
            assert found.ticks == TICKS and not found.all_equal
            assert [count.unequal for count in found.stages.values()] == [0] * 4, found
            assert found.commands.equal > TICKS / 5
