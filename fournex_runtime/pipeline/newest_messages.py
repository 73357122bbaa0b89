"""The newest messages of a session's topics: as bytes, and as objects where somebody needs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .message_layout import MessageLayout, message_layout
from .messages import Messages

_TRIES = 16
"""So many layouts in a row that fit no second message, and no further one is looked for."""


class SourceDecoder:
    """
    Decodes the messages of one topic, as far as it must.

    What it remembers saves time and changes nothing: it is a function of a message's bytes.

    :param messages: the message types.
    :param kind: the type of the topic.
    """

    def __init__(self, messages: Messages, kind: str) -> None:
        self._messages = messages
        self._kind = kind
        self._layout: MessageLayout | None = None
        self._tries = _TRIES
        self._checked: bytes | None = None
        self._decoded: bytes | None = None
        self._message: Any = None

    def check(self, data: bytes) -> None:
        """
        Look at a message for the first time.

        :raises MessageError: the bytes are not a message of the type.
        """
        layout = self._layout
        if layout is not None and layout.fits(data):
            self._tries = _TRIES
        else:
            self._layout = self._checked = None
            self.message(data)
            if self._tries:
                self._tries -= 1
                self._layout = message_layout(self._messages, self._kind, data)
        self._checked = data

    def layout(self, data: bytes) -> MessageLayout | None:
        """
        Return how a message is laid out; None where that is not known.

        :raises MessageError: the bytes are not a message of the type.
        """
        if data is not self._checked:
            self.check(data)
        return self._layout

    def message(self, data: bytes) -> Any:
        """
        Return a message as an object.

        :raises MessageError: the bytes are not a message of the type.
        """
        if data is not self._decoded:
            self._message = self._messages.decode(data, self._kind)
            self._decoded = data
        return self._message


class NewestMessages(Sequence[Any]):
    """
    The newest message of each source as an object, which it becomes when it is asked for.

    :param decoders: of the sources.
    :param data: the bytes; None where there is no message, or none that can be decoded.
    """

    __slots__ = ('_decoders', 'data')

    def __init__(self, decoders: Sequence[SourceDecoder], data: Sequence[bytes | None]) -> None:
        self._decoders = decoders
        self.data = data

    def layout(self, source: int) -> MessageLayout | None:
        """Return how the message of a source is laid out; None where that is not known."""
        data = self.data[source]
        return None if data is None else self._decoders[source].layout(data)

    def __getitem__(self, source: Any) -> Any:
        """Return the message of a source; None where there is none."""
        data = self.data[source]
        return None if data is None else self._decoders[source].message(data)

    def __len__(self) -> int:
        """Return how many sources there are."""
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        """Return every message."""
        return (self[source] for source in range(len(self.data)))
