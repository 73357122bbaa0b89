"""Where frames are, by everything that a survey has of tf."""

from __future__ import annotations

from ..configuration import FOREVER_NS
from ..errors import MessageError
from ..pipeline.told_transforms import TF_TYPE, told
from ..pipeline.transforms import NO_FRAMES, Frames, FrameTree, TickFrames
from .survey import Case, Survey


def surveyed_frames(case: Case, survey: Survey) -> Frames:
    """Return the frames at the end of a survey; how old they may be is left to the session."""
    wired = case.wiring.frames
    if wired is None:
        return NO_FRAMES
    tree = FrameTree()
    for source, fixed in ((wired.tf_static, True), (wired.tf, False)):
        for sample in survey.topics[case.wiring.sources[source].topic].samples:
            if sample.data is None:
                continue
            try:
                transforms = told(case.messages.decode(sample.data, TF_TYPE).transforms)
            except MessageError:
                continue  # told by the check of types
            tree = tree.updated(transforms, sample.arrival_ns, fixed)
    return TickFrames(tree, survey.end_ns, survey.end_ns, FOREVER_NS)
