"""The ROS arguments with which a recording's runtime was started, from its manifest."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from ..errors import ConfigurationError
from ..record.manifest import RECORDED_PARAMETERS, Manifest
from ..record.recorded_configuration import RecordedConfiguration, recorded_configuration
from .robot_arguments import parameter_path


def same_again(bag: pathlib.Path, renamed: bool = False) -> list[str]:
    """
    Return the ROS arguments, without ``--ros-args``, that start what a recording was made with.

    :param bag: the recording.
    :param renamed: another namespace is given: no names are taken from the recording.
    :raises ConfigurationError: its sessions were started with different frame prefixes.
    :raises FournexError: it cannot be read, or a policy bundle is not to be found.
    """
    recorded = recorded_configuration(bag)
    words = ['-p', f'like:={parameter_path(bag)}', *_parameters(recorded.manifest)]
    return words if renamed else [*words, *_names(recorded)]


def _parameters(manifest: Manifest) -> Iterator[str]:
    prefixes = {one.frame_prefix for one in manifest.sessions}
    if len(prefixes) > 1:
        raise ConfigurationError(
            f'its sessions have different frame prefixes: {", ".join(sorted(prefixes))}'
        )
    for prefix in prefixes - {''}:
        yield from ('-p', f'frame_prefix:={prefix}')
    there = manifest.environment
    for name in RECORDED_PARAMETERS:
        value = there.get(f'parameter.{name}', '')
        if not value or (name == 'worker_python' and not pathlib.Path(value).is_file()):
            continue
        yield from ('-p', f'{name}:={value.lower() if value in ("True", "False") else value}')
    overridden = [key.partition('.')[2] for key in there if key.startswith('overridden.')]
    if overridden:
        names = ', '.join(f"'{name}'" for name in sorted(overridden))
        yield from ('-p', f'override_checks:=[{names}]')


def _names(recorded: RecordedConfiguration) -> Iterator[str]:
    """Yield namespace, node name and the remappings that the topics went by."""
    namespace, _, node = recorded.manifest.runtime.rpartition('/')
    if namespace:
        yield from ('-r', f'__ns:={namespace}')
    if node != 'fournex':
        yield from ('-r', f'__node:={node}')
    remapped = {}
    wired = {one.name: one for one in recorded.wiring.sessions}
    for one in recorded.manifest.sessions:
        session = wired[one.name]
        topics = [one.topic for one in session.sources] + [one.topic for one in session.targets]
        for wired_topic, topic in zip(topics, (*one.input_topics, *one.command_topics)):
            plain = wired_topic if wired_topic.startswith('/') else f'{namespace}/{wired_topic}'
            if plain != topic:
                remapped[plain] = topic
    for plain, topic in remapped.items():
        yield from ('-r', f'{plain}:={topic}')
