"""The picture of a run, for each robot."""

from __future__ import annotations

import struct

import pytest

from fournex_runtime.cli.picture import picture
from fournex_runtime.errors import RecordingError


@pytest.mark.parametrize(
    ('robot', 'goals'), [('rover', 2), ('arm', 2), ('pendulum', 0)], ids=lambda value: str(value)
)
def test_each_robot_has_one(fournex, tmp_path, robot, goals):
    bag = tmp_path / 'bag'
    done = fournex('evaluate', robot, '--goals', goals, '--episodes', 1, '--record', bag)
    assert done.status == 0, done.err
    out = tmp_path / 'run.png'
    picture(bag, out, robot, seed=10_000, goals=goals)
    data = out.read_bytes()
    assert data.startswith(b'\x89PNG\r\n\x1a\n')
    width, height = struct.unpack('>II', data[16:24])
    assert width > 1000
    assert height > 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bag', 'run.png']


def test_a_bag_without_ticks_is_refused(bag, rewrite, tmp_path):
    empty = rewrite(
        bag, tmp_path / 'empty', lambda one: None if one.topic.endswith('/tick') else one.data
    )
    with pytest.raises(RecordingError, match='no ticks to draw'):
        picture(empty, tmp_path / 'run.png', 'pendulum', 10_000)
