"""Reads the wiring of one session against the contract of its policy."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from ..configuration import Section, nearest
from ..policy.bundle import Bundle
from ..policy.contract import Contract
from ..policy.inference import Inference, read_inference
from ..safety.reactions import STOP, Fault, Reaction, Reactions
from .wiring_fallback import Ports, read_fallbacks
from .wiring_frames import read_frames
from .wiring_inputs import SourceReader, read_ports
from .wiring_joints import read_joint_names
from .wiring_limits import read_limits
from .wiring_operators import read_overrides, read_stop_topics
from .wiring_outputs import one_a_topic, read_targets
from .wiring_reactions import (
    read_command_timeout_ns,
    read_poses,
    read_reactions,
    read_soft_start_ns,
    why_not_softly,
)
from .wiring_types import Fallback, SessionWiring
from .wiring_urdf import Robot


class SessionReader:
    """
    Reads the wiring of one session.

    :param name: its name.
    :param section: its mapping in the file.
    :param contract: the contract of its policy.
    :param folder: what paths in it are relative to.
    :param fallbacks: the bundles of its second policies, by their names.
    :param threads: how many their libraries may use unless ``inference:`` says otherwise.
    """

    def __init__(
        self,
        name: str,
        section: Section,
        contract: Contract,
        folder: pathlib.Path,
        fallbacks: Mapping[str, Bundle],
        threads: int = 1,
    ) -> None:
        self._name = name
        self._section = section
        self._contract = contract
        self._folder = folder
        self._fallbacks = fallbacks
        self._threads = threads
        self._sources = SourceReader()
        self.read_of_urdfs: list[tuple[int, int, str]] = []
        """What was read of other files, and which part of the text it stands for."""

    def read(self) -> SessionWiring:
        """
        Return the wiring.

        :raises WiringError: it is not valid or does not fit the contract.
        """
        section = self._section
        names = read_joint_names(section.optional_section('joint_names'), self._contract)
        ports, frame_ports = read_ports(
            section.section('inputs'), self._contract, self._sources, names
        )
        robot = Robot(self._folder, names, self.read_of_urdfs)
        targets, stops = read_targets(section.section('outputs'), self._contract, names)
        limits = read_limits(section.section('limits'), self._contract, robot)
        seconds = read_fallbacks(
            section,
            self._contract,
            self._fallbacks,
            self._sources,
            names,
            self._folder,
            self._threads,
        )
        reactions = read_reactions(section.section('reactions'), list(seconds))
        poses = read_poses(section.optional_section('poses'), self._contract)
        soft_start_ns = read_soft_start_ns(section, self._contract)
        reward = self._reward()
        lockstep, phase = self._pacing()
        inference = read_inference(
            section.optional_section('inference'),
            self._folder,
            self._contract.artifact.backend,
            self._contract.period_ns,
            self._threads,
        )
        start_tolerance = self._start_tolerance()
        frames = read_frames(section.optional_section('frames'), self._sources)
        framed = [*frame_ports, *(one for _, ports, _ in seconds.values() for one in ports[1])]
        if framed and frames is None:
            raise section.problem(
                'frames', f'is missing: {framed[0].label} is a frame to be looked up; '
                'expected {budget: 200 ms} or another age'
            )  # fmt: skip
        commanded = one_a_topic(targets)
        overrides = read_overrides(section.optional_section('overrides'), commanded, self._sources)
        stop_topics = read_stop_topics(section.optional_section('stop_topics'), self._sources)
        timeout_ns = read_command_timeout_ns(section, reactions, overrides)
        section.finish()
        wiring = SessionWiring(
            name=self._name,
            sources=self._sources.all,
            ports=ports,
            targets=commanded,
            term_targets=targets,
            stops=stops,
            limits=limits,
            reactions=reactions,
            reward=reward,
            lockstep=lockstep,
            phase=phase,
            joint_names=names,
            inference=inference,
            start_tolerance=start_tolerance,
            frame_ports=frame_ports,
            frames=frames,
            poses=poses,
            soft_start_ns=soft_start_ns,
            command_timeout_ns=timeout_ns,
            overrides=overrides,
            stop_topics=stop_topics,
        )
        return dataclasses.replace(
            wiring,
            fallbacks=tuple(_fallback(one, wiring, *second) for one, second in seconds.items()),
        )

    def _reward(self) -> tuple[int, str] | None:
        section = self._section.optional_section('reward')
        if section is None:
            return None
        found = (self._sources.read(section), section.text('field', 'data'))
        section.finish()
        return found

    def _pacing(self) -> tuple[tuple[int, ...], tuple[int, int] | None]:
        """Read ``{lockstep: TOPIC, with: [TOPIC, …]}`` or ``{phase: TOPIC, after: DURATION}``."""
        section = self._section.optional_section('pacing')
        if section is None:
            return (), None
        if 'phase' in section:
            source = self._source(section, 'phase', section.text('phase'))
            after_ns = section.duration_ns('after')
            if not 0 <= after_ns < self._contract.period_ns:
                raise section.problem(
                    'after',
                    'expected less than the period of the contract, '
                    f'{self._contract.period_ns / 1e6:g} ms',
                )
            section.finish()
            return (), (source, after_ns)
        topics = (
            section.text('lockstep', expected='the topic that triggers a tick'),
            *section.texts('with', ()),
        )
        keys = ('lockstep', *['with'] * len(topics))
        lockstep = tuple(self._source(section, *pair) for pair in zip(keys, topics))
        section.finish()
        return lockstep, None

    def _source(self, section: Section, key: str, topic: str) -> int:
        known = [source.topic for source in self._sources.all]
        if topic not in known:
            raise section.problem(
                key, f'{topic} is no topic of this session.' + nearest(topic, known)
            )
        return known.index(topic)

    def _start_tolerance(self) -> dict[str, float]:
        """Read ``start: {tolerance: 0.2}``, or one number a joint with ``all`` for the others."""
        section = self._section.optional_section('start')
        if section is None:
            return {}
        pose = self._contract.start_pose
        if not pose:
            raise section.problem(
                'tolerance', f'the contract {self._contract.reference} has no start_pose'
            )
        if not section.is_mapping('tolerance'):
            one = section.number('tolerance')
            found = dict.fromkeys(pose, one)
        else:
            given = section.section('tolerance')
            everyone = given.number('all') if 'all' in given else None
            found = {joint: given.number(joint, everyone) for joint in pose}
            given.finish()
        section.finish()
        for joint, tolerance in found.items():
            if tolerance <= 0.0:
                raise section.problem('tolerance', f'{joint}: {tolerance} is not above 0')
        return found


def _fallback(
    name: str, wiring: SessionWiring, bundle: Bundle, ports: Ports, inference: Inference
) -> Fallback:
    """Return a second policy, wired to what it sees and commands, and without reactions."""
    unchoosable = why_not_softly(bundle.contract) if wiring.soft_start_ns else ''
    own = dataclasses.replace(
        wiring,
        ports=ports[0],
        frame_ports=ports[1],
        inference=inference,
        reactions=Reactions(dict.fromkeys(Fault, Reaction((STOP,)))),
        reward=None,
        lockstep=(),
        phase=None,
        start_tolerance={},
        poses={},
        soft_start_ns=0 if unchoosable else wiring.soft_start_ns,
        overrides=(),
        stop_topics=(),
    )
    return Fallback(name, bundle, own, unchoosable)
