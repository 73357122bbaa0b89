"""What a recording was made with: its manifest, its policy bundles, its wiring, its seeds."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from ..errors import FournexError, ReplayError
from ..pipeline.messages import Messages
from ..policy.bundle import Bundle, load_bundle
from ..policy.registry import Registry
from ..session.wiring import Wiring, fallback_key, parse_wiring
from .bag_reader import BagReader
from .manifest import (
    MANIFEST_TYPE,
    SCHEMA,
    Manifest,
    PolicyManifest,
    SessionManifest,
    decode_manifest,
)
from .tick_record import TICK_TYPE

EVENT_TYPE = 'fournex_msgs/msg/SessionEvent'


@dataclasses.dataclass(frozen=True)
class RecordedConfiguration:
    """
    What is needed to start the same again.

    :param bag: the recording.
    :param manifest: what it says of itself.
    :param wiring: its wiring, with the policy bundles as they are found here.
    :param seeds: the seeds of each session's episodes, in their order.
    """

    bag: pathlib.Path
    manifest: Manifest
    wiring: Wiring
    seeds: Mapping[str, tuple[int, ...]]


def recorded_configuration(bag: pathlib.Path) -> RecordedConfiguration:
    """
    Read what a recording was made with.

    :param bag: folder of the bag, or an ``.mcap`` file.
    :raises ReplayError: it has no manifest, or a bundle of it is not to be found.
    :raises RecordingError: it cannot be read.
    """
    with BagReader(bag) as reader:
        types = reader.types()
        manifest = read_manifest(reader, types)
        seeds: dict[str, list[int]] = {one.name: [] for one in manifest.sessions}
        for session, seed in _episode_seeds(reader, types):
            seeds.setdefault(session, []).append(seed)
        return RecordedConfiguration(
            bag,
            manifest,
            recorded_wiring(manifest),
            {name: tuple(found) for name, found in seeds.items()},
        )


def check_sessions(manifest: Manifest, names: Iterable[str]) -> None:
    """
    Refuse names of sessions that a recording does not have.

    :param manifest: of the recording.
    :param names: the names.
    :raises ReplayError: it does not have one of them.
    """
    there = [one.name for one in manifest.sessions]
    unknown = set(names) - {*there}
    if unknown:
        raise ReplayError(
            f'the recording has no session {min(unknown)!r}; it has {", ".join(there)}'
        )


def recorded_wiring(manifest: Manifest, given: Mapping[str, pathlib.Path] | None = None) -> Wiring:
    """
    Return the wiring of a recording with its policy bundles.

    :param manifest: of the recording.
    :param given: where the bundle of a session is, if not where it was recorded.
    :raises ReplayError: a bundle is not to be found, or is given for a session that is not there.
    """
    check_sessions(manifest, given or ())
    found = {
        one.name: recorded_bundle(one, (given or {}).get(one.name)) for one in manifest.sessions
    }
    for session in manifest.sessions:
        for index, second in enumerate(session.fallback_policies):
            found[fallback_key(session.name, index)] = recorded_bundle(second, None)
    return parse_wiring(manifest.wiring, pathlib.Path(manifest.wiring_file), found)


def read_manifest(reader: BagReader, types: Messages) -> Manifest:
    """
    Return the manifest of a bag.

    :raises ReplayError: it has none, or one of a schema that this version does not know.
    """
    topics = [channel.topic for channel in reader.channels if channel.type == MANIFEST_TYPE]
    for message in reader.messages(topics) if topics else ():
        decoded = types.decode(message.data, MANIFEST_TYPE)
        if decoded.schema != SCHEMA:
            raise ReplayError(
                f'{reader.path}: its tick records are of schema {decoded.schema}, this version '
                f'of Fournex knows schema {SCHEMA}'
            )
        return decode_manifest(decoded)
    raise ReplayError(
        f'{reader.path}: has no manifest ({MANIFEST_TYPE}): it was not recorded by Fournex'
    )


def recorded_bundle(
    manifest: SessionManifest | PolicyManifest, given: pathlib.Path | None
) -> Bundle:
    """Load the bundle of a recording: from where it was, or by its hash from the registry."""
    if given is not None:
        return _of_recording(given, manifest)
    try:
        return _of_recording(pathlib.Path(manifest.bundle), manifest)
    except FournexError:
        kept = Registry().find_hash(manifest.bundle_sha256)
        if kept is None:
            raise
        return load_bundle(kept)


def _of_recording(folder: pathlib.Path, manifest: SessionManifest | PolicyManifest) -> Bundle:
    if not folder.is_dir():
        raise ReplayError(
            f'policy bundle {manifest.policy} is not at {folder}, and the registry has none of '
            f'hash {manifest.bundle_sha256[:12]}…: say where it is with --bundle'
        )
    bundle = load_bundle(folder)
    if bundle.sha256 != manifest.bundle_sha256:
        raise ReplayError(
            f'{folder}: has hash {bundle.sha256[:12]}…, the recording was made with '
            f'{manifest.policy} of hash {manifest.bundle_sha256[:12]}…; say where that one is '
            'with --bundle'
        )
    return bundle


def _episode_seeds(reader: BagReader, types: Messages) -> Iterator[tuple[str, int]]:
    """Yield session and seed of each episode that began: from the events, else from the ticks."""
    events = [one.topic for one in reader.channels if one.type == EVENT_TYPE]
    ticks = [one.topic for one in reader.channels if one.type == TICK_TYPE]
    for message in reader.messages(events or ticks) if events or ticks else ():
        if events:
            event = types.decode(message.data, EVENT_TYPE)
            values = {one.key: one.value for one in event.values}
            if event.kind == event.EPISODE_STARTED and 'seed' in values:
                yield event.session, int(values['seed'])
        else:
            tick = types.decode(message.data, TICK_TYPE)
            if tick.episode_start:
                yield tick.session, int(tick.episode_seed)
