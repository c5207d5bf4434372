"""Detections by night, by place on the sky and by object, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import angular_separation, offset_by
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.storage.database.sky_index import (
    ORDER,
    cone_ranges,
    distance_arcsec,
    healpix_of,
    merged,
)
from astrid_assets.storage.queries import candidates, frames
from astrid_assets.storage.queries.search import Cone, DetectionFilter, search_detections
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.database.sky_index import Floats

NIGHT = "2025-03-04"


def moved(
    ra: Floats | float,
    dec: Floats | float,
    angle: Floats | float,
    arcsec: Floats | float,
) -> tuple[Floats, Floats]:
    """Return the places that lie this far in this direction, by astropy."""
    lon, lat = offset_by(
        np.radians(ra) * u.rad,
        np.radians(dec) * u.rad,
        np.radians(angle) * u.rad,
        np.asarray(arcsec) * u.arcsec,
    )
    return np.asarray(lon.to_value(u.deg)), np.asarray(lat.to_value(u.deg))


def separation(ra: Floats | float, dec: Floats | float, ra2: Floats, dec2: Floats) -> Floats:
    """Return distances in arcsec, by astropy."""
    angles = [np.radians(value) for value in (ra, dec, ra2, dec2)]
    return np.degrees(np.asarray(angular_separation(*angles))) * 3600


@settings(deadline=None, max_examples=60)
@given(
    ra=st.floats(0, 360),
    dec=st.floats(-90, 90),
    log_radius=st.floats(-2, 5.5),
    angle=st.floats(0, 360),
    part=st.floats(0, 1),
)
def test_every_place_inside_a_cone_is_inside_its_ranges(
    ra: float, dec: float, log_radius: float, angle: float, part: float
):
    radius = 10**log_radius
    place_ra, place_dec = moved(ra, dec, angle, part * radius)
    pixel = int(healpix_of(np.array([place_ra]), np.array([place_dec]))[0])
    ranges = cone_ranges(ra, dec, radius)
    assert any(low <= pixel < high for low, high in ranges)
    assert len(ranges) < 400
    covered = sum(high - low for low, high in ranges) / (12 * 4**ORDER)
    true = (1 - np.cos(np.radians(radius / 3600))) / 2
    # Never more than the cone, grown by two rings of pixels.
    assert covered <= 40 * true + 30 / (12 * 4**ORDER)


@pytest.mark.parametrize(
    ("ra", "dec", "radius"), [(0, 91, 1), (float("nan"), 0, 1), (0, 0, 0), (0, 0, -1)]
)
def test_what_is_no_cone_is_refused(ra: float, dec: float, radius: float):
    with pytest.raises(ValueError, match=r"not a position|no radius"):
        cone_ranges(ra, dec, radius)


def test_distances_are_exact_from_a_milliarcsecond_to_half_the_sky(
    rng: np.random.Generator,
):
    ra, dec = rng.uniform(0, 360, 50), np.degrees(np.arcsin(rng.uniform(-1, 1, 50)))
    ra2, dec2 = moved(ra, dec, rng.uniform(0, 360, 50), 10 ** rng.uniform(-3, 5.8, 50))
    ours = distance_arcsec(ra, dec, ra2, dec2)
    np.testing.assert_allclose(ours, separation(ra, dec, ra2, dec2), rtol=1e-6)


def test_ranges_that_touch_become_one():
    assert merged([(5, 7), (0, 2), (2, 3), (6, 9)]) == [(0, 3), (5, 9)]


def test_a_cone_finds_what_brute_force_finds(catalogue: Catalogue, rng: np.random.Generator):
    ra, dec = moved(0.01, 89.9, rng.uniform(0, 360, 60), 10 ** rng.uniform(-1, 3.5, 60))
    with catalogue.begin() as session:
        world = World(session)
        difference = world.difference(frame := world.processed(world.observation(NIGHT)))
        identities = [
            world.detection(frame, difference, (n, 0), ra_deg=ra[n], dec_deg=dec[n])
            for n in range(60)
        ]
        world.detection(frame, difference, (99, 0), ra_deg=None, dec_deg=None)
    separations = separation(0.01, 89.9, ra, dec)
    with catalogue.read() as session:
        for radius in (0.5, 10.0, 300.0, 4000.0):
            wanted = DetectionFilter(cone=Cone(0.01, 89.9, radius))
            found = search_detections(session, wanted, limit=100).rows
            expected = {
                identity
                for identity, separation in zip(identities, separations, strict=True)
                if separation <= radius
            }
            assert {row.detection_id for row in found} == expected
        elsewhere = DetectionFilter(survey="other", cone=Cone(0.01, 89.9, 4000.0))
        assert search_detections(session, elsewhere).rows == []


def test_a_detection_comes_with_its_frame_and_its_candidate(catalogue: Catalogue):
    with catalogue.begin() as session:
        detection_id = World(session).chain(NIGHT)
        (row,) = candidates.detections_of_night(session, "sim", NIGHT)
        found = candidates.detections_by_ids(session, [detection_id, "nobody"])
    assert found == {detection_id: row}
    assert (row.survey, row.night, row.field, row.band) == ("sim", NIGHT, "f1", "r")
    assert (row.x, row.y, row.ra_deg, row.dec_deg) == (10.0, 20.0, 150.0, 2.0)
    assert (row.observed_mjd, row.exposure_s) == (60735.0, 30.0)
    assert (row.fwhm_px, row.candidate_fwhm_px, row.quality_score) == (3.0, None, 0.9)
    assert (row.score_sigma, row.score, row.score_kind) == (10.0, 0.5, "snr_ranking")
    assert row.source_path == f"{NIGHT}/light-f1-r-0.fits"
    assert row.detected_at == WHEN


def test_detections_of_outdated_differences_are_not_shown(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        frame = world.processed(world.observation(NIGHT))
        old, new = world.difference(frame, "a"), world.difference(frame, "b")
        world.detection(frame, old)
        shown = world.detection(frame, new)
        frames.make_current(session, [frame], [new])
        rows = candidates.detections_of_night(session, "sim", NIGHT)
        assert [row.detection_id for row in rows] == [shown]


def test_candidates_the_newest_run_did_not_list_are_not_shown(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        frame = world.processed(world.observation(NIGHT))
        difference = world.difference(frame)
        world.detection(frame, difference, (1, 1))
        candidates.retire(session, [difference])
        kept = world.detection(frame, difference, (2, 2))
        rows = candidates.detections_of_night(session, "sim", NIGHT)
        assert [row.detection_id for row in rows] == [kept]


def test_an_object_has_a_light_curve_in_order_of_time(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        target = world.sky_object("a", 150.0, 2.0)
        members = []
        for number in (3, 1, 2):
            frame = world.processed(world.observation(NIGHT, number))
            members.append(world.detection(frame, world.difference(frame), object_id=target))
        alone = world.chain("2025-03-05")
        curve = candidates.detections_of_object(session, target)
        assert [row.detection_id for row in curve] == [members[n] for n in (1, 2, 0)]
        known = candidates.object_ids(session, [*members, alone, "nobody"])
        assert known == dict.fromkeys(members, target)


@pytest.mark.slow
def test_objects_near_any_of_many_places_are_found(catalogue: Catalogue, rng: np.random.Generator):
    ra, dec = rng.uniform(149, 151, 400), rng.uniform(1, 3, 400)
    with catalogue.begin() as session:
        world = World(session)
        near = {world.sky_object(str(n), ra[n], dec[n]) for n in range(5)}
        far = world.sky_object("far", 200.0, -30.0)
        World(session, "other").sky_object("elsewhere", ra[0], dec[0])
        found = candidates.objects_around(session, "sim", ra, dec, 2.0)
        assert {item.id for item in found} == near
        whole = candidates.objects_near(session, "sim", [(0, 12 * 4**ORDER)])
        assert {item.id for item in whole} == near | {far}
        assert candidates.objects_near(session, "sim", []) == []
