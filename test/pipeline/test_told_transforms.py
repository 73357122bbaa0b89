"""Transforms out of the bytes of messages are those of the messages as objects."""

import numpy as np
import pytest
from ros_messages import make
from tf_messages import transforms

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import Messages, messages
from fournex_runtime.pipeline.told_transforms import TF_TYPE, TransformDecoder, told


class CountedMessages(Messages):
    """Message types that count what they decode."""

    decoded = 0

    def decode(self, data, name):
        """Return the message; see the base."""
        self.decoded += 1
        return super().decode(data, name)


def sent(generator, number, links, little_endian=True):
    """Return a message of one of several nodes, each with frames of its own."""
    told_now = [
        (
            f'node_{number}/frame_{link}',
            f'node_{number}/frame_{link + 1}',
            tuple(generator.normal(size=3).tolist()),
            tuple(generator.normal(size=4).tolist()),
        )
        for link in range(links)
    ]
    made = make(TF_TYPE, transforms=transforms(*told_now, stamp_ns=int(generator.integers(2**60))))
    types = messages().typestore
    return bytes(types.serialize_cdr(made, TF_TYPE, little_endian=little_endian))


def test_nodes_that_take_turns_are_read_from_bytes_with_the_same_bits():
    generator, types = np.random.default_rng(5), CountedMessages()
    decoder = TransformDecoder(types)
    nodes = ((0, 1), (1, 3), (2, 30), (3, 3))  # two have messages of one size
    for turn in range(40):
        number, links = nodes[turn % len(nodes)]
        data = sent(generator, number, links)
        expected = told(messages().decode(data, TF_TYPE).transforms)
        assert decoder.transforms(data) == expected
        assert [*map(repr, decoder.transforms(data))] == [*map(repr, expected)]  # -0.0 is not 0.0
    assert types.decoded == len(nodes)


@pytest.mark.parametrize('change', ['other order of bytes', 'no transforms', 'too many'])
def test_what_is_out_of_the_ordinary_is_read_all_the_same(change):
    generator, decoder = np.random.default_rng(6), TransformDecoder(messages())
    links = {'no transforms': 0, 'too many': 700}.get(change, 2)
    for _ in range(3):
        data = sent(generator, 0, links, little_endian=change != 'other order of bytes')
        assert decoder.transforms(data) == told(messages().decode(data, TF_TYPE).transforms)


def test_messages_that_never_come_twice_are_no_longer_looked_at():
    generator, decoder = np.random.default_rng(7), TransformDecoder(messages())
    for number in range(200):
        data = sent(generator, number, 1)
        assert decoder.transforms(data) == told(messages().decode(data, TF_TYPE).transforms)


def test_bytes_that_are_no_message_are_refused_each_time():
    generator, decoder = np.random.default_rng(8), TransformDecoder(messages())
    data = sent(generator, 0, 2)
    decoder.check(data)
    for _ in range(2):
        with pytest.raises(MessageError, match=TF_TYPE):
            decoder.check(data[:-20])
