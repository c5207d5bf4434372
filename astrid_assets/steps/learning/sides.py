"""The side of each labelled detection: train, val or test, remembered once it was given.

What is remembered is a property of the sky, not of a dataset: of the position, over all
surveys that share a sky; of the object; and of the pixels. Where positions are only
relative (a field without any WCS), the sky is a single frame: its file's content and the
position in pixels. A simulated survey has a sky of its own, shared with those of the same
scene, seed and size.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.positions import near_positions, sky_groups
from astrid_assets.science.labelling.split_names import SPLITS
from astrid_assets.science.labelling.splits import (
    GivenSides,
    KnownGroup,
    give_sides,
)
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import SplitRule, SplitSide
from astrid_assets.storage.queries import split_sides
from astrid_assets.surveys.profile_sources import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.settings import CollectionSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.review.labels import LabelledRow

SAME_POSITION_ARCSEC = 2.0
"""Detections closer than this never stand on different sides of a split."""

SAME_PIXEL_PX = SAME_POSITION_ARCSEC
"""The same on a single frame, where a pixel stands for an arcsecond."""

THE_SKY = "icrs"


@dataclass(frozen=True)
class Places:
    """Where labelled detections are; arrays of shape (n,).

    Attributes
    ----------
    sky
        Name of the sky: surveys whose positions may be compared share it.
    ra_deg, dec_deg
        Position on that sky.
    frame
        Content of the frame: hash of its file and number of the HDU.
    """

    sky: NDArray[np.str_]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    frame: NDArray[np.str_]


@dataclass(frozen=True)
class Move:
    """A group that changed its side, because it turned out to be one with another.

    `detection_ids` are those of the version that belong to it: models that were trained
    before have seen them.
    """

    group: str
    into: str
    before: str
    after: str
    detection_ids: tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """The side of each row of a version, and what changed; arrays of shape (n,)."""

    side: NDArray[np.str_]
    group: NDArray[np.str_]
    places: Places
    moves: tuple[Move, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return what is kept beside the quality of the version."""
        return {"moves": [asdict(move) for move in self.moves], "split_notes": list(self.notes)}


def sides_of(
    tools: Tools,
    rows: Sequence[LabelledRow],
    real: NDArray[np.bool_],
    image_hashes: NDArray[np.str_],
    duplicates: NDArray[np.str_],
    settings: CollectionSettings,
    *,
    judges: NDArray[np.bool_] | None = None,
) -> Sides:
    """Return the side of each row: the remembered one, else a new one that is kept.

    One transaction: of two collections at once the second follows what the first gave.

    Parameters
    ----------
    rows
        Labelled detections, n of them.
    real : (n,)
        True for real.
    image_hashes : (n,)
        Hash of each cutout's pixels.
    duplicates : (n,)
        Key of each group of near-duplicates, from `DuplicateSearch`; empty: none.
    settings
        Seed and fractions; they count in the catalogue's first collection only.
    judges : (n,)
        False for rows that may only train; None: all may validate and test.

    Raises
    ------
    TooFewGroups
        If a split would lack real or bogus detections; nothing is remembered then.
    """
    places = places_of(tools, rows)
    pixels = [ids.side_key("pixels", value) for value in image_hashes.tolist()]
    objects = [ids.side_key("object", row.object_id) if row.object_id else "" for row in rows]
    positions = [
        ids.side_key("position", sky, ra, dec)
        for sky, ra, dec in zip(
            places.sky.tolist(), places.ra_deg.tolist(), places.dec_deg.tolist(), strict=True
        )
    ]
    x_deg, y_deg = (np.array([getattr(row, axis) for row in rows]) / 3600 for axis in "xy")
    keys = (
        np.array(objects),
        sky_groups(places.ra_deg, places.dec_deg, SAME_POSITION_ARCSEC, places.sky),
        sky_groups(x_deg, y_deg, SAME_PIXEL_PX, places.frame),
    )
    with tools.catalogue.begin() as session:
        split_sides.lock_sides(session)
        rule = split_sides.fixed_rule(session, _offered(settings))
        links = _links(session, places, [*zip(pixels, objects, strict=True)])
        known = split_sides.sides_of_groups(session, {group for _, group in links})
        number = {name: index for index, (name, _) in enumerate(known)}
        given = give_sides(
            np.array(positions),
            (*keys, image_hashes, duplicates),
            real,
            _fractions(rule),
            rule.seed,
            known=[KnownGroup(name, side) for name, side in known],
            links=([row for row, _ in links], [number[group] for _, group in links]),
            judges=judges,
        )
        _keep(session, given, places, positions, objects, pixels)
    moves = tuple(
        Move(
            merge.group,
            merge.into,
            merge.before,
            merge.after,
            tuple(sorted({rows[row].detection_id for row, group in links if group == merge.group})),
        )
        for merge in given.merges
        if merge.before != merge.after
    )
    return Sides(given.side, given.group, places, moves, _notes(rule, settings))


