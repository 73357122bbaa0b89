"""What a hand-written node makes of its messages: the same observation, in plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from workloads import AS_PUBLISHED, BEAMS, HEIGHT, JOINTS, LEFT, SECTORS, SIDE, WIDTH, Workload

ORDER = np.array([AS_PUBLISHED.index(name) for name in JOINTS])
BACK = np.array([JOINTS.index(name) for name in AS_PUBLISHED])
STEP = HEIGHT // SIDE


def topics(workload: Workload) -> dict[str, str]:
    """Return the topics of a workload with the names of their message classes."""
    return {
        'arm': {'joint_states': 'JointState', 'target': 'PoseStamped'},
        'scan': {'scan': 'LaserScan'},
        'camera': {'image': 'Image'},
    }[workload.kind]


def observe(kind: str, newest: dict[str, Any], last_action: np.ndarray) -> np.ndarray:
    """Return the network's input from message objects."""
    if kind == 'arm':
        joints, position = newest['joint_states'], newest['target'].pose.position
        values = (
            np.array(joints.position)[ORDER],
            np.array(joints.velocity)[ORDER] * 0.05,
            np.array(joints.effort)[ORDER] * 0.1,
            (position.x, position.y, position.z),
            last_action,
        )
        return np.concatenate(values).astype(np.float32)[np.newaxis]
    if kind == 'scan':
        ranges = np.minimum(np.array(newest['scan'].ranges), 6.0)
        sectors = ranges.reshape(SECTORS, BEAMS // SECTORS).min(axis=1)
        return np.concatenate((sectors, last_action)).astype(np.float32)[np.newaxis]
    return pixels(np.frombuffer(newest['image'].data, np.uint8))


def pixels(data: np.ndarray) -> np.ndarray:
    """Return the network's input from the bytes of an image."""
    image = data.reshape(HEIGHT, WIDTH, 3)[::STEP, LEFT : LEFT + HEIGHT : STEP]
    return np.ascontiguousarray(image.transpose(2, 0, 1))[np.newaxis]


def commanded(kind: str, action: np.ndarray) -> list[float]:
    """Return what is commanded for an action, in the robot's order."""
    values = np.clip(action, -1.0, 1.0) * 0.5
    return (values[BACK] if kind == 'arm' else values).tolist()
