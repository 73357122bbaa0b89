"""Reads where a session looks frames up: the ``frames:`` of a wiring."""

from __future__ import annotations

from ..configuration import Section
from ..pipeline.ports import Qos, Source
from ..pipeline.told_transforms import TF_TYPE
from .wiring_inputs import SourceReader
from .wiring_types import FramesWiring

TF_DEPTH = 100
"""History depth of both topics of tf, as in tf2_ros: each has many publishers."""


def read_frames(section: Section | None, sources: SourceReader) -> FramesWiring | None:
    """
    Read ``frames:``: the topics of tf, and how old what they say may be.

    :param section: the mapping; None without one.
    :param sources: takes the topics.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return None
    # Static transforms are said once: who comes later must ask the middleware for them.
    latched = Qos('reliable', 'transient_local', TF_DEPTH)
    moving = Source(section.text('tf', '/tf'), TF_TYPE, Qos(depth=TF_DEPTH))
    static = Source(section.text('tf_static', '/tf_static'), TF_TYPE, latched)
    found = FramesWiring(
        budget_ns=section.duration_ns('budget'),
        tf=sources.add(moving, section, 'tf'),
        tf_static=sources.add(static, section, 'tf_static'),
    )
    section.finish()
    return found
