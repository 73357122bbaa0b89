"""What the policy of a session sees of a tick: its terms, and where their frames are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ..errors import MessageError
from ..pipeline.messages import Messages
from ..pipeline.newest_messages import NewestMessages, SourceDecoder
from ..pipeline.observation import History, LastAction, Observation, ObservationPipeline
from ..pipeline.told_transforms import Told, TransformDecoder
from ..pipeline.transforms import NO_FRAMES, Frames, FrameTree, TickFrames
from ..policy.bundle import Bundle
from .tick import Episode, Latched, Newest, Received, Request, TickInputs
from .wiring_types import FramesWiring, SessionWiring


class SessionObservation:
    """
    Makes the observations of a session, whose state has the history and the tree of frames.

    :param bundle: the policy bundle.
    :param wiring: the session's wiring.
    :param messages: the message types.
    :param decoders: of the sources.
    :param frame_prefix: put before the frame names of contract and wiring.
    :raises WiringError: a term cannot be read as it is wired.
    """

    def __init__(
        self,
        bundle: Bundle,
        wiring: SessionWiring,
        messages: Messages,
        decoders: Sequence[SourceDecoder],
        frame_prefix: str,
    ) -> None:
        self._wiring = wiring.frames
        self._decoders = decoders
        self._pipeline = ObservationPipeline(
            bundle.contract,
            wiring.sources,
            wiring.ports,
            messages,
            bundle.statistics,
            frame_prefix,
            wiring.frame_ports,
        )

    def initial_history(self) -> Mapping[str, NDArray[Any]]:
        """Return the history at the start of an episode."""
        return self._pipeline.initial_history()

    def tree(
        self, wired: FramesWiring, inputs: TickInputs, newest: Newest, before: FrameTree
    ) -> FrameTree:
        """Return where frames are, with everything that a tick was given of tf."""
        found = before
        for source, fixed in ((wired.tf_static, True), (wired.tf, False)):
            received = inputs.messages[source]
            transforms = self._transforms(source, received, newest[source])
            if transforms:
                # A record says when the newest message arrived, so that holds for them all.
                found = found.updated(transforms, received[-1].arrival_ns, fixed)
        return found

    def _transforms(
        self, source: int, received: Sequence[Received], newest: Latched | None
    ) -> list[Told]:
        """Return all transforms of some messages; whether the newest can be read is known."""
        if not received or newest is None:
            return []
        decoder = self._decoders[source]
        assert isinstance(decoder, TransformDecoder)
        found: list[Told] = []
        for one in received[:-1]:
            try:
                found.extend(decoder.transforms(one.data))
            except MessageError:
                continue  # what it would have told is not known; the links before it grow old
        if not newest.problem:
            found.extend(decoder.transforms(newest.data))
        return found

    def _frames(self, inputs: TickInputs, tree: FrameTree) -> Frames:
        """Return the frames as a tick sees them."""
        if self._wiring is None:
            return NO_FRAMES
        return TickFrames(tree, inputs.steady_ns, inputs.ros_ns, self._wiring.budget_ns)

    def made(
        self,
        inputs: TickInputs,
        newest: Newest,
        tree: FrameTree,
        last_action: LastAction,
        history: History,
        episode: Episode,
    ) -> Observation:
        """
        Return the observation of a tick; nobody can change its arrays.

        :raises NonFinite: a value is not finite.
        :raises StaleTransform: a transform is over its budget.
        :raises MessageError: a message lacks what its term needs.
        """
        frames = self._frames(inputs, tree)
        made = self._pipeline.build(
            self._seen(newest), last_action, history, episode.tick, frames, episode.seed
        )
        for arrays in (made.inputs, made.history):
            for array in arrays.values():
                array.setflags(write=False)
        return made

    def as_read(self, request: Request, last_action: LastAction) -> dict[str, NDArray[Any]]:
        """
        Return what the messages of a tick say, by observation term, before any arithmetic.

        :raises MessageError: a message lacks what its term needs.
        """
        frames = self._frames(request.inputs, request.frames)
        tick, seed = request.episode.tick, request.episode.seed
        newest = self._seen(request.latched)
        return self._pipeline.as_read(newest, last_action, tick, frames, seed)

    def unresolved(self, inputs: TickInputs, newest: Newest) -> tuple[str, ...]:
        """Return which frames a first tick would lack, of the terms whose messages have come."""
        tree = FrameTree()
        if self._wiring is not None:
            tree = self.tree(self._wiring, inputs, newest, tree)
        frames = self._frames(inputs, tree)
        return self._pipeline.unresolved(self._seen(newest), frames)

    def _seen(self, newest: Newest) -> NewestMessages:
        """Return the messages as the terms see them."""
        return NewestMessages(
            self._decoders,
            [None if one is None or one.problem else one.data for one in newest],
        )
