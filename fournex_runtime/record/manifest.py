"""The manifest of a recording: with it a bag explains itself."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..pipeline.messages import Messages
from ..policy.contract import Contract
from ..policy.installed_terms import distributions
from ..session.wiring_types import SessionWiring

MANIFEST_TYPE = 'fournex_msgs/msg/Manifest'
SCHEMA = 3
"""Version of what tick records mean; ``fournex_msgs/Manifest.SCHEMA``."""

_PACKAGES = (
    'fournex_runtime',
    'numpy',
    'onnxruntime',
    'torch',
    'rosbags',
    'mcap',
    'pillow',
    'rclpy',
)
_OF_BITS = (
    'processor',
    'processor.vector',
    'machine',
    'backends',
    'package.fournex_runtime',
    'package.numpy',
    'package.onnxruntime',
    'package.pillow',
)
_OF_BITS_TOO = ('term.', 'worker.', 'variable.')
"""What of an environment can change the bits of a result."""
RECORDED_PARAMETERS = (
    'use_sim_time',
    'worker_python',
    'graph_timeout',
    'lockstep_timeout',
    'clock_timeout',
)
"""Parameters of the runtime that an environment has as ``parameter.NAME``."""
_VARIABLES = (
    'CUBLAS_WORKSPACE_CONFIG',
    'CUDA_VISIBLE_DEVICES',
    'GOMP_CPU_AFFINITY',
    'KMP_AFFINITY',
    'MKL_CBWR',
    'MKL_NUM_THREADS',
    'NUMEXPR_NUM_THREADS',
    'NVIDIA_TF32_OVERRIDE',
    'OMP_DYNAMIC',
    'OMP_NUM_THREADS',
    'OMP_PROC_BIND',
    'OMP_SCHEDULE',
    'OPENBLAS_CORETYPE',
    'OPENBLAS_NUM_THREADS',
    'PYTHONHASHSEED',
)
"""Variables that libraries compute by; those that are set are recorded."""
_VECTOR_FLAGS = ('avx', 'amx', 'fma', 'sse4', 'f16c', 'asimd', 'sve')


@dataclasses.dataclass(frozen=True)
class PolicyManifest:
    """A policy beside a session's own; see ``fournex_msgs/PolicyManifest``."""

    policy: str
    bundle: str
    bundle_sha256: str
    contract: str


def fallback_manifests(wiring: SessionWiring) -> tuple[PolicyManifest, ...]:
    """Return the second policies of a session, in the order of the wiring."""
    return tuple(
        PolicyManifest(
            policy=one.bundle.contract.reference,
            bundle=str(one.bundle.folder.resolve()),
            bundle_sha256=one.bundle.sha256,
            contract=one.bundle.contract.text,
        )
        for one in wiring.fallbacks
    )


