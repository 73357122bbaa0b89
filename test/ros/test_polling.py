"""Subscriptions that are drained: what was sent comes, to the byte, small or large."""

import functools
import time
import weakref

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.recording import Recording
from fournex_runtime.ros import direct_take as direct_taking
from fournex_runtime.ros.direct_take import DirectTake, direct_take
from fournex_runtime.ros.feed import Feed
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.polling import PolledTopic

IMAGE = 'sensor_msgs/msg/Image'
QOS = QoSProfile(depth=20)


@pytest.fixture(scope='module')
def nodes():
    contexts = [rclpy.Context() for _ in range(2)]
    made = []
    for name, context in zip(('camera', 'polling'), contexts):
        rclpy.init(context=context)
        made.append(Node(name, context=context))
    yield made
    for node, context in zip(made, contexts):
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.fixture
def camera(nodes, request):
    name = request.node.name  # else what is left of the topic before would count as connected
    publisher = nodes[0].create_publisher(message_class(IMAGE), name, QOS)
    topic = PolledTopic(nodes[1], name, message_class(IMAGE), QOS)
    deadline = time.monotonic() + 30
    while not publisher.get_subscription_count() or not topic.subscription.get_publisher_count():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield publisher, topic
    topic.destroy()
    nodes[0].destroy_publisher(publisher)


def image(length, seed):
    """Return an image message with so many bytes of pixels."""
    message = messages().zero(IMAGE)
    message.data = np.random.default_rng(seed).integers(0, 256, length, np.uint8)
    return messages().encode(message, IMAGE)


def take(topic, count=1):
    """Return messages of a topic as they come."""
    deadline, found = time.monotonic() + 30, []
    while len(found) < count:
        assert time.monotonic() < deadline, f'{len(found)} of {count} messages have come'
        found += topic.take()
    return found


def test_messages_of_every_length_come_as_they_were_sent_and_stay_so(camera):
    publisher, topic = camera
    lengths = [100, 90_000, 90_000, 90_000, 300_000, 300_000, 300_000, 70_000, 70_000, 70_000]
    lengths += [10, 70_000, 70_004, 300_000, 90_000, 70_000, 120, 120, 120]
    sent, found = [], []
    for seed, length in enumerate(lengths):
        sent.append(image(length, seed))
        before_ns = time.monotonic_ns()
        publisher.publish(sent[-1])
        found += take(topic)
        assert found[-1].data == sent[-1]
        assert before_ns - 1_000_000_000 < found[-1].arrival_ns <= time.monotonic_ns()
    assert [one.data for one in found] == sent, 'none was written over'
    assert [one.index for one in found] == list(range(1, len(sent) + 1))
    assert all(type(one.data) is bytes for one in found)
    assert topic.missed == 0 and topic.take() == []


def test_several_large_ones_at_once_are_several(camera):
    publisher, topic = camera
    sent = [image(80_000, seed) for seed in range(6)]
    for one in sent[:2]:
        publisher.publish(one)
        take(topic)
    for one in sent:
        publisher.publish(one)
    assert [one.data for one in take(topic, len(sent))] == sent


def test_what_is_lost_before_it_is_taken_is_counted(camera):
    publisher, topic = camera
    publisher.publish(image(80_000, 0))
    publisher.publish(image(80_000, 1))
    take(topic, 2)
    sent = [image(80_000, seed) for seed in range(QOS.depth + 5)]
    for one in sent:
        publisher.publish(one)
    deadline = time.monotonic() + 30
    found = []
    while not found or found[-1].data != sent[-1]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        found += topic.take()
    assert topic.missed == len(sent) - len(found)


def test_the_bag_says_what_never_came_to_be_recorded(camera, tmp_path):
    publisher, topic = camera
    recording = Recording(tmp_path / 'bag', [Channel(topic.name, IMAGE)], messages=messages())
    recording.start(30.0)
    feed = Feed(topic)
    feed.record(recording.writer(0), functools.partial(recording.set_missed, 0))
    taken = feed.attach()
    sent = [image(80_000, seed) for seed in range(QOS.depth + 6)]
    for several in (sent[:1], sent[1:]):  # of the first nobody knows what came before it
        for one in several:
            publisher.publish(one)
        deadline = time.monotonic() + 30
        while not taken or taken[-1].data != several[-1]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            feed.drain()
    recording.commit()
    recording.close()
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.counts == {topic.name: len(taken)} and bag.dropped == {}
        assert bag.missed == {topic.name: len(sent) - len(taken)} and len(taken) < len(sent)


def test_of_several_publishers_nobody_knows_what_is_missing(camera, nodes):
    publisher, topic = camera
    for seed in range(5):
        publisher.publish(image(100, seed))
    take(topic, 5)
    other = nodes[0].create_publisher(message_class(IMAGE), topic.name, QOS)
    while topic.subscription.get_publisher_count() < 2:
        time.sleep(0.01)
    assert topic.missed == 0
    for seed in range(6):
        (other, publisher)[seed % 2].publish(image(100, seed))
        take(topic)
    assert topic.missed is None
    nodes[0].destroy_publisher(other)


def test_the_libraries_of_this_distribution_are_known(camera):
    _, topic = camera
    assert isinstance(direct_take(topic.subscription.handle, 80_000), DirectTake)


def test_what_took_a_topic_goes_with_it(camera):
    publisher, topic = camera
    direct = direct_take(topic.subscription.handle, 80_000)
    assert direct() is None  # there is no message, but the room for one
    publisher.publish(image(90_000, 0))  # for which the C library has to ask
    with topic.subscription.handle:
        deadline = time.monotonic() + 30
        while direct() is None:
            assert time.monotonic() < deadline
    gone = weakref.ref(direct)
    del direct
    assert gone() is None


def test_where_the_libraries_are_not_known_rclpy_takes_large_messages(camera, monkeypatch):
    monkeypatch.setattr(direct_taking, '_problem', lambda: 'as another distribution would say')
    publisher, topic = camera
    assert direct_take(topic.subscription.handle, 80_000) == 'as another distribution would say'
    sent = [image(80_000, seed) for seed in range(4)]
    for one in sent:
        publisher.publish(one)
    assert [one.data for one in take(topic, len(sent))] == sent
    publisher.publish(sent[0])
    assert [(one.index, one.data) for one in take(topic)] == [(5, sent[0])]


def test_what_there_is_to_say_of_that_is_not_said_by_who_drains(nodes, camera, monkeypatch):
    class Log:
        def __init__(self):
            self.said = []

        def say(self, log):
            self.said.append(log)

    monkeypatch.setattr(direct_taking, '_problem', lambda: 'as another distribution would say')
    publisher, first = camera
    log = Log()
    topic = PolledTopic(nodes[1], first.name, message_class(IMAGE), QOS, log)
    deadline = time.monotonic() + 30
    while publisher.get_subscription_count() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    publisher.publish(image(80_000, 0))
    take(topic)
    topic.destroy()
    assert len(log.said) == 1
