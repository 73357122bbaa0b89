"""The service of a runtime that has the last seconds written to disk."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger

from ..errors import FournexError
from .loop import Loop
from .run_recording import RunRecording

NAME = '~/save_recording'


class RecordingService:
    """
    ``~/save_recording``: answered on an executor's thread, done by the loop.

    :param node: the runtime's node.
    :param loop: what ticks the sessions.
    :param recording: returns the recording that there is, if there is one.
    :param group: callback group of the service.
    """

    def __init__(
        self,
        node: Node,
        loop: Loop,
        recording: Callable[[], RunRecording | None],
        group: CallbackGroup,
    ) -> None:
        self._loop = loop
        self._recording = recording
        node.create_service(Trigger, NAME, self._save, callback_group=group)

    def _save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        recording = self._recording()
        try:
            if recording is None:
                raise FournexError('nothing is being recorded')
            if not recording.ring:
                raise FournexError(
                    f'everything is recorded already, to {recording.folder}; this service is for '
                    'wirings with record: {mode: ring}'
                )
            if not self._loop.call(lambda: recording.trigger('asked for by a service call')):
                raise FournexError('the recorder has ended or is behind; nothing is saved')
            response.success = True
            response.message = str(recording.folder)
        except (FournexError, TimeoutError) as problem:
            response.message = str(problem)
        return response
