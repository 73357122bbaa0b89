"""A session that plays chunks is re-run to the bit, and finds its way again after a gap."""

import numpy as np
import pytest
from ros_messages import joint_state
from tiny_session import CONTRACT, PERIOD_NS, edited, make_engine

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.manifest import SessionManifest
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.record.tick_record import TickCodec
from fournex_runtime.session.tick import Answer, AnswerKind, Received, TickInputs, Timing

CHUNKED = edited(
    CONTRACT, ('outputs:\n', 'chunk: {size: 4, step: 40 ms, execute: 2, interpolation: linear}\n'
               'outputs:\n'))  # fmt: skip
TICKS = 30
TOPICS = ('/joint_states', '/reward')
MANIFEST = SessionManifest(
    'tiny', 'tiny@1', '', '', '', CHUNKED, TOPICS, (), ('/commands',), (), '/tick'
)


class Policy:
    """A policy that is a formula of what it sees and remembers."""

    description = 'a formula'

    def run(self, inputs, state):
        seen, h = inputs['obs'][0], state['h']
        rows = np.outer(np.arange(1.0, 5.0), seen[:2] * 0.1 + h[0] * 0.01).astype(np.float32)
        return {'action': rows[np.newaxis]}, {'h': (h + seen[2:4]).astype(np.float32)}


def recorded(missing=(), altered=lambda tick, data: data):
    """Yield what a bag would hold, as topic, number and bytes."""
    engine, policy = make_engine(CHUNKED), Policy()
    state = engine.initial_state()
    codec = TickCodec(messages(), 'tiny', TOPICS, ('/commands',))
    asked = 0
    for tick in range(TICKS):
        now_ns = 1_000_000_000 + tick * PERIOD_NS
        data = joint_state(['a', 'b'], [0.1 + 0.01 * tick, 0.2], now_ns)
        yield '/joint_states', tick + 1, data
        received = (Received(tick + 1, now_ns, data),)
        request = engine.observe(TickInputs((received, ()), now_ns, now_ns, now_ns), state)
        answer = Answer(AnswerKind.NONE)
        if request.observation is not None:
            asked += 1
            found = policy.run(request.observation.inputs, request.recurrent)
            answer = Answer(AnswerKind.RESULT, *found)
        record, state = engine.conclude(request, answer, state)
        yield '/commands', tick + 1, altered(tick, record.commands[0])
        if tick not in missing:
            yield '/tick', tick, codec.encode(record, Timing())
    assert asked == -(-TICKS // 4)


def replayed(**options):
    replay = SessionReplay(MANIFEST, make_engine(CHUNKED), Policy(), messages())
    for topic, number, data in recorded(**options):
        replay.take(topic, number, data)
    replay.finish()
    return replay.result


def test_every_tick_of_every_chunk_is_equal():
    result = replayed()
    assert result.ticks == TICKS and result.all_equal, result.first_difference


def test_a_command_in_the_middle_of_a_chunk_is_judged():
    result = replayed(altered=lambda tick, data: data[:-1] + b'\x7f' if tick == 9 else data)
    assert result.commands.unequal == 1
    assert result.first_difference == 'tick 9: the command on /commands has other bytes'


@pytest.mark.parametrize('missing', [(8,), (9,), (7, 8, 9, 10)])
def test_a_gap_makes_ticks_unverifiable_and_none_unequal(missing):
    result = replayed(missing=missing)
    counts = result.stages.values()
    assert [count.unequal for count in counts] == [0] * 4, result.first_difference
    assert result.commands.unverifiable < 16
    assert result.commands.equal > 14
