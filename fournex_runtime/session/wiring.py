"""
The wiring: where this robot has what the policies want (``wiring.yaml``).

It belongs to the robot and knows no network. A wiring names one or more sessions; each is checked
against the contract of its policy bundle when it is read, so that a wiring in hand is one that
fits.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

from ..configuration import Section, nearest, parse, parse_number, read_text
from ..errors import WiringError
from ..pipeline.command_terms import SHARED_TYPES
from ..pipeline.ports import Port, Qos, Source, Target
from ..policy.bundle import Bundle, load_bundle
from ..policy.contract import Contract, Term
from ..policy.term_kinds import OBSERVATION_KINDS
from ..safety.gate import Limits
from ..safety.reactions import Fault, Reaction, parse_reaction

_MOVES_WHEN_HELD = ('twist', 'joint_velocity_target')
_PLACES = ('joint_position_target', 'pose_target')


@dataclasses.dataclass(frozen=True)
class StopCommand:
    """
    What is commanded by one action term when the session stops.

    :param values: in the unit of the action term; None: the last safe command once more.
    """

    values: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class SessionWiring:
    """
    The wiring of one session.

    :param name: its name in the wiring.
    :param sources: the topics that it samples, each once.
    :param ports: how the observation terms read them.
    :param targets: the command topics, each once, by the first term that goes there.
    :param term_targets: where each action term goes, in the contract's order.
    :param stops: the stop command of each action term, same order.
    :param limits: the limits of each action term, same order.
    :param reactions: what happens on each kind of fault.
    :param reward: index of the source of the reward, and its field; None without one.
    :param lockstep: indices of the sources that must carry one stamp, the trigger first; empty
        for a session that is paced by its period.
    """

    name: str
    sources: tuple[Source, ...]
    ports: tuple[Port, ...]
    targets: tuple[Target, ...]
    term_targets: tuple[Target, ...]
    stops: tuple[StopCommand, ...]
    limits: tuple[Limits, ...]
    reactions: Mapping[Fault, Reaction]
    reward: tuple[int, str] | None
    lockstep: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Wiring:
    """
    A whole wiring file with the policy bundles that it names.

    :param file: where it was read from.
    :param robot: name of the robot.
    :param sessions: the wirings of its sessions, in the order of the file.
    :param bundles: the policy bundle of each session, by session name.
    :param text: the file, whole.
    """

    file: pathlib.Path
    robot: str
    sessions: tuple[SessionWiring, ...]
    bundles: Mapping[str, Bundle]
    text: str


def load_wiring(file: pathlib.Path, bundle: pathlib.Path | None = None) -> Wiring:
    """
    Read a wiring file, load its policy bundles and check one against the other.

    :param file: the wiring file; the bundles that it names are relative to it.
    :param bundle: take this bundle for every session instead.
    :raises WiringError: the file is not valid or does not fit a contract.
    :raises BundleError: a bundle is missing or altered.
    :raises ContractError: a bundle's contract is not valid.
    """
    text = read_text(file, WiringError)
    return _read(parse(text, str(file), WiringError), file, text, bundle)


def parse_wiring(text: str, file: pathlib.Path, bundles: Mapping[str, Bundle]) -> Wiring:
    """
    Read a wiring from its text, for instance from the manifest of a recording.

    :param text: the wiring.
    :param file: its name for messages.
    :param bundles: the policy bundle of each session.
    :raises WiringError: it is not valid or does not fit a contract.
    """
    return _read(parse(text, str(file), WiringError), file, text, None, bundles)


def _read(
    section: Section,
    file: pathlib.Path,
    text: str,
    bundle: pathlib.Path | None,
    known: Mapping[str, Bundle] | None = None,
) -> Wiring:
    robot = section.text('robot')
    sessions_section = section.section('sessions')
    section.finish()
    sessions: list[SessionWiring] = []
    bundles: dict[str, Bundle] = {}
    for name in sessions_section.keys():
        if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
            raise sessions_section.problem(
                name, f'{name!r} cannot be part of a topic name; use letters, digits and _'
            )
        one = sessions_section.section(name)
        policy = one.text('policy', expected='the folder of a policy bundle')
        if known is not None and name in known:
            bundles[name] = known[name]
        else:
            bundles[name] = load_bundle(bundle or file.parent / policy)
        session = _SessionReader(name, one, bundles[name].contract).read()
        _check_beside(session, sessions, sessions_section)
        sessions.append(session)
    if not sessions:
        raise section.problem('sessions', 'expected at least one session')
    return Wiring(file, robot, tuple(sessions), bundles, text)


def _check_beside(
    session: SessionWiring, others: Sequence[SessionWiring], section: Section
) -> None:
    """Refuse two sessions that fight over a topic."""
    for other in others:
        commanded = {target.topic for target in other.targets}
        for target in session.targets:
            if target.topic in commanded:
                raise section.problem(
                    session.name,
                    f'{target.topic} is commanded by session {other.name} too; two sessions on '
                    'one command topic fight over the robot',
                )
        wired = {source.topic: source for source in other.sources}
        for source in session.sources:
            if wired.get(source.topic, source) != source:
                raise section.problem(
                    session.name,
                    f'{source.topic} is wired as {source.type}; session {other.name} has it as '
                    f'{wired[source.topic].type}, or with another qos',
                )


class _SessionReader:
    """Reads the wiring of one session against its contract."""

    def __init__(self, name: str, section: Section, contract: Contract) -> None:
        self._name = name
        self._section = section
        self._contract = contract
        self._sources: list[Source] = []
        self._source_index: dict[str, int] = {}

    def read(self) -> SessionWiring:
        section = self._section
        ports = self._ports()
        targets, stops = self._targets()
        found = SessionWiring(
            name=self._name,
            sources=(),
            ports=ports,
            targets=_one_a_topic(targets),
            term_targets=targets,
            stops=stops,
            limits=self._limits(),
            reactions=self._reactions(),
            reward=self._reward(),
            lockstep=self._lockstep(),
        )
        section.finish()
        return dataclasses.replace(found, sources=tuple(self._sources))

    def _source(self, section: Section) -> int:
        """Return the index of the source that a mapping names, adding it when it is new."""
        topic = section.text('topic', expected='a topic name')
        kind = section.text('type', expected='a message type such as sensor_msgs/msg/JointState')
        qos = section.optional_section('qos')
        fixed = Qos()
        if qos is not None:
            fixed = Qos(
                qos.choice('reliability', ('reliable', 'best_effort'), ''),
                qos.choice('durability', ('transient_local', 'volatile'), ''),
                qos.integer('depth', 0),
            )
            qos.finish()
        source = Source(topic, kind, fixed)
        if topic not in self._source_index:
            self._source_index[topic] = len(self._sources)
            self._sources.append(source)
        index = self._source_index[topic]
        if self._sources[index] != source:
            other = self._sources[index]
            raise section.problem(
                'topic',
                f'{topic} is wired as {other.type} before and as {kind} here'
                if other.type != kind
                else f'{topic} is wired with another qos before',
            )
        return index

    def _ports(self) -> tuple[Port, ...]:
        section = self._section.section('inputs')
        terms = {
            term.name: term
            for term in self._contract.observation_terms
            if OBSERVATION_KINDS[term.kind].ports
        }
        self._check_terms(section, terms, 'term')
        ports = []
        for term in terms.values():
            names = OBSERVATION_KINDS[term.kind].ports
            one = section.section(term.name)
            if names == ('',):
                ports.append(self._port(one, term, ''))
                continue
            ports.extend(self._port(one.section(name), term, name) for name in names)
            one.finish()
        return tuple(ports)

    def _check_terms(self, section: Section, terms: Mapping[str, Term], what: str) -> None:
        reference = self._contract.reference
        for key in section.keys():
            if key not in terms:
                raise section.problem(
                    key,
                    f'the contract {reference} has no such {what}.' + nearest(key, list(terms)),
                )
        for name in terms:
            if name not in section:
                raise section.problem('', f'{name} is missing: {reference} has it as {what}')

    def _port(self, section: Section, term: Term, name: str) -> Port:
        port = Port(
            term=term.name,
            port=name,
            source=self._source(section),
            field=section.text('field', ''),
            joints=section.texts('joints', ()),
            budget_ns=section.duration_ns('budget'),
            place=section.place(),
        )
        section.finish()
        return port

    def _targets(self) -> tuple[tuple[Target, ...], tuple[StopCommand, ...]]:
        section = self._section.section('outputs')
        terms = {term.name: term for term in self._contract.action_terms}
        self._check_terms(section, terms, 'action term')
        targets: list[Target] = []
        stops: list[StopCommand] = []
        for term in terms.values():
            one = section.section(term.name)
            target = Target(
                term=term.name,
                topic=one.text('topic', expected='a topic name'),
                type=one.text('type', expected='a message type'),
                joints=one.texts('joints', ()),
                frame=one.text('frame', ''),
                time_from_start_ns=self._time_from_start_ns(one),
                place=one.place(),
            )
            self._check_shared(one, target, targets)
            targets.append(target)
            stops.append(self._stop(one, term))
            one.finish()
        return tuple(targets), tuple(stops)

    def _check_shared(self, section: Section, target: Target, before: Sequence[Target]) -> None:
        """Refuse a second term on a topic, unless one message can carry both."""
        other = next((one for one in before if one.topic == target.topic), None)
        if other is None:
            return
        if target.type not in SHARED_TYPES:
            raise section.problem('topic', f'{target.topic} is commanded by two action terms')
        if dataclasses.replace(target, term=other.term) != other:
            raise section.problem(
                'topic',
                f'{target.topic} is shared with {other.term}: expected the same type, frame and '
                'time_from_start there',
            )

    def _time_from_start_ns(self, section: Section) -> int:
        if 'time_from_start' not in section:
            return 0
        found = section.duration_ns('time_from_start')
        if found >= 2**31 * 1_000_000_000:  # the seconds of builtin_interfaces/Duration are int32
            raise section.problem('time_from_start', 'expected a duration such as 60 ms')
        return found

    def _stop(self, section: Section, term: Term) -> StopCommand:
        """Read the stop command; a word that would keep or set this robot moving is refused."""
        if section.is_mapping('stop'):
            values = section.section('stop')
            found = StopCommand(tuple(values.number(label) for label in term.labels))
            values.finish()
            return found
        word = section.choice('stop', ('zero', 'hold'))
        if word == 'hold' and term.command in _MOVES_WHEN_HELD:
            message = f'hold would keep a {term.command} moving; write zero, or a value for each'
            raise section.problem('stop', message)
        if word == 'zero' and term.command in _PLACES:
            message = 'zero is a position to move to; write hold, or a value for each'
            raise section.problem('stop', message)
        return StopCommand((0.0,) * term.size if word == 'zero' else None)

    def _limits(self) -> tuple[Limits, ...]:
        section = self._section.section('limits')
        terms = {term.name: term for term in self._contract.action_terms}
        self._check_terms(section, terms, 'action term')
        found = tuple(
            self._term_limits(section.section(name), term) for name, term in terms.items()
        )
        section.finish()
        return found

    def _term_limits(self, section: Section, term: Term) -> Limits:
        """Read the limits of a term; a value's own come before those of ``all``."""
        everyone = section.optional_section('all')
        low, high, rate = [], [], []
        for label in term.labels:
            own = section.optional_section(label)
            low.append(self._limit(section, own, everyone, label, 'min'))
            high.append(self._limit(section, own, everyone, label, 'max'))
            rate.append(self._limit(section, own, everyone, label, 'rate'))
            if low[-1] >= high[-1]:
                raise section.problem(label, f'min {low[-1]} is not below max {high[-1]}')
            if rate[-1] <= 0.0:
                raise section.problem(label, f'rate {rate[-1]} is not above 0')
            if own is not None:
                own.finish()
        if everyone is not None:
            everyone.finish()
        section.finish()
        return Limits(term.name, term.labels, tuple(low), tuple(high), tuple(rate))

    def _limit(
        self, section: Section, own: Section | None, everyone: Section | None, label: str, key: str
    ) -> float:
        for place in (own, everyone):
            if place is not None and key in place:
                if key == 'rate':
                    return place.parsed(key, _parse_rate, 'a number per second or unlimited')
                return place.number(key)
        raise section.problem(
            '',
            f'{label} has no {key}: give it under {label}: or under all:'
            + (' (a change per second, or unlimited)' if key == 'rate' else ''),
        )

    def _reactions(self) -> dict[Fault, Reaction]:
        section = self._section.section('reactions')
        expected = '"stop" or "hold 100 ms then stop"'
        default = section.parsed('default', parse_reaction, expected)
        found = {
            fault: section.parsed(fault.value, parse_reaction, expected, default)
            for fault in Fault
        }
        section.finish()
        return found

    def _reward(self) -> tuple[int, str] | None:
        section = self._section.optional_section('reward')
        if section is None:
            return None
        found = (self._source(section), section.text('field', 'data'))
        section.finish()
        return found

    def _lockstep(self) -> tuple[int, ...]:
        """Read ``pacing: {lockstep: TOPIC, with: [TOPIC, …]}``."""
        section = self._section.optional_section('pacing')
        if section is None:
            return ()
        topics = (
            section.text('lockstep', expected='the topic that triggers a tick'),
            *section.texts('with', ()),
        )
        for key, topic in zip(('lockstep', *['with'] * len(topics)), topics):
            if topic not in self._source_index:
                raise section.problem(
                    key,
                    f'{topic} is no topic of this session.'
                    + nearest(topic, list(self._source_index)),
                )
        section.finish()
        return tuple(self._source_index[topic] for topic in topics)


def _one_a_topic(targets: Sequence[Target]) -> tuple[Target, ...]:
    first: dict[str, Target] = {}
    for target in targets:
        first.setdefault(target.topic, target)
    return tuple(first.values())


def _parse_rate(text: str) -> float:
    return float('inf') if text == 'unlimited' else parse_number(text)
