"""Observations made term by term, and out of the bytes of the messages: the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.newest_messages import NewestMessages, SourceDecoder
from fournex_runtime.pipeline.observation import Observation, ObservationPipeline


def build_both_ways(
    pipeline: ObservationPipeline,
    types: Sequence[str],
    data: Sequence[bytes],
    *more: Any,
    **named: Any,
) -> Observation:
    """
    Return what a pipeline makes of messages, having made it of their bytes, too.

    :param types: of the messages.
    :param data: the messages; a first one of each layout, and then one that is laid out alike.
    """
    decoders = [SourceDecoder(messages(), kind) for kind in types]
    again = [bytes(bytearray(one)) for one in data]
    objects = [messages().decode(one, kind) for one, kind in zip(data, types)]
    term_by_term = outcome(pipeline, objects, *more, **named)
    for one in (data, again):
        of_bytes = outcome(pipeline, NewestMessages(decoders, one), *more, **named)
        assert plain(of_bytes) == plain(term_by_term)
    if isinstance(term_by_term, MessageError):
        raise term_by_term
    return term_by_term


def outcome(pipeline: ObservationPipeline, *more: Any, **named: Any) -> Observation | MessageError:
    """Return what a pipeline makes of messages, or why it makes nothing."""
    try:
        return pipeline.build(*more, **named)
    except MessageError as problem:
        return problem


def plain(found: Observation | MessageError) -> Any:
    """Return an outcome as what can be compared bit by bit."""
    if isinstance(found, MessageError):
        return type(found), str(found)
    return [
        [(name, one.dtype.str, one.shape, one.tobytes()) for name, one in arrays.items()]
        for arrays in (found.inputs, found.history)
    ]
