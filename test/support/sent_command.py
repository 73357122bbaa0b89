"""Action terms encoded for the robot, and read again by the rosbags library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from fournex_runtime.pipeline.command_terms import build_encoder
from fournex_runtime.pipeline.command_values import CommandPart
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.ports import Target
from fournex_runtime.policy.contract import Term, parse_contract

ROSBAGS = get_typestore(Stores.ROS2_JAZZY)
ROS_NS = 12_000_000_034


def action_term(yaml: str) -> Term:
    """Return an action term, from its keys without the braces."""
    return parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: [{{term: value, size: 1}}]}}
outputs: {{action: [{{{yaml}}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""").action_terms[0]


def part(
    yaml: str,
    kind: str,
    joints: Sequence[str] = (),
    frame: str = '',
    time_from_start_ns: int = 0,
    limits: tuple[float, float] = (-1e3, 1e3),
    **more: Any,
) -> CommandPart:
    """Return an action term with its target; mappings may stand for their items."""
    term = action_term(yaml)
    for key in ('fields', 'constants'):
        more[key] = tuple(dict(more.get(key, {})).items())
    target = Target(term.name, 'topic', kind, tuple(joints), frame, time_from_start_ns, **more)
    low, high = (np.broadcast_to(np.array(one, float), term.size) for one in limits)
    return CommandPart(term, target, low, high)


def sent(parts: Sequence[CommandPart], values: Sequence[Sequence[float]]) -> Any:
    """Return the message of several terms, read by the rosbags library."""
    data = build_encoder(parts, messages())([np.array(one, float) for one in values], ROS_NS)
    assert data[:2] == b'\x00\x01'  # little endian
    kind = parts[0].target.type
    if kind not in ROSBAGS.fielddefs:  # a type of the environment
        messages().ensure(kind)
        return messages().typestore.deserialize_cdr(data, kind)
    return ROSBAGS.deserialize_cdr(data, kind)


def encoded(yaml: str, kind: str, values: Sequence[float], **target: Any) -> Any:
    """Return the message of one term; see :func:`part` for its target."""
    return sent([part(yaml, kind, **target)], [values])


def stamp_ns(message: Any) -> int:
    """Return the stamp of a message."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
