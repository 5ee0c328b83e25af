"""A result in the formats of other programs: QuakeML and the CMTSOLUTION of SPECFEM and others."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite
from pathlib import Path

import numpy as np

from dislok.foreign import Object
from dislok.store import fingerprint, write_text, writing

from .records import parse_utc
from .result import Result


def quakeml(result: Result) -> Object:
    """The result as an ObsPy `Catalog` of one event for every source; needs the extra ``seis``."""
    event = _obspy().core.event
    catalog = event.Catalog(resource_id=_identifier(event, result, "catalogue"))
    for i in range(len(result.centroids)):
        catalog.append(_event(event, result, i))
    return catalog


def write_quakeml(result: Result, path: str | Path) -> None:
    """Write QuakeML 1.2; needs the extra ``seis``."""
    with writing(path) as draft:
        quakeml(result).write(str(draft), format="QUAKEML")


def cmtsolution(result: Result, source: int = 0) -> str:
    """The text of a CMTSOLUTION file: hypocentre, and one source with its moments in dyn·cm."""
    c, utc = result.centroids[source], result.utc(source)
    # Rounded first, so that no minute has 60.00 seconds.
    origin = parse_utc(result.reference) + timedelta(microseconds=5000)
    lat, lon = result.origin
    depth = c.depth if result.hypocentre_depth is None else result.hypocentre_depth
    head = (
        f" DLOK {origin:%Y %m %d %H %M} {origin.second:02d}.{origin.microsecond // 10000:02d} {lat:.4f} "
        f"{lon:.4f} {depth:.1f} "
        f"{c.magnitude:.1f} {c.magnitude:.1f} {result.event}"
    )
    values = {
        "event name": f"{utc:%Y%m%d%H%M%S}",
        "time shift": f"{c.time:.4f}",
        "half duration": f"{c.half_duration:.4f}",
        "latitude": f"{c.latitude:.4f}",
        "longitude": f"{c.longitude:.4f}",
        "depth": f"{c.depth:.4f}",
        **{name: f"{1e7 * value:.6e}" for name, value in c.spherical.items()},
    }
    return "\n".join([head, *(f"{name + ':':<14}{value:>15}" for name, value in values.items())]) + "\n"


def write_cmtsolution(result: Result, path: str | Path, source: int = 0) -> None:
    """Write a CMTSOLUTION file of one source."""
    write_text(Path(path), cmtsolution(result, source))


def _obspy() -> Object:
    try:
        import obspy
        import obspy.core.event
    except ImportError as error:
        raise ImportError('QuakeML and seismic formats need ObsPy: pip install "dislok[seis]"') from error
    return obspy


def _identifier(event: Object, result: Result, what: str) -> Object:
    """The name of a part, which is the same whenever the same result is written."""
    facts = (result.event, result.origin, result.reference, result.stf, result.constraint, result.misfit)
    digest = fingerprint(facts, result.centroids, result.covariance)[:16]
    return event.ResourceIdentifier(f"smi:local/dislok/{digest}/{what}")


def _event(event: Object, result: Result, i: int) -> Object:
    c, sigma = result.centroids[i], _stated(result.sigma(i))
    spread = _stated(result.spread(i))
    origin = _origin(event, result, i, sigma)
    begin = _hypocentre(event, result, i)
    magnitude = event.Magnitude(
        resource_id=_identifier(event, result, f"magnitude/{i + 1}"),
        mag=c.magnitude,
        mag_errors=event.QuantityError(uncertainty=spread.get("Mw")),
        magnitude_type="Mwc",
        origin_id=origin.resource_id,
        method_id=event.ResourceIdentifier("smi:local/dislok.inversion.cmt"),
    )
    mechanism = _mechanism(event, result, i, origin, magnitude, spread)
    found = event.Event(
        resource_id=_identifier(event, result, f"event/{i + 1}"),
        event_type="earthquake",
        origins=[begin, origin],
        magnitudes=[magnitude],
        focal_mechanisms=[mechanism],
        event_descriptions=[event.EventDescription(text=result.event, type="earthquake name")],
    )
    found.preferred_origin_id = origin.resource_id
    found.preferred_magnitude_id = magnitude.resource_id
    found.preferred_focal_mechanism_id = mechanism.resource_id
    return found


def _hypocentre(event: Object, result: Result, i: int) -> Object:
    """Where and when the earthquake began, as it was given."""
    latitude, longitude = result.origin
    depth = result.hypocentre_depth
    return event.Origin(
        resource_id=_identifier(event, result, f"hypocentre/{i + 1}"),
        time=_obspy().UTCDateTime(parse_utc(result.reference)),
        latitude=latitude,
        longitude=longitude,
        depth=None if depth is None else 1000 * depth,
        origin_type="hypocenter",
    )


def _stated(errors: dict[str, float]) -> dict[str, float]:
    """The errors that are known."""
    return {name: value for name, value in errors.items() if np.isfinite(value)}


def _origin(event: Object, result: Result, i: int, sigma: dict[str, float]) -> Object:
    c = result.centroids[i]
    origin = event.Origin(
        resource_id=_identifier(event, result, f"centroid/{i + 1}"),
        time=_obspy().UTCDateTime(result.utc(i)),
        latitude=c.latitude,
        longitude=c.longitude,
        depth=1000 * c.depth,
        origin_type="centroid",
        evaluation_mode="automatic",
    )
    errors = {"time": "time", "depth": "depth"}
    for name, unknown in errors.items():
        if unknown in sigma:
            scale = 1000.0 if name == "depth" else 1.0
            origin[f"{name}_errors"] = event.QuantityError(uncertainty=scale * sigma[unknown])
    if "north" in sigma and "east" in sigma:
        origin.origin_uncertainty = event.OriginUncertainty(
            horizontal_uncertainty=1000 * max(sigma["north"], sigma["east"]),
            preferred_description="horizontal uncertainty",
        )
    return origin


def _mechanism(
    event: Object, result: Result, i: int, origin: Object, magnitude: Object, spread: dict[str, float]
) -> Object:
    c, parts = result.centroids[i], result.centroids[i].decomposition
    planes = [
        event.NodalPlane(
            strike=strike, dip=dip, rake=rake,
            strike_errors=event.QuantityError(uncertainty=spread.get(f"strike{n}")),
            dip_errors=event.QuantityError(uncertainty=spread.get(f"dip{n}")),
            rake_errors=event.QuantityError(uncertainty=spread.get(f"rake{n}")),
        )
        for n, (strike, dip, rake) in enumerate(c.planes, start=1)
    ]  # fmt: skip
    tensor = event.MomentTensor(
        resource_id=_identifier(event, result, f"tensor/{i + 1}"),
        derived_origin_id=origin.resource_id,
        moment_magnitude_id=magnitude.resource_id,
        scalar_moment=c.moment,
        tensor=event.Tensor(
            **{name.lower().replace("m", "m_", 1): value for name, value in c.spherical.items()}
        ),
        variance_reduction=100 * explained if isfinite(explained := result.variance_reduction) else None,
        double_couple=parts["DC"] / 100,
        clvd=abs(parts["CLVD"]) / 100,
        iso=abs(parts["ISO"]) / 100,
        source_time_function=event.SourceTimeFunction(
            type=_stf_type(result.stf), duration=2 * c.half_duration
        ),
        inversion_type={"full": "general", "deviatoric": "zero trace", "double_couple": "double couple"}[
            result.constraint
        ],
    )
    return event.FocalMechanism(
        resource_id=_identifier(event, result, f"mechanism/{i + 1}"),
        nodal_planes=event.NodalPlanes(nodal_plane_1=planes[0], nodal_plane_2=planes[1]),
        moment_tensor=tensor,
    )


def _stf_type(name: str) -> str:
    return {"boxcar": "box car", "triangle": "triangle"}.get(name, "unknown")
