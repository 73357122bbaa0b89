"""Values against what the policy saw in training, against its clips, and whether they change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..configuration import FOREVER_NS
from .finding import Finding, failure, not_checked, passed, warning
from .measured import Readings
from .survey import Case, Survey
from .topics import budget_ns, subject
from .training import TermStatistics

RARE, NEVER = 5.0, 10.0
"""
Standard deviations from the mean of training.

A value beyond the first at any time is a warning; one that is beyond the second in half of the
messages is a failure: what VecNormalize clips by default.
"""
_RANGES = ('range_scan', 'range', 'image', 'height_scan')
"""Kinds whose clip is there to be reached: what is far away is all the same to the policy."""
_HEADER_BYTES = 12
"""The encapsulation header of CDR and a stamp: what changes in every message."""
ENOUGH = 5


def check_ranges(
    readings: Mapping[str, Readings], training: Mapping[str, TermStatistics], told: set[str]
) -> list[Finding]:
    """
    Compare the values of each term with those of training.

    :param told: terms whose values are known to be in another unit.
    """
    found = []
    for one in readings.values():
        if not len(one.values) or one.subject in told or one.term.shape:
            continue
        trained = training.get(one.term.name)
        if trained is None:
            why = 'the contract has no statistics of training for it'
            found.append(not_checked('range', one.subject, why))
        else:
            found.append(_range(one, trained))
    return found


def _range(one: Readings, trained: TermStatistics) -> Finding:
    scores = trained.scores(one.values)
    lasting, peak = np.median(scores, axis=0), scores.max(axis=0)
    at = int((lasting if lasting.max() > NEVER else peak).argmax())
    mean, deviation = (part[at] for part in trained.measured)
    words = (
        f'{one.term.labels[at]} is {one.values[scores[:, at].argmax(), at]:.3g}; trained on '
        f'{mean:.3g} ± {deviation:.2g} ({peak[at]:.0f} standard deviations off)'
    )
    mend = 'Compare unit, frame, sign and offset with the training; is the robot where it began?'
    if lasting.max() > NEVER:
        return failure('range', one.subject, words, mend)
    if peak.max() > RARE:
        return warning('range', one.subject, words, mend)
    return passed('range', one.subject, f'{peak.max():.1f} standard deviations off at most')


def check_clips(readings: Mapping[str, Readings], told: set[str]) -> list[Finding]:
    """Judge whether a value is cut off by the clip of its term all the time."""
    found = []
    for one in readings.values():
        low, high = np.array(one.term.clip[0]), np.array(one.term.clip[1])
        bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
        if not len(one.values) or one.subject in told or one.term.kind in _RANGES or not bounded:
            continue
        moved = one.values - np.array(one.term.offset)
        cut = ((moved < low) | (moved > high)).all(axis=0)
        if not cut.any():
            found.append(passed('clip', one.subject, 'not cut off, or not always'))
            continue
        at = int(cut.argmax())
        words = (
            f'{one.term.labels[at]} is {one.values[-1, at]:.3g} and always cut off to '
            f'{low[at]:g} to {high[at]:g} (less the offset)'
        )
        mend = 'Compare its unit and frame with the training; farther than this it cannot see'
        found.append(warning('clip', one.subject, words, mend))
    return found


def check_unchanged(case: Case, survey: Survey) -> list[Finding]:
    """Judge whether a sensor says the same, to the bit, all the time."""
    found = []
    for index, source in enumerate(case.wiring.sources):
        topic = survey.topics[source.topic]
        bodies = [one.data for one in topic.samples if one.data is not None]
        if budget_ns(case, index) >= FOREVER_NS or len(bodies) < ENOUGH:
            continue
        skipped = _HEADER_BYTES if case.messages.has_header(source.type) else 0
        about = subject(case, index)
        if len({body[skipped:] for body in bodies}) > 1:
            found.append(passed('unchanged', about, f'{topic.name} changes'))
            continue
        words = f'{len(bodies)} messages on {topic.name} are equal to the bit'
        mend = 'Is the robot at rest, or the sensor dead? Move it and look again'
        found.append(warning('unchanged', about, words, mend))
    return found
