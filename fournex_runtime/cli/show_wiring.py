"""A wiring file as text: what each session reads and commands, its budgets and reactions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..configuration import FOREVER_NS
from ..pipeline.ports import Port, Target
from ..policy.inference import Inference
from ..safety.limits import ORIENTATION, QUATERNION
from ..safety.reactions import Fault, Kind, Reaction, Step
from ..session.sharing import sharing
from ..session.wiring import SessionWiring, Wiring
from ..session.wiring_record import EVERYTHING, NO_LIMIT, RecordWiring
from .table import facts, number, table
from .words import bytes_text, duration, hertz, units


def show_wiring(wiring: Wiring, computed_by: Mapping[str, str]) -> str:
    """
    Return the sessions of a wiring as tables.

    :param wiring: the wiring.
    :param computed_by: by session, what computes its policy here, as far as it is known.
    """
    head = facts(
        (
            ('wiring', str(wiring.file)),
            ('robot', wiring.robot),
            ('record', _record(wiring.record)),
        )
    )
    sessions = [_session(wiring, one, computed_by.get(one.name, '')) for one in wiring.sessions]
    return '\n\n'.join([head, *sessions])


def _record(record: RecordWiring) -> str:
    """Return how recordings are made, where that is not everything into one file."""
    if record == EVERYTHING:
        return ''
    if record.ring:
        disk = ''
        if record.keep_bytes != NO_LIMIT:
            disk = f' and {bytes_text(record.keep_bytes)} of disk'
        return (
            f'the last {duration(record.keep_ns)} and {duration(record.after_ns)} after, when '
            f'something happens; at most {bytes_text(record.memory_bytes)} of memory{disk}; '
            f'{record.compression}'
        )
    words = ['everything']
    if record.split_bytes != NO_LIMIT:
        words.append(f'files of {bytes_text(record.split_bytes)}')
    if record.split_ns != FOREVER_NS:
        words.append(f'a file for each {duration(record.split_ns)}')
    if record.keep_bytes != NO_LIMIT:
        words.append(f'at most {bytes_text(record.keep_bytes)}')
    return '; '.join([*words, record.compression])


def _session(wiring: Wiring, session: SessionWiring, computed_by: str) -> str:
    bundle = wiring.bundles[session.name]
    contract = bundle.contract
    head = (
        f'session {session.name}: {contract.reference} at {hertz(contract.period_ns)}, from '
        f'{bundle.folder} ({bundle.sha256[:12]}…)'
    )
    return '\n\n'.join(
        (
            head,
            *_joint_names(session),
            _inference(session.inference, computed_by, _beside(wiring, session.name)),
            _inputs(session),
            _outputs(session),
            _limits(wiring, session),
            *_start(wiring, session),
            _reactions(session),
            *_fallbacks(session),
        )
    )


def _beside(wiring: Wiring, name: str) -> str:
    """Return the other sessions that ask the same policy."""
    (group,) = (names for names in sharing(wiring) if name in names)
    return ', '.join(other for other in group if other != name)


def _inference(inference: Inference, computed_by: str, beside: str) -> str:
    words = f'  computed by {", ".join(inference.providers)}; threads: {inference.threads}'
    if inference.isolation == 'inline':
        words += '; inline, in the process of the runtime'
    else:
        words += '; in a worker' + (f' under {inference.python}' if inference.python else '')
    if inference.cores:
        words += f' on cores {", ".join(map(str, inference.cores))}'
    if beside:
        words += f', with {beside}'
    return words + (f'\n    here {computed_by}' if computed_by else '')


def _inputs(session: SessionWiring) -> str:
    rows = []
    for index, source in enumerate(session.sources):
        ports = [port for port in session.ports if port.source == index]
        qos = (
            ', '.join(
                filter(
                    None,
                    (
                        source.qos.reliability,
                        source.qos.durability,
                        f'depth {source.qos.depth}' if source.qos.depth else '',
                    ),
                )
            )
            or 'as offered'
        )
        for first, port in enumerate(ports):
            rows.append(
                (
                    '' if first else source.topic,
                    '' if first else source.type,
                    '' if first else qos,
                    port.label,
                    _where(port),
                    duration(port.budget_ns),
                )
            )
        if session.reward is not None and session.reward[0] == index:
            rows.append((source.topic, source.type, qos, 'reward', session.reward[1], '—'))
        if session.frames is not None and index in session.tf_sources:
            age = duration(session.frames.budget_ns) if index == session.frames.tf else '—'
            rows.append((source.topic, source.type, qos, 'frames', '', age))
        for override in session.overrides:
            if override.source == index:
                words = f'commands {session.targets[override.target].topic}'
                age = f'{duration(override.timeout_ns)}, then gives back'
                name = f'override {override.name}, priority {override.priority}'
                rows.append((source.topic, source.type, qos, name, words, age))
        for stop in session.stop_topics:
            if stop.source == index:
                words = 'true stops' if stop.holds else 'every message stops'
                age = duration(stop.timeout_ns)
                rows.append((source.topic, source.type, qos, f'stop {stop.name}', words, age))
    for one in session.frame_ports:
        seen_in = f'in {one.reference}' if one.reference else ''
        rows.append((f'frame {one.frame}', '', '', one.label, seen_in, 'that of frames'))
    return '  reads\n' + table(
        ('topic', 'type', 'QoS', 'for', 'field', 'greatest age'), rows, '    '
    )


def _where(port: Port) -> str:
    """Return which fields a term is read from, in which order of joints and in which unit."""
    where = port.field or _paths(port.fields) or 'by its kind'
    joints = f' [{", ".join(port.joints)}]' if port.joints else ''
    unit = f', in {port.unit}' if port.unit else ''
    return where + joints + unit + (f', frame {port.reference}' if port.reference else '')


def _paths(fields: Sequence[tuple[str, str]]) -> str:
    return ', '.join(f'{label}: {path}' for label, path in fields)


def _detail(target: Target) -> str:
    """Return what the wiring says of a command beside its topic and type."""
    constants = (
        f'{path} = {value if isinstance(value, str) else list(value)}'
        for path, value in target.constants
    )
    after = duration(target.time_from_start_ns) if target.time_from_start_ns else ''
    parts = (
        target.field,
        _paths(target.fields),
        f'[{", ".join(target.joints)}]' if target.joints else '',
        f'in {target.unit}' if target.unit else '',
        f'rounded to the {target.rounding}' if target.rounding else '',
        *constants,
        f'frame {target.frame}' if target.frame else '',
        f'within {after}' if after else '',
    )
    return ', '.join(part for part in parts if part)


def _joint_names(session: SessionWiring) -> list[str]:
    """Return the table of the robot's joint names, if it has names of its own."""
    rows = list(session.joint_names.robot.items())
    return ['  joints\n' + table(('contract', 'robot'), rows, '    ')] if rows else []


