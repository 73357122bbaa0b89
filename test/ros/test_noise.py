"""A policy that samples: on a live robot its noise comes from the seed of the episode."""

from __future__ import annotations

import numpy as np
import pytest
from trembling_policy import trembling_bundle

from fournex_msgs.srv import ResetEpisode
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.noise import noise
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick


@pytest.fixture
def trembling(tmp_path):
    return trembling_bundle(tmp_path / 'trembling')


def test_noise_is_that_of_the_recorded_seed_and_is_replayed_to_the_bit(
    robot, runtime, trembling, tmp_path
):
    side = robot()
    process = runtime(bundle=trembling, record=tmp_path / 'runs', seed=7)
    side.wait_for_commands(10)
    for _ in range(2):
        request = ResetEpisode.Request(seed=5)
        assert side.call(ResetEpisode, '/fournex/reset_episode', request).success
        side.wait_for_commands(15)
    process.signal(2)
    assert process.wait(10) == 0

    (bag,) = (tmp_path / 'runs').iterdir()
    episodes: dict[str, list] = {}
    with BagReader(bag) as reader:
        for message in reader.messages(['/fournex/pendulum/tick']):
            tick = decode_tick(messages().decode(message.data, TICK_TYPE))
            if tick.raw_action:
                episodes.setdefault(tick.episode.id, []).append(tick)
    first, second, third = episodes.values()
    assert first[0].episode.seed == 7, 'that of the parameter'
    assert second[0].episode.seed == third[0].episode.seed == 5
    for ticks in (first, second, third):
        for one in ticks:
            right = noise(one.episode.seed, 'noise', one.episode.tick, 1, 'normal')
            found = one.raw_action['action'][0]
            assert found.tobytes() == right.astype(np.float32).tobytes()
    # By their numbers: on a busy machine an answer may be late, and is not there then.
    drawn = [{one.episode.tick: one.raw_action['action'][0, 0] for one in ticks[:15]}
             for ticks in (second, third)]  # fmt: skip
    both = [(drawn[0][tick], drawn[1][tick]) for tick in drawn[0] if tick in drawn[1]]
    assert len({*both}) >= 8
    assert all(one == other for one, other in both)
    (verification,) = verify(bag)
    assert verification.all_equal, verification
