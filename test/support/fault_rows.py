"""Every fault that is injected into a running robot: one row each in ``docs/faults.md``."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """
    One fault.

    :param key: by which a test injects it.
    :param fault: what happens.
    :param noticed: how it is noticed.
    :param bound: within what time at the latest.
    :param reaction: what the session does.
    :param shown: the counter or the words that show it.
    :param words: what the cause or the log says of it; empty where nothing does.
    :param ends: the mode in which it leaves the session: ``policy`` or ``stopped``.
    :param afterwards: likewise in words, where it is no mode.
    :param ends_recording: the session is activated anew before the next one.
    :param every_change: injected for every change, and not only by ``make soak``.
    """

    key: str
    fault: str
    noticed: str
    bound: str
    reaction: str
    shown: str
    words: str
    ends: str = 'stopped'
    afterwards: str = ''
    ends_recording: bool = False
    every_change: bool = False


DIES = ('its process ends (pidfd)', 'at once', '`failed`, if its spare dies of it, too', 'failed')
LATE = ('no answer', '80 % of a period', '`late`; killed after 1 s without a word', 'late')
ROWS = (
    Row('killed', 'the policy kills its worker', *DIES, 'was killed by SIGKILL'),
    Row('exits', 'the policy calls `_exit`', *DIES, 'ended with status 3', every_change=True),
    Row('segfault', 'the policy crashes (segmentation fault)', *DIES, 'was killed by SIGSEGV'),
    Row('stopped', 'the worker is stopped (SIGSTOP)', *LATE, 'no answer within'),
    Row('endless', 'the policy never returns', *LATE, 'no answer within', every_change=True),
    Row('sleeps', 'the policy takes 15 periods', *LATE, 'no answer within'),
    Row(
        'memory',
        'the policy asks for more memory than it may have',
        'an allocation beyond the cap fails',
        'as it happens',
        '`failed`',
        'failed',
        'MemoryError',
    ),
    Row(
        'forks',
        'the policy forks',
        'denied by seccomp',
        'as it happens',
        '`failed`',
        'failed',
        'PermissionError',
        every_change=True,
    ),
    Row(
        'shape',
        'an output of another shape',
        'compared with the contract',
        'one answer',
        '`failed`',
        'failed',
        'action has shape',
        every_change=True,
    ),
    Row(
        'nan',
        'an output is NaN',
        'looked at before anything is computed of it',
        'one answer',
        '`non_finite`',
        'faults',
        'not finite',
        every_change=True,
    ),
    Row(
        'infinite',
        'an output is infinite',
        'likewise',
        'one answer',
        '`non_finite`',
        'faults',
        'not finite',
    ),
    Row(
        'huge',
        'an output is 3e38',
        'the limits of the wiring',
        'one answer',
        'none: the nearest command within the limits',
        '`limited` in the tick record',
        '',
        ends='policy',
        every_change=True,
    ),
    Row(
        'flood',
        'the policy prints without end',
        'its output is a memory of 64 KiB',
        '',
        'none: the rest is lost',
        '',
        '',
        ends='policy',
    ),
    Row(
        'kill worker',
        'the worker is killed, its spare is ready',
        'its process ends (pidfd)',
        'at once',
        'none: the spare answers in the same tick',
        '`worker_replaced`, worker, workers that died',
        'was killed by SIGKILL',
        ends='policy',
        every_change=True,
    ),
    Row(
        'kill both',
        'the worker and its spare are killed at once',
        'likewise',
        'at once',
        '`failed`; answered again when the next one is loaded',
        'failed, workers that died',
        'was killed by SIGKILL',
    ),
    Row(
        'stale',
        'a sensor is silent',
        'age by arrival',
        'its budget and one period',
        '`stale`',
        'age of the topic, faults',
        'ms old, budget',
        every_change=True,
    ),
    Row(
        'kill publisher',
        'the process of a sensor is killed',
        'likewise',
        'its budget and one period',
        '`stale`',
        'age of the topic, faults',
        'ms old, budget',
    ),
    Row(
        'old stamps',
        'stamps go back in time by 1 s',
        'age by stamp',
        'one message and one period',
        '`stale`',
        'age of the topic, faults',
        'ms old, budget',
        every_change=True,
    ),
    Row(
        'future stamps',
        'stamps lie 5 s in the future',
        'age by stamp',
        'one message and one period',
        '`invalid`',
        'faults',
        'in the future',
        every_change=True,
    ),
    Row(
        'a little back',
        'every other stamp goes back by 15 ms',
        '',
        '',
        'none: the message that came last counts, by its own age',
        'age of the topic',
        '',
        ends='policy',
    ),
    Row(
        'duplicated',
        'every message comes twice',
        '',
        '',
        'none: the second counts',
        '',
        '',
        ends='policy',
    ),
    Row(
        'sensor nan',
        'a sensor says NaN',
        'looked at before any arithmetic',
        'one message and one period',
        '`non_finite`',
        'faults',
        'not finite at pole',
        every_change=True,
    ),
    Row(
        'renamed',
        'a joint has another name',
        'joints are read by name',
        'one message and one period',
        '`invalid`',
        'faults',
        "has no joint 'pole'",
        every_change=True,
    ),
    Row(
        'shuffled',
        'joints come in another order',
        'joints are read by name',
        '',
        'none: the same commands',
        '',
        '',
        ends='policy',
        every_change=True,
    ),
    Row(
        'size',
        'fewer positions than names',
        'compared with the names',
        'one message and one period',
        '`invalid`',
        'faults',
        'joint_position',
    ),
    Row(
        'garbage',
        'a message that cannot be decoded',
        'decoded in full',
        'one message and one period',
        '`invalid`',
        'faults',
        'joint_states',
    ),
    Row(
        'kill subscriber',
        'a subscriber of the commands is killed',
        '',
        '',
        'none',
        '',
        '',
        ends='policy',
    ),
    Row(
        'services',
        'services are called without pause',
        '',
        '',
        'none: they are served between two ticks',
        'lateness',
        '',
        ends='policy',
    ),
    Row(
        'recorder stops',
        'the recorder is stopped (SIGSTOP) for half a second',
        'the ring takes what comes',
        '',
        'none: it is all in the recording afterwards',
        '',
        '',
        ends='policy',
    ),
    Row(
        'kill recorder',
        'the recorder is killed',
        'its process ends',
        'half a second',
        'none: the robot goes on without a recording',
        'log, recording dropped',
        'the recorder has ended',
        ends='policy',
        ends_recording=True,
    ),
    Row(
        'disk full',
        'the disk of the recording is full',
        'the recorder cannot write, and ends',
        'one commit',
        'none: the robot goes on without a recording',
        'log, recording dropped',
        'the recorder has ended',
        ends='policy',
        ends_recording=True,
        every_change=True,
    ),
)
"""Injected one after the other into one running robot, in this order."""

CLOCK_ROWS = (
    Row(
        'clock stops',
        '`/clock` stands still',
        'by the steady clock',
        'the parameter `clock_timeout` (2 s)',
        'stop, repeated at the rate by the steady clock',
        'cause',
        '/clock stands still for',
    ),
    Row(
        'clock forward',
        '`/clock` jumps forward by 10 s, stamps do not',
        'age by stamp',
        'one period',
        '`stale`',
        'age of the topic, overruns',
        'ms old, budget',
    ),
    Row(
        'clock back',
        '`/clock` jumps back by 10 s, and stamps with it',
        'a release that lies too far ahead begins anew',
        'one period',
        '`invalid`, until a message comes that is stamped after the jump',
        '',
        '',
        ends='policy',
    ),
)
"""Likewise into one that follows ``/clock``."""

KILLED = Row(
    'kill runtime',
    'the runtime is killed (SIGKILL)',
    'commands end: a consumer with a timeout, or the guard',
    'the timeout; 5 periods, 100 ms at the least',
    'the consumer stops by itself, or the guard publishes the stop command',
    "the guard's log",
    'no command on',
    afterwards='stop command until somebody commands',
)
"""Injected into a runtime beside its guard, and another runtime each time."""

REFUSED_ROWS = (
    Row(
        'altered',
        'a bundle is altered by one bit',
        'hashes, before anything is opened',
        'configuration',
        'refused',
        'log',
        'altered: ',
        afterwards='nothing is started',
    ),
    Row(
        'never came',
        'a topic with a budget has a publisher, and never a message',
        'a first message is waited for before the first tick',
        'the parameter `graph_timeout` (5 s; 1 s here)',
        'refused; with the budget `forever` standby until it comes',
        'log',
        'no message on',
        afterwards='nothing is published',
    ),
)
"""Injected between two activations of a runtime."""

ELSEWHERE = (
    Row(
        '`test/record/test_recording_faults.py`',
        'the recorder is too slow for what comes',
        'the ring is full',
        'one commit',
        'none: the robot goes on, what is lost is counted',
        'recording dropped',
        '',
        ends='policy',
    ),
    Row(
        '`test/policy/test_malicious.py`',
        'a bundle holds code',
        'it is read as data, or opened in a worker only',
        'configuration',
        'refused',
        'log',
        '',
        afterwards='nothing is started',
    ),
)
"""Those that are shown by tests of their own."""
