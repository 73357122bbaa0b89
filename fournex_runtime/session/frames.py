"""Where a session's frames are: its tree of transforms, tick by tick."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import MessageError
from ..pipeline.messages import Messages
from ..pipeline.transforms import TF_TYPE, Frames, FrameTree, NoFrames, TickFrames
from .tick import Received, TickInputs
from .wiring_types import FramesWiring


class SessionFrames:
    """
    The frames of a session, which keeps their tree in its state.

    :param wiring: the topics; None for a session without frames.
    :param messages: the message types.
    """

    def __init__(self, wiring: FramesWiring | None, messages: Messages) -> None:
        self._wiring = wiring
        self._messages = messages

    def updated(self, inputs: TickInputs, tree: FrameTree) -> FrameTree:
        """Return the tree with everything that a tick was given of tf."""
        if self._wiring is None:
            return tree
        tree = self._with(tree, inputs.messages[self._wiring.tf_static], fixed=True)
        return self._with(tree, inputs.messages[self._wiring.tf], fixed=False)

    def _with(self, tree: FrameTree, received: Sequence[Received], fixed: bool) -> FrameTree:
        transforms = []
        for one in received:
            try:
                transforms.extend(self._messages.decode(one.data, TF_TYPE).transforms)
            except MessageError:
                continue  # of what it would have told nothing is known; the old links grow old
        if not transforms:
            return tree
        # A record says when the newest message of a topic arrived, so that holds for them all.
        return tree.updated(transforms, received[-1].arrival_ns, fixed)

    def seen(self, inputs: TickInputs, tree: FrameTree) -> Frames:
        """Return the frames as a tick sees them."""
        if self._wiring is None:
            return NoFrames()
        return TickFrames(tree, inputs.steady_ns, inputs.ros_ns, self._wiring.budget_ns)