def _start(wiring: Wiring, session: SessionWiring) -> list[str]:
    """Return how softly the policy takes over, and the start pose with its tolerance, if given."""
    found = []
    if session.soft_start_ns:
        found.append(f'  takes over softly, within {duration(session.soft_start_ns)}')
    pose = wiring.bundles[session.name].contract.start_pose
    rows = [
        (joint, number(pose[joint]), number(tolerance))
        for joint, tolerance in session.start_tolerance.items()
    ]
    header = ('joint', 'begins at', 'within')
    return [*found, '  start\n' + table(header, rows, '    ')] if rows else found


def _outputs(session: SessionWiring) -> str:
    rows = []
    for target, stop, limits in zip(session.term_targets, session.stops, session.limits):
        values = (
            'the last command again'
            if stop.values is None
            else ', '.join(
                f'{label} {number(value)}' for label, value in zip(limits.labels, stop.values)
            )
        )
        detail = _detail(target)
        rows.append((target.topic, target.type, target.term, detail, values))
    return '  commands\n' + table(('topic', 'type', 'from', 'as', 'when stopped'), rows, '    ')


def _limits(wiring: Wiring, session: SessionWiring) -> str:
    by_term = {
        term.name: units(term.unit, term.labels)
        for term in wiring.bundles[session.name].contract.action_terms
    }
    rows = [
        (
            limits.term if first == 0 else '',
            label,
            number(low),
            number(high),
            _per_second(rate),
            by_term[limits.term][first],
        )
        for limits in session.limits
        for first, (label, low, high, rate) in enumerate(
            zip(limits.labels, limits.low, limits.high, limits.rate)
        )
        if limits.turn is None or first < QUATERNION.start
    ]
    for limits in session.limits:
        if limits.turn is not None:
            rows.append((limits.term, ORIENTATION, '', '', _per_second(limits.turn), 'rad'))
    header = ('term', 'value', 'min', 'max', 'per second', 'unit')
    return '  limits\n' + table(header, rows, '    ')


def _per_second(rate: float) -> str:
    return 'unlimited' if math.isinf(rate) else number(rate)


def _reactions(session: SessionWiring) -> str:
    to = session.reactions.to
    rows = [(fault.value, _FAULTS[fault], _reaction(to[fault])) for fault in Fault]
    least = ''
    if session.command_timeout_ns < FOREVER_NS:
        longest = duration(session.command_timeout_ns)
        least = f'\n    no command is said again for longer than {longest}'
    return '  reactions\n' + table(('fault', 'when', 'then'), rows, '    ') + least


def _fallbacks(session: SessionWiring) -> list[str]:
    """Return the table of second policies, if there are any."""
    rows = [
        (
            one.name,
            one.bundle.contract.reference,
            f'{one.bundle.folder} ({one.bundle.sha256[:12]}…)',
            ', '.join(sorted({session.sources[port.source].topic for port in one.wiring.ports})),
        )
        for one in session.fallbacks
    ]
    header = ('policy', 'is', 'from', 'reads')
    return ['  second policies\n' + table(header, rows, '    ')] if rows else []


def _reaction(reaction: Reaction) -> str:
    return ', then '.join(_step(step) for step in reaction.steps)


def _step(step: Step) -> str:
    if step.kind is Kind.HOLD:
        return f'hold the last command {duration(step.duration_ns)}'
    word = 'in' if step.kind is Kind.RAMP else 'for'
    lasts = '' if step.duration_ns >= FOREVER_NS else f' {word} {duration(step.duration_ns)}'
    return f'{step}{lasts}'


_FAULTS = {
    Fault.STALE: 'an input is older than its greatest age',
    Fault.INVALID: 'an input cannot be used',
    Fault.NON_FINITE: 'an input, an action or a command is not finite',
    Fault.LATE: 'the policy did not answer in time',
    Fault.FAILED: 'the policy failed',
}