def places_of(tools: Tools, rows: Sequence[LabelledRow]) -> Places:
    """Return where labelled detections are, on skies that may be compared."""
    with tools.catalogue.read() as session:
        contents = split_sides.frame_contents(session, {row.observation_id for row in rows})
        relative = split_sides.relative_fields(session)
        skies = {name: _sky_of(session.get_one(Survey, name)) for name in {r.survey for r in rows}}
    sky: list[str] = []
    position: list[tuple[float, float]] = []
    for row in rows:
        is_relative = (row.survey, row.field, row.band) in relative
        if row.ra_deg is None or row.dec_deg is None or is_relative:
            sky.append(f"frame {contents[row.observation_id]}")
            position.append((row.x / 3600, row.y / 3600))
        else:
            sky.append(skies[row.survey])
            position.append((row.ra_deg % 360, row.dec_deg))
    ra_deg, dec_deg = np.array(position, dtype=np.float64).reshape(-1, 2).T
    frame = [contents[row.observation_id] for row in rows]
    return Places(np.array(sky), ra_deg, dec_deg, np.array(frame))


def _sky_of(survey: Survey) -> str:
    source = tomllib.loads(survey.profile_toml).get("source", {})
    if source.get("kind") != "simulated":
        return THE_SKY
    made = SimulatedSource.model_validate(source)
    return f"simulated {made.scene} {made.seed} {made.shape[0]}x{made.shape[1]}"


def _offered(settings: CollectionSettings) -> SplitRule:
    return SplitRule(
        id=1,
        seed=settings.seed,
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        given_at=now(),
    )


def _fractions(rule: SplitRule) -> dict[str, float]:
    shares = (1 - rule.val_fraction - rule.test_fraction, rule.val_fraction, rule.test_fraction)
    return dict(zip(SPLITS, shares, strict=True))


def _notes(rule: SplitRule, settings: CollectionSettings) -> tuple[str, ...]:
    asked = (settings.seed, settings.val_fraction, settings.test_fraction)
    kept = (rule.seed, rule.val_fraction, rule.test_fraction)
    if asked == kept:
        return ()
    note = (
        "sides are drawn with the seed and fractions of the catalogue's first collection "
        f"({kept[0]}, {kept[1]:g}, {kept[2]:g}); those of this one "
        f"({asked[0]}, {asked[1]:g}, {asked[2]:g}) change nothing"
    )
    return (note,)


def _links(
    session: Session, places: Places, same: Sequence[tuple[str, ...]]
) -> list[tuple[int, str]]:
    """Return (row, group) for each remembered thing that a row is.

    Parameters
    ----------
    same
        Per row the keys of its pixels and object; empty ones name nothing.
    """
    groups = split_sides.remembered_groups(session, {key for keys in same for key in keys if key})
    links = {(row, groups[key]) for row, keys in enumerate(same) for key in keys if key in groups}
    cells = split_sides.cells_of(places.ra_deg, places.dec_deg)
    known = split_sides.known_positions(session, set(places.sky.tolist()), cells.tolist())
    near, which = near_positions(
        (places.sky.tolist(), places.ra_deg, places.dec_deg),
        (
            [k.sky for k in known],
            np.array([k.ra_deg for k in known]),
            np.array([k.dec_deg for k in known]),
        ),
        SAME_POSITION_ARCSEC,
    )
    names, code = np.unique([k.group for k in known], return_inverse=True)
    if len(near):
        pairs = np.unique(np.column_stack([near, code[which]]), axis=0)
        links |= {(row, str(names[index])) for row, index in pairs.tolist()}
    return sorted(links)


def _keep(
    session: Session,
    given: GivenSides,
    places: Places,
    positions: Sequence[str],
    objects: Sequence[str],
    pixels: Sequence[str],
) -> None:
    """Remember new positions, objects and pixels, and what was merged."""
    time = now()
    for merge in given.merges:
        cause = f"one with {merge.into}; before: {merge.before}"
        split_sides.move_group(session, merge.group, merge.into, merge.after, cause)
    cells = split_sides.cells_of(places.ra_deg, places.dec_deg)
    kept: list[SplitSide] = []
    for row, (group, side) in enumerate(
        zip(given.group.tolist(), given.side.tolist(), strict=True)
    ):
        cause = given.causes.get(group, "its group was known")
        kept.append(
            SplitSide(
                key=positions[row],
                kind="position",
                sky=str(places.sky[row]),
                cell=int(cells[row]),
                ra_deg=float(places.ra_deg[row]),
                dec_deg=float(places.dec_deg[row]),
                group_name=group,
                side=side,
                given_at=time,
                cause=cause,
            )
        )
        kept += [
            SplitSide(key=key, kind=kind, group_name=group, side=side, given_at=time, cause=cause)
            for kind, key in (("object", objects[row]), ("pixels", pixels[row]))
            if key
        ]
    split_sides.remember(session, kept)
