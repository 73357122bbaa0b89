"""Session events and status as messages: plain functions from records to bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..pipeline.messages import Messages
from ..session.silence import silence_words
from ..session.tick import TickRecord
from ..worker.succession import worker_number
from .hosted import HostedSession

EVENT_TYPE = 'fournex_msgs/msg/SessionEvent'
STATUS_TYPE = 'fournex_msgs/msg/SessionStatus'


def header(messages: Messages, ros_ns: int) -> Any:
    """Return a ``std_msgs/Header`` without a frame."""
    stamp = messages.type('builtin_interfaces/msg/Time')(
        sec=ros_ns // 1_000_000_000, nanosec=ros_ns % 1_000_000_000
    )
    return messages.type('std_msgs/msg/Header')(stamp=stamp, frame_id='')


def encode_event(
    messages: Messages,
    session: str,
    kind: str,
    record: TickRecord,
    values: Sequence[tuple[str, str]],
) -> bytes:
    """Return the bytes of a ``SessionEvent`` about what a tick brought."""
    key_value = messages.type('diagnostic_msgs/msg/KeyValue')
    return messages.encode(
        messages.type(EVENT_TYPE)(
            header=header(messages, record.ros_ns),
            session=session,
            kind=kind,
            tick=record.tick,
            mode=int(record.mode),
            cause=record.cause,
            episode=record.episode.id,
            values=[key_value(key=key, value=value) for key, value in values],
        ),
        EVENT_TYPE,
    )


def encode_status(
    messages: Messages, session: HostedSession, ros_ns: int, recording: str, dropped: int
) -> bytes:
    """Return the bytes of a session's ``SessionStatus`` as it stands."""
    summary, state = session.statistics.summary(), session.state
    contract, cause, rate = session.engine.contract, state.cause, summary.rate
    silent_ns = session.statistics.silent_ns(time.monotonic_ns(), contract.period_ns)
    if silent_ns:
        cause, rate = silence_words(silent_ns, cause), 0.0
    ages = [age * 1e-9 if age >= 0 else -1.0 for age in session.ages_ns]
    return messages.encode(
        messages.type(STATUS_TYPE)(
            header=header(messages, ros_ns),
            session=session.name,
            policy=contract.reference,
            bundle_sha256=session.engine.bundle.sha256,
            chosen=state.chosen,
            acting=session.engine.reference(session.engine.acting(state)),
            mode=int(state.mode),
            cause=cause,
            ticks=summary.ticks,
            overruns=summary.overruns,
            period=contract.period_ns * 1e-9,
            rate=rate,
            lateness_p50=summary.lateness.p50,
            lateness_p99=summary.lateness.p99,
            lateness_max=summary.lateness_max,
            infer_p50=summary.stages['infer'].p50,
            infer_p99=summary.stages['infer'].p99,
            stages=[*summary.stages],
            stage_p50=np.array([one.p50 for one in summary.stages.values()]),
            stage_p99=np.array([one.p99 for one in summary.stages.values()]),
            blame=session.statistics.blame(contract.period_ns),
            inputs=[source.topic for source in session.engine.wiring.sources],
            input_ages=np.array(ages),
            episode=state.episode.id,
            episode_tick=state.episode.tick,
            episode_return=state.episode.total,
            late=summary.late,
            failed=summary.failed,
            worker=worker_number(session.acting),
            faults=summary.faults,
            recording=recording,
            recording_dropped=dropped,
        ),
        STATUS_TYPE,
    )
