"""Running another policy, or another wiring, on the inputs of a recording."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Mapping

from ..configuration import read_text
from ..errors import ReplayError, WiringError
from ..policy.bundle import load_bundle
from ..session.engine import Engine
from ..session.wiring import parse_wiring
from .bag_reader import BagReader
from .comparison import Comparison
from .recorded_configuration import check_sessions, read_manifest, recorded_wiring
from .replay import Progress, known_definitions, load_fallbacks, load_policy, run_through
from .selection import ALL_TICKS, Selection
from .session_comparison import SessionComparison


def compare(
    bag: pathlib.Path,
    policies: Mapping[str, pathlib.Path],
    wiring: pathlib.Path | None = None,
    bundles: Mapping[str, pathlib.Path] | None = None,
    progress: Progress | None = None,
    selection: Selection = ALL_TICKS,
) -> list[Comparison]:
    """
    Return what other versions would have done, one step at a time, on what a recording holds.

    :param bag: folder of the bag, or an ``.mcap`` file.
    :param policies: the other policy bundle of a session, by its name.
    :param wiring: another wiring file, with the same sessions; None for the recorded one.
    :param bundles: where the recorded policy bundle of a session is, if not where it was.
    :param progress: told about progress.
    :param selection: which ticks to compare.
    :returns: one comparison for each session that has another version.
    :raises ReplayError: the bag cannot be replayed, or the versions cannot be compared.
    :raises WiringError: the wiring cannot be read, or does not fit the other policy.
    """
    with BagReader(bag) as reader, known_definitions(reader), contextlib.ExitStack() as backends:
        types = reader.types()
        manifest = read_manifest(reader, types)
        check_sessions(manifest, policies)
        before = recorded_wiring(manifest, bundles)
        recorded = before.bundles
        others = {**recorded, **{name: load_bundle(one) for name, one in policies.items()}}
        if wiring is None:
            after = parse_wiring(manifest.wiring, before.file, others)
        else:  # its second policies are its own
            own = {one.name: others[one.name] for one in manifest.sessions}
            after = parse_wiring(read_text(wiring, WiringError), wiring, own)
        old = {one.name: one for one in before.sessions}
        new = {one.name: one for one in after.sessions}
        sessions = {}
        for one in manifest.sessions:
            if one.name not in new:
                raise ReplayError(f'{wiring}: has no session {one.name}, which the recording has')
            if wiring is None and one.name not in policies:
                continue
            sessions[one.tick_topic] = SessionComparison(
                one,
                Engine(recorded[one.name], old[one.name], types, one.frame_prefix),
                Engine(others[one.name], new[one.name], types, one.frame_prefix),
                load_policy(others[one.name], new[one.name].inference, backends),
                load_fallbacks(new[one.name], backends),
                types,
                selection,
            )
        run_through(reader, sessions, progress)
        for topic, comparison in sessions.items():
            comparison.finish(reader.made(topic))
        results = [one.result for one in sessions.values()]
        if not any(one.ticks for one in results):
            raise ReplayError(f'{bag}: holds none of {selection}')
        return results