@dataclasses.dataclass(frozen=True)
class SessionManifest:
    """What one session of a recording consists of; see ``fournex_msgs/SessionManifest``."""

    name: str
    policy: str
    bundle: str
    bundle_sha256: str
    frame_prefix: str
    contract: str
    input_topics: tuple[str, ...]
    input_types: tuple[str, ...]
    command_topics: tuple[str, ...]
    command_types: tuple[str, ...]
    tick_topic: str
    fallback_policies: tuple[PolicyManifest, ...] = ()


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a recording is; see ``fournex_msgs/Manifest``."""

    ros_ns: int
    runtime: str
    wiring_file: str
    wiring: str
    sessions: tuple[SessionManifest, ...]
    environment: Mapping[str, str]
    schema: int = SCHEMA


def environment(backends: Sequence[str], contracts: Sequence[Contract] = ()) -> dict[str, str]:
    """
    Return what of this machine and its software can change the bits of a result.

    :param backends: descriptions of the sessions' backends.
    :param contracts: of the sessions; packages whose terms they use count.
    """
    import importlib.metadata  # loads a mail library, which no start should wait for

    found = {
        'python': sys.version.split()[0],
        'platform': platform.platform(),
        'machine': platform.machine(),
        'processor': _processor('model name') or platform.processor(),
        'processor.vector': _vector_units(),
        'host': platform.node(),
        'backends': ', '.join(sorted(set(backends))),
    }
    for package in _PACKAGES:
        try:
            found[f'package.{package}'] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for kind, distribution in distributions(contracts).items():
        found[f'term.{kind}'] = distribution
    found.update(
        {f'variable.{name}': os.environ[name] for name in _VARIABLES if name in os.environ}
    )
    return found


def environment_differences(
    recorded: Mapping[str, str], here: Mapping[str, str]
) -> tuple[str, ...]:
    """
    Return which of the things that can change the bits of a result differ, in words.

    :param recorded: the environment of a recording; what it does not name is not compared.
    :param here: that of this process.
    """
    watched = [*_OF_BITS, *(key for key in recorded if key.startswith(_OF_BITS_TOO))]
    return tuple(
        f'{key}: recorded with {recorded[key]}, here {here.get(key, "none")}'
        for key in watched
        if key in recorded and recorded[key] != here.get(key)
    )


def _processor(name: str) -> str:
    """Return a field of the first processor as Linux names it; empty elsewhere."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            for line in lines:
                if line.startswith(name):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return ''


def _vector_units() -> str:
    """Return the instructions that a library may choose its arithmetic by."""
    flags = _processor('flags') or _processor('Features')
    return ' '.join(sorted(flag for flag in flags.split() if flag.startswith(_VECTOR_FLAGS)))


def encode_manifest(manifest: Manifest, messages: Messages) -> bytes:
    """Return the CDR bytes of a manifest."""
    key_value = messages.type('diagnostic_msgs/msg/KeyValue')
    message = messages.type(MANIFEST_TYPE)(
        header=messages.type('std_msgs/msg/Header')(
            stamp=messages.type('builtin_interfaces/msg/Time')(
                sec=manifest.ros_ns // 1_000_000_000, nanosec=manifest.ros_ns % 1_000_000_000
            ),
            frame_id='',
        ),
        schema=manifest.schema,
        runtime=manifest.runtime,
        wiring_file=manifest.wiring_file,
        wiring=manifest.wiring,
        sessions=[_encoded(one, messages) for one in manifest.sessions],
        environment=[
            key_value(key=key, value=value) for key, value in manifest.environment.items()
        ],
    )
    return messages.encode(message, MANIFEST_TYPE)


def _encoded(one: SessionManifest | PolicyManifest, messages: Messages) -> Any:
    """Return the message of a part of the manifest: its type has the name of the class."""
    values = {field.name: getattr(one, field.name) for field in dataclasses.fields(one)}
    for name, value in values.items():
        if isinstance(value, tuple):
            values[name] = [
                _encoded(item, messages) if isinstance(item, PolicyManifest) else item
                for item in value
            ]
    return messages.type(f'fournex_msgs/msg/{type(one).__name__}')(**values)


def decode_manifest(message: Any) -> Manifest:
    """Return the manifest that a decoded ``fournex_msgs/Manifest`` holds."""
    stamp = message.header.stamp
    return Manifest(
        ros_ns=stamp.sec * 1_000_000_000 + stamp.nanosec,
        runtime=message.runtime,
        wiring_file=message.wiring_file,
        wiring=message.wiring,
        sessions=tuple(
            _decoded(
                SessionManifest,
                one,
                fallback_policies=tuple(
                    _decoded(PolicyManifest, other) for other in one.fallback_policies
                ),
            )
            for one in message.sessions
        ),
        environment={one.key: one.value for one in message.environment},
        schema=message.schema,
    )


Part = TypeVar('Part', SessionManifest, PolicyManifest)


def _decoded(kind: type[Part], message: Any, **given: Any) -> Part:
    """Return the part of the manifest that a message holds."""
    for field in dataclasses.fields(kind):
        if field.name not in given:
            value = getattr(message, field.name)
            given[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**given)
