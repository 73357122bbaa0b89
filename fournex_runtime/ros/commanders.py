"""Who else commands the robot."""

from __future__ import annotations

import dataclasses

from rclpy.node import Node

from ..doctor.commands import GUARD_SUFFIX, commander
from ..pipeline.ports import Target
from .endpoints import named_topic


def other_commanders(node: Node, target: Target) -> str:
    """
    Return who else commands a topic that this node commands, in words; empty when nobody does.

    Counted and not told by name, since two nodes can have one name.
    """
    if node.count_publishers(target.topic) < 2:
        return ''  # without an object for each of them
    topic = named_topic(node, target.topic)
    own = node.get_fully_qualified_name()
    known = [one for one in topic.publishers if one.node != own + GUARD_SUFFIX]
    if len(known) < 2:
        return ''
    others = tuple(one for one in known if one.node != own) or tuple(known[1:])
    return commander(f'outputs.{target.term}', dataclasses.replace(topic, publishers=others)).text
