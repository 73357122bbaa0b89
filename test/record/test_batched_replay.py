"""A tick that was asked in a batch is asked again in a batch of that size, in that row."""

import numpy as np
from ros_messages import joint_state
from tiny_session import CONTRACT, PERIOD_NS, make_engine

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.manifest import SessionManifest
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.record.tick_record import TickCodec
from fournex_runtime.session.tick import Answer, AnswerKind, Received, TickInputs, Timing

TICKS = 12
TOPICS = ('/joint_states', '/reward')
MANIFEST = SessionManifest(
    'tiny', 'tiny@1', '', '', '', CONTRACT, TOPICS, (), ('/commands',), (), '/tick'
)


class Policy:
    """Gives other last bits for every size of a batch and every row of it, as libraries may."""

    description = 'a formula'

    def run(self, inputs, state):
        return self.run_batch([(inputs, state)])[0]

    def run_batch(self, requests):
        size = len(requests)
        return [
            None if one is None else self._answer(*one, np.float32(size + row / 10))
            for row, one in enumerate(requests)
        ]

    def _answer(self, inputs, state, bits):
        action = inputs['obs'][:, :2] * np.float32(0.1) + bits * np.float32(1e-6)
        return {'action': action}, {'h': state['h'] + action}


def batch_of(tick):
    """Return size and row of a tick's batch: by itself now and then."""
    return (0, 0) if tick % 4 == 0 else (4, tick % 4)


def replayed(told=batch_of):
    """Record a run, with what is told of its batches, and replay it."""
    engine, policy = make_engine(), Policy()
    state = engine.initial_state()
    codec = TickCodec(messages(), 'tiny', TOPICS, ('/commands',))
    replay = SessionReplay(MANIFEST, make_engine(), policy, messages())
    for tick in range(TICKS):
        now_ns = 1_000_000_000 + tick * PERIOD_NS
        data = joint_state(['a', 'b'], [0.1 + 0.01 * tick, 0.2], now_ns)
        received = (Received(tick + 1, now_ns, data),)
        request = engine.observe(TickInputs((received, ()), now_ns, now_ns, now_ns), state)
        arguments = (request.observation.inputs, request.recurrent)
        size, row = batch_of(tick)
        rows = [None] * row + [arguments] + [None] * (max(size, 1) - row - 1)
        answer = Answer(AnswerKind.RESULT, *policy.run_batch(rows)[row])
        record, state = engine.conclude(request, answer, state)
        size, row = told(tick)
        replay.take('/joint_states', tick + 1, data)
        replay.take('/commands', tick + 1, record.commands[0])
        timing = Timing(batch_size=size, batch_row=row)
        replay.take('/tick', tick, codec.encode(record, timing))
    replay.finish()
    return replay.result


def test_every_tick_is_equal():
    result = replayed()
    assert result.ticks == TICKS and result.all_equal, result.first_difference


def test_in_another_row_it_would_not_be():
    result = replayed(lambda tick: (4, 0) if tick % 4 else (0, 0))
    assert result.raw_actions.unequal == TICKS * 3 // 4


def test_a_batch_that_there_cannot_have_been_is_a_difference():
    for impossible in ((4, 4), (2**32 - 1, 1)):
        result = replayed(lambda tick, one=impossible: one if tick == 5 else batch_of(tick))
        assert result.raw_actions.unequal == 1
        size, row = impossible
        words = f'tick 5: recorded as row {row} of a batch of {size}, which none can be'
        assert result.first_difference == words
