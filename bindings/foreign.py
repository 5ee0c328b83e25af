"""Files from outside, read so that nothing in them can run, reach another file or be unpacked.

ObsPy, meshio and Zarr find out by themselves what a file is, and some of what they know is not data: a pickle
is a program. Every file that did not come from dislok goes through the functions here. They try formats from
a list, one at a time, with the reader of that format alone.
"""

from __future__ import annotations

import importlib
import io
import pickletools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeAlias
from xml.parsers import expat

__all__ = [
    "EVENTS",
    "INVENTORIES",
    "MESHES",
    "WAVEFORMS",
    "events",
    "inventory",
    "mesh",
    "refuse",
    "waveforms",
]

Object: TypeAlias = Any
"""A module of ObsPy, meshio or Zarr, or an object of one."""

WAVEFORMS = (
    "MSEED", "SAC", "GSE2", "SEISAN", "SACXY", "GSE1", "SH_ASC", "SLIST", "TSPAIR", "SEG2", "WIN", "AH",
    "KINEMETRICS_EVT", "GCF", "KNET", "REFTEK130",
)  # fmt: skip
"""Formats of waveforms that are tried, in this order; none of them names other files."""

INVENTORIES = ("STATIONXML", "SCML", "SEED", "XSEED", "RESP")
"""Formats of station metadata that are tried."""

EVENTS = ("QUAKEML", "SCML", "NDK")
"""Formats of earthquakes that are tried; a CMTSOLUTION is read by `dislok.inversion.cmt` itself."""

MESHES: Mapping[str, str] = {
    ".msh": "gmsh", ".vtk": "vtk", ".vtu": "vtu", ".stl": "stl", ".ply": "ply", ".obj": "obj", ".off": "off",
    ".inp": "abaqus", ".mesh": "medit", ".meshb": "medit", ".nas": "nastran", ".bdf": "nastran",
    ".fem": "nastran", ".su2": "su2", ".ugrid": "ugrid", ".avs": "avsucd",
}  # fmt: skip
"""Endings of mesh files, and the format of each; those in HDF5 or with names of other files are left out."""

CODECS = {
    "bytes", "blosc", "gzip", "zstd", "zlib", "lz4", "bz2", "lzma", "crc32c", "crc32", "adler32",
    "fletcher32", "sharding_indexed", "transpose", "shuffle", "delta", "bitround", "fixedscaleoffset",
    "quantize", "packbits",
}  # fmt: skip
"""Codecs of Zarr arrays that are read: they pack numbers and cannot do anything else."""

