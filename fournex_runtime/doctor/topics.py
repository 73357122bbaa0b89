"""Topics: is somebody there, with that type, and can the two connect."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from ..configuration import FOREVER_NS
from ..pipeline.ports import Qos, Source
from .finding import Finding, failure, passed, warning
from .survey import Case, Endpoint, Survey, Topic

_LISTED = 8


def subject(case: Case, source: int) -> str:
    """Return what a source is for, as the wiring has it: ``inputs.A, B``, for instance."""
    labels = [port.label for port in case.wiring.ports if port.source == source]
    if labels:
        return f'inputs.{", ".join(labels)}'
    return case.wiring.beside(source)


def budget_ns(case: Case, source: int) -> int:
    """Return the least budget of those who read a source; forever where nobody waits for it."""
    ports = [port.budget_ns for port in case.wiring.ports if port.source == source]
    return min(ports, default=FOREVER_NS)


def check_topics(case: Case, survey: Survey) -> list[Finding]:
    """Compare the sources of a session with the publishers of the graph."""
    found: list[Finding] = []
    for index, source in enumerate(case.wiring.sources):
        about, topic = subject(case, index), survey.topics[source.topic]
        needed = index in case.wiring.needed
        if not topic.publishers:
            if about != 'frames':  # a frame that is missing is told by its term
                found.append(_nobody(about, source, topic, survey, needed))
            continue
        publishers = ', '.join(sorted(one.node for one in topic.publishers))
        found.append(passed('topic', about, f'{topic.name}, published by {publishers}'))
        others = check_offer(about, source, topic)
        found += others
        if not any(one.check == 'type' for one in others):
            found.append(passed('type', about, source.type))
        if about != 'frames':
            found.append(_single(about, topic))
    return found


def _nobody(about: str, source: Source, topic: Topic, survey: Survey, needed: bool) -> Finding:
    what = f'nobody publishes {topic.name} ({source.type})'
    if not needed:
        return warning('topic', about, f'{what} yet; the policy does not need it')
    near = nearest_topic(topic.name, source.type, survey.published)
    if not near:
        there = [
            f'{name} ({", ".join(types)})' for name, types in sorted(survey.published.items())
        ]
        more = f' and {len(there) - _LISTED} more' if len(there) > _LISTED else ''
        near = f'. Published here: {", ".join(there[:_LISTED]) or "nothing"}{more}'
    return failure('topic', about, what + near, _START)


_START = 'Start the robot, mend the topic in the wiring, or remap it'


def nearest_topic(name: str, kind: str, there: Mapping[str, tuple[str, ...]]) -> str:
    """Return which topic may have been meant, of that type if there is one; empty for none."""
    alike = [topic for topic, types in there.items() if kind in types]
    for choice in (alike, list(there)):
        close = difflib.get_close_matches(name, choice, n=1, cutoff=0.6)
        if close:
            return f'. Did you mean {close[0]} ({", ".join(there[close[0]])})?'
    if alike:
        return f'. Of that type there is {", ".join(sorted(alike))}'
    return ''


def check_offer(about: str, source: Source, topic: Topic) -> list[Finding]:
    """Compare type and quality of service of the publishers with what the wiring asks for."""
    for offer in topic.publishers:
        if offer.type != source.type:
            return [
                failure(
                    'type',
                    about,
                    f'{topic.name} is published as {offer.type} by {offer.node}, wired as '
                    f'{source.type}',
                    f'Write type: {offer.type}, or another topic',
                )
            ]
    request = requested_qos(source.qos, topic.publishers)
    for offer in topic.publishers:
        lacking = qos_mismatch(offered=offer, requested=request)
        if lacking:
            return [
                failure(
                    'qos',
                    about,
                    f'{topic.name}: the wiring asks for {lacking}, as {offer.node} publishes it',
                    'Leave qos: out to take what is offered',
                )
            ]
    words = f'{request.reliability.replace("_", " ")}, {request.durability.replace("_", " ")}'
    return [passed('qos', about, words)]


def requested_qos(fixed: Qos, offers: Sequence[Endpoint]) -> Qos:
    """
    Return what to subscribe with: what is offered, unless the wiring fixes it.

    Reliable only where every publisher offers it, transient local likewise; without a publisher
    what matches every offer.
    """
    reliable = bool(offers) and all(one.reliability == 'reliable' for one in offers)
    latched = bool(offers) and all(one.durability == 'transient_local' for one in offers)
    return Qos(
        reliability=fixed.reliability or ('reliable' if reliable else 'best_effort'),
        durability=fixed.durability or ('transient_local' if latched else 'volatile'),
        depth=fixed.depth,
    )


def qos_mismatch(offered: Endpoint | Qos, requested: Endpoint | Qos) -> str:
    """Return what is asked for and not offered, as "this, not that"; empty when all is."""
    if (requested.reliability, offered.reliability) == ('reliable', 'best_effort'):
        return 'reliable delivery, not best effort'
    if (requested.durability, offered.durability) == ('transient_local', 'volatile'):
        return 'transient local durability, not volatile'
    return ''


def _single(about: str, topic: Topic) -> Finding:
    if len(topic.publishers) < 2:
        return passed('publishers', about, f'{topic.publishers[0].node} alone')
    names = ', '.join(sorted(one.node for one in topic.publishers))
    return warning(
        'publishers',
        about,
        f'{topic.name} has {len(topic.publishers)} publishers ({names}); the policy sees the '
        'messages of each in turn',
        'End the one that does not belong to the robot (a simulator, a GUI, a played bag)',
    )
