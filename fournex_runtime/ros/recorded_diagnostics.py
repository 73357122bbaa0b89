"""Diagnostics as they are published, in the recording, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from ..pipeline.messages import Messages
from .run_recording import RunRecording

DIAGNOSTICS = '/diagnostics'
DIAGNOSTICS_TYPE = 'diagnostic_msgs/msg/DiagnosticArray'


class RecordedDiagnostics:
    """
    Stands in for the publisher of an updater.

    :param publisher: the updater's own.
    :param messages: the message types.
    :param recording: returns the recording that there is, if there is one.
    """

    def __init__(
        self,
        publisher: Any,
        messages: Messages,
        recording: Callable[[], RunRecording | None],
    ) -> None:
        self._publisher = publisher
        self._messages = messages
        self._recording = recording

    def publish(self, array: DiagnosticArray) -> None:
        """Publish an array, and hand it to the recording."""
        self._publisher.publish(array)
        recording = self._recording()
        if recording is not None:
            data = encode_diagnostics(array, self._messages)
            recording.later(self._publisher.topic_name, data)


def encode_diagnostics(array: DiagnosticArray, messages: Messages) -> bytes:
    """Return the CDR bytes of an array, exactly as long as they are."""
    make = messages.type
    stamp = array.header.stamp
    key_value = make('diagnostic_msgs/msg/KeyValue')
    message = make(DIAGNOSTICS_TYPE)(
        header=make('std_msgs/msg/Header')(
            stamp=make('builtin_interfaces/msg/Time')(sec=stamp.sec, nanosec=stamp.nanosec),
            frame_id=array.header.frame_id,
        ),
        status=[
            make('diagnostic_msgs/msg/DiagnosticStatus')(
                level=int.from_bytes(one.level, 'little'),
                name=one.name,
                message=one.message,
                hardware_id=one.hardware_id,
                values=[key_value(key=value.key, value=value.value) for value in one.values],
            )
            for one in array.status
        ],
    )
    return messages.encode(message, DIAGNOSTICS_TYPE)