_XML = ("STATIONXML", "SCML", "XSEED", "QUAKEML")
_SIXTY = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d):60(?=[^\d])")
_LOADS = {"GLOBAL", "STACK_GLOBAL", "INST", "REDUCE", "OBJ", "NEWOBJ", "BUILD"}
_ARCHIVES = (b"\x1f\x8b\x08", b"BZh", b"PK\x03\x04", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_HEAD = 1 << 16
_FROM_PROTOCOL_2 = 0x80


def waveforms(path: str | Path, *, formats: Sequence[str] = WAVEFORMS, **options: object) -> Object:
    """An ObsPy stream from a file in one of the formats `WAVEFORMS`; `options` go to its reader.

    Raises
    ------
    ImportError
        If ObsPy is not installed.
    ValueError
        If the file is a pickle or an archive, in none of the formats, or damaged; the message names it.
    """
    return _read("waveform", path, formats, options)


def inventory(path: str | Path, *, formats: Sequence[str] = INVENTORIES) -> Object:
    """An ObsPy inventory from a file in one of the formats `INVENTORIES`; errors as of `waveforms`."""
    return _read("inventory", path, formats, {})


def events(path: str | Path, *, formats: Sequence[str] = EVENTS) -> Object:
    """An ObsPy catalogue from a file in one of the formats `EVENTS`; errors as of `waveforms`."""
    return _read("event", path, formats, {})


def mesh(path: str | Path) -> Object:
    """A meshio mesh from a file whose ending is one of `MESHES`; errors as of `waveforms`."""
    file = Path(path)
    refuse(file)
    meshio = installed("meshio", "files of meshes need meshio", "mesh")
    kind = MESHES.get(file.suffix.lower())
    if kind is None:
        raise ValueError(f"{file}: the ending {file.suffix!r} is none of {', '.join(MESHES)}")
    with open(file, "rb") as content:
        if kind == "gmsh" and not content.read(512).lstrip().startswith(b"$"):
            kind = "ansys"
    if kind == "vtu":
        refuse_declarations(file)
    if kind == "abaqus" and b"*INCLUDE" in file.read_bytes().upper():
        raise ValueError(f"{file}: names other files to be included; dislok reads one file only")
    try:
        return meshio.read(file, file_format=kind)
    except (Exception, SystemExit) as error:
        # meshio ends the process when a reader gives up, and its readers raise whatever their formats bring.
        raise ValueError(f"{file}: meshio cannot read this file: {error}") from error


def refuse(path: str | Path) -> None:
    """Raise if a file cannot be read, is a pickle (which is a program, not data), or is an archive.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is a pickle or an archive.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    with open(file, "rb") as content:
        head = content.read(_HEAD)
    if is_pickle(head):
        raise ValueError(
            f"{file}: a pickle, which can run any program when it is read; dislok never reads one"
        )
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        raise ValueError(f"{file}: an archive; unpack it first")


def text_lines(path: str | Path) -> list[str]:
    """Lines of a text file in UTF-8, Latin-1, or UTF-16 with its mark, with or without a byte order mark.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not text, a pickle or an archive; the message names it.
    """
    refuse(path)
    data = Path(path).read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16").splitlines()
        except UnicodeDecodeError:
            raise ValueError(f"{path}: this is no text") from None
    if b"\x00" in data:
        raise ValueError(f"{path}: this is no text")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return data.decode("latin-1").splitlines()


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins with `head` is a pickle of any protocol; nothing in it is run."""
    loads, end = False, 0
    try:
        for operation, _, place in pickletools.genops(head):
            loads, end = loads or operation.name in _LOADS, place or 0
    except Exception:
        # It is no pickle, or it goes on after this head.
        return loads and len(head) == _HEAD and head[0] == _FROM_PROTOCOL_2
    # The letters of a text may stand for operations too, but those of a pickle end with it.
    return loads and (head[0] == _FROM_PROTOCOL_2 or not head[end + 1 :].strip())


def refuse_declarations(path: str | Path) -> None:
    """Raise a `ValueError` if a file is not XML, or declares a document type.

    Entities that a document type declares may stand for other files, or multiply without end.
    """
    parser = expat.ParserCreate()

    def declared(name: str, *_: object) -> None:
        raise ValueError(f"{path}: declares the document type {name!r}; XML with declarations is not read")

    parser.StartDoctypeDeclHandler = declared
    try:
        with open(path, "rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise ValueError(f"{path}: not well-formed XML: {error}") from None


def installed(name: str, purpose: str, extra: str) -> Object:
    """Import a package of an extra; an `ImportError` says what it is for and how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f'{purpose}: pip install "dislok[{extra}]"') from error


def _read(kind: str, path: str | Path, formats: Sequence[str], options: dict[str, object]) -> Object:
    installed("obspy", "seismic formats need ObsPy", "seis")
    file = Path(path)
    refuse(file)
    for name in formats:
        if _is(kind, name, file):
            if name in _XML:
                refuse_declarations(file)
            return _parsed(kind, name, file, options)
    raise ValueError(f"{file}: in none of the formats that dislok reads ({', '.join(formats)})")


def _is(kind: str, name: str, file: Path) -> bool:
    """Whether ObsPy takes a file for one in this format; what it stumbles over is none."""
    try:
        return bool(_entry(kind, name, "isFormat")(str(file)))
    except Exception:
        return False


def _parsed(kind: str, name: str, file: Path, options: dict[str, object]) -> Object:
    source: Object = str(file)
    if name in _XML and _SIXTY.search(content := file.read_bytes()):
        source = io.BytesIO(_SIXTY.sub(_next_minute, content))
    elif name == "NDK":
        # Columns are counted from the first character, which a byte order mark is not.
        source = io.BytesIO("\n".join([*text_lines(file), ""]).encode())
    try:
        return _entry(kind, name, "readFormat")(source, **options)
    except Exception as error:
        # ObsPy's readers raise whatever their formats bring.
        raise ValueError(f"{file}: cannot be read as {name}: {error or type(error).__name__}") from error


def _next_minute(found: re.Match[bytes]) -> bytes:
    """A time whose second 60, of rounding or a leap second, is the next minute's first."""
    minute = datetime.fromisoformat(found[1].decode()) + timedelta(minutes=1)
    return f"{minute:%Y-%m-%dT%H:%M}:00".encode()


def _entry(kind: str, name: str, role: str) -> Object:
    """ObsPy's function that recognises or reads one format."""
    (found,) = entry_points(group=f"obspy.plugin.{kind}.{name}", name=role)
    return found.load()


def zarr_array(group: Object, name: str) -> Object:
    """An array of a Zarr group: plain numbers, and packed by nothing but what packs numbers.

    Raises
    ------
    ValueError
        If the array is missing, holds other things than numbers, or names a codec that is not in `CODECS`.
    """
    where = f"{group.store_path}: array {name!r}"
    try:
        array = group[name]
    except KeyError:
        raise ValueError(f"{where} is missing") from None
    except Exception as error:
        raise ValueError(f"{where} cannot be opened: {error}") from error
    if getattr(array, "dtype", None) is None or array.dtype.kind not in "biufc":
        raise ValueError(f"{where} holds no numbers")
    for codec in _codecs(array.metadata.to_dict()):
        if codec.removeprefix("numcodecs.") not in CODECS:
            raise ValueError(f"{where} is packed by {codec!r}; dislok knows {', '.join(sorted(CODECS))}")
    return array


def _codecs(described: Object, inside: bool = False) -> Iterator[str]:
    """Names of all codecs in the metadata of a Zarr array of either format."""
    if isinstance(described, Mapping):
        for key, value in described.items():
            if inside and key in ("id", "name"):
                yield str(value)
            yield from _codecs(value, inside or key in ("codecs", "filters", "compressor"))
    elif isinstance(described, (list, tuple)):
        for value in described:
            yield from _codecs(value, inside)
