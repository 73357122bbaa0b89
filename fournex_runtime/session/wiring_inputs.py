"""Reads what a session samples: its sources, and the ``inputs:`` that read them."""

from __future__ import annotations

from ..configuration import Section
from ..pipeline.joint_names import JointNames
from ..pipeline.observation_terms import IN_WHICH_FRAME
from ..pipeline.ports import FramePort, Port, Qos, Source
from ..policy.contract import Contract, Term
from ..policy.installed_terms import observation_kind
from .wiring_terms import check_terms


class SourceReader:
    """Reads the topics of a session; each is one source, however often it is named."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    @property
    def all(self) -> tuple[Source, ...]:
        """Return the sources so far, in the order in which the file names them."""
        return tuple(self._sources.values())

    def read(self, section: Section) -> int:
        """
        Return the index of the source that a mapping names.

        :raises WiringError: the topic is wired in another way before.
        """
        topic = section.text('topic', expected='a topic name')
        kind = section.text('type', expected='a message type such as sensor_msgs/msg/JointState')
        source = Source(topic, kind, read_qos(section.optional_section('qos')))
        return self.add(source, section, 'topic')

    def add(self, source: Source, section: Section, key: str) -> int:
        """
        Return the index of a source, new or not.

        :param source: the source.
        :param section: where the wiring names it; for messages.
        :param key: the key there.
        :raises WiringError: the topic is wired in another way before.
        """
        other = self._sources.setdefault(source.topic, source)
        if other != source:
            raise section.problem(
                key,
                f'{source.topic} is wired as {other.type} before and as {source.type} here'
                if other.type != source.type
                else f'{source.topic} is wired with another qos before',
            )
        return list(self._sources).index(source.topic)


def read_qos(section: Section | None) -> Qos:
    """Read ``qos:``, each part of which is optional; None where it is left out."""
    if section is None:
        return Qos()
    qos = Qos(
        section.choice('reliability', ('reliable', 'best_effort'), ''),
        section.choice('durability', ('transient_local', 'volatile'), ''),
        section.integer('depth', 0),
    )
    section.finish()
    return qos


def read_ports(
    section: Section,
    contract: Contract,
    sources: SourceReader,
    names: JointNames,
    shared: Section | None = None,
) -> tuple[tuple[Port, ...], tuple[FramePort, ...]]:
    """
    Read ``inputs:``: how each observation term reads its sources, or which frame it reads.

    :param section: the mapping.
    :param contract: the contract of the session's policy.
    :param sources: takes the sources.
    :param names: what the robot calls the contract's joints.
    :param shared: entries for terms that have none of their own; those of others do not matter.
    :raises WiringError: it is not valid or does not fit the contract.
    """
    terms = [term for term in contract.observation_terms if observation_kind(term.kind).ports]
    there = [] if shared is None else [one.name for one in terms if one.name in shared]
    own = [one for one in terms if one.name not in there or one.name in section]
    if section is not shared:
        check_terms(section, contract, own, 'term')
    for term in terms:
        if term.name not in section and term.name not in there:
            raise section.problem(
                '', f'{term.name} is missing: {contract.reference} has it as term'
            )
    ports: list[Port | FramePort] = []
    for term in terms:
        ports_of = observation_kind(term.kind).ports
        one = (section if term.name in section or shared is None else shared).section(term.name)
        if ports_of == ('',):
            ports.append(_port(one, term, '', sources, names))
            continue
        ports.extend(_port(one.section(name), term, name, sources, names) for name in ports_of)
        one.finish()
    return (
        tuple(port for port in ports if isinstance(port, Port)),
        tuple(port for port in ports if isinstance(port, FramePort)),
    )


def _port(
    section: Section, term: Term, name: str, sources: SourceReader, names: JointNames
) -> Port | FramePort:
    if 'frame' in section:
        return _frame_port(section, term, name)
    port = Port(
        term=term.name,
        port=name,
        source=sources.read(section),
        field=section.text('field', ''),
        joints=section.texts('joints', ()),
        budget_ns=section.duration_ns('budget'),
        place=section.place(),
        fields=read_fields(section.optional_section('fields')),
        unit=read_unit(section, term),
        names=names,
        reference=section.text('in', ''),
    )
    section.finish()
    return port


def _frame_port(section: Section, term: Term, name: str) -> FramePort:
    if term.kind not in IN_WHICH_FRAME:
        raise section.problem(
            'frame', f'a {term.kind} is no pose; a frame can stand for a topic in '
            f'{", ".join(IN_WHICH_FRAME)}'
        )  # fmt: skip
    reference = ''
    if IN_WHICH_FRAME[term.kind]:
        reference = section.text('in', expected='the frame to see it in')
    port = FramePort(
        term=term.name,
        port=name,
        frame=section.text('frame', expected='the name of a frame'),
        reference=reference,
        place=section.place(),
    )
    section.finish()
    return port


def read_fields(section: Section | None) -> tuple[tuple[str, str], ...]:
    """Read ``fields:``, one field path a value; which values there are, the term knows."""
    if section is None:
        return ()
    return tuple((label, section.text(label, expected='a field path')) for label in section.keys())


def read_unit(section: Section, term: Term) -> str:
    """Read ``unit:``: a text as in a contract, or a mapping with one unit a value."""
    if not section.is_mapping('unit'):
        return section.text('unit', '')
    units = section.section('unit')
    found = ', '.join(units.text(label, expected='a unit') for label in term.labels)
    units.finish()
    return found
