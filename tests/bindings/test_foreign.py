"""Files that do harm, where a reader of the ecosystem would let them: each would leave a mark if it could."""

import contextlib
import io
import json
import os
import pickle
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dislok import foreign
from dislok.cli import main
from dislok.inversion.cmt import read
from dislok.inversion.mesh import read_mesh, write_mesh
from dislok.layers import LayeredModel

REFERENCE = datetime(2020, 1, 1, tzinfo=UTC)


class Program:
    """What makes a folder as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path):
    """A path that must not exist after the test."""
    path = tmp_path / "mark"
    yield path
    assert not path.exists(), "a file ran a program"


def stream(obspy, mark):
    """A real ObsPy stream with a program among its attributes, as ObsPy itself would pickle it."""
    trace = obspy.Trace(np.zeros(8), {"station": "A", "channel": "LXE"})
    trace.stats.extra = Program(mark)
    return obspy.Stream([trace])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "name", ["waves.mseed", "waves.sac", "waves", "stations.xml", "mesh.msh", "mesh.vtu"]
)
def test_a_pickle_is_refused_by_name(tmp_path, mark, name, protocol):
    (tmp_path / name).write_bytes(pickle.dumps([Program(mark)], protocol))
    for reader in (foreign.waveforms, foreign.inventory, foreign.events, foreign.mesh):
        with pytest.raises(ValueError, match=f"{name}: a pickle, which can run any program"):
            reader(tmp_path / name)


class TestWaveforms:
    @pytest.fixture(autouse=True)
    def needs(self):
        self.obspy = pytest.importorskip("obspy", reason="needs ObsPy")

    def test_obspy_itself_would_run_it(self, tmp_path):
        # The reason for all this: if ObsPy stops to do so, these tests say less than they seem to.
        (tmp_path / "waves.mseed").write_bytes(pickle.dumps(stream(self.obspy, tmp_path / "ran")))
        with contextlib.suppress(FileExistsError):  # it even runs twice
            self.obspy.read(str(tmp_path / "waves.mseed"))
        assert (tmp_path / "ran").exists()

    def test_no_file_of_a_folder_is_unpickled(self, tmp_path, mark):
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "b.mseed").write_bytes(pickle.dumps(stream(self.obspy, mark)))
        with pytest.raises(ValueError, match=r"b\.mseed: a pickle"):
            read(folder, REFERENCE)

    def test_through_the_command(self, tmp_path, mark, capsys):
        (tmp_path / "waves.mseed").write_bytes(pickle.dumps(stream(self.obspy, mark)))
        (tmp_path / "event.toml").write_text(
            '[event]\nname = "x"\norigin_time = 2020-01-01T00:00:00\n'
            "latitude = 0.0\nlongitude = 0.0\ndepth = 10.0\n"
            '[crust]\nlayers = [[inf, 6.0, 3.5, 2.7]]\n[[waveforms]]\nfile = "waves.mseed"\n'
        )
        assert main(["cmt", str(tmp_path / "event.toml"), "--out", str(tmp_path / "out")]) == 2
        assert "a pickle" in capsys.readouterr().err

    @pytest.mark.parametrize("archive", ["tar", "tar.gz", "zip", "gz", "bz2"])
    def test_archives_are_refused(self, tmp_path, mark, archive):
        import bz2
        import gzip

        content = pickle.dumps(stream(self.obspy, mark))
        path = tmp_path / f"waves.{archive}"
        if archive.startswith("tar"):
            with tarfile.open(path, "w:gz" if archive.endswith("gz") else "w") as tar:
                member = tarfile.TarInfo("../waves")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        elif archive == "zip":
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("../waves", content)
        else:
            path.write_bytes((gzip if archive == "gz" else bz2).compress(content))
        with pytest.raises(ValueError, match="an archive; unpack it first"):
            foreign.waveforms(path)

    @pytest.mark.parametrize("name", ["a[1].mseed", "*.mseed"])
    def test_a_name_is_no_pattern(self, tmp_path, name):
        for file in (name, "a1.mseed"):
            self.obspy.Stream([self.obspy.Trace(np.arange(9.0), {"station": file[:2]})]).write(
                str(tmp_path / file), format="MSEED"
            )
        assert [t.stats.station for t in foreign.waveforms(tmp_path / name)] == [name[:2]]

    def test_formats_of_the_list_are_read(self, tmp_path):
        trace = self.obspy.Trace(np.arange(50, dtype=np.int32), {"station": "ABC", "channel": "LXE"})
        for kind in ("MSEED", "SAC", "GSE2", "SLIST", "TSPAIR", "SACXY", "AH"):
            assert kind in foreign.WAVEFORMS
            draft = trace.copy()
            if kind in ("SAC", "SACXY", "AH"):
                draft.data = draft.data.astype(np.float32)
            draft.write(str(tmp_path / kind), format=kind)
            (again,) = foreign.waveforms(tmp_path / kind)
            np.testing.assert_allclose(again.data, trace.data)

    def test_nothing_runs_in_any_listed_format(self):
        assert not {"PICKLE", "CSS", "NNSA_KB_CORE", "Q"} & set(foreign.WAVEFORMS)

    def test_no_known_format(self, tmp_path):
        (tmp_path / "notes.txt").write_text("call me\nlater\n")
        with pytest.raises(ValueError, match=r"notes\.txt: in none of the formats that dislok reads \(MSEED"):
            foreign.waveforms(tmp_path / "notes.txt")

    def test_a_damaged_file_is_named(self, tmp_path):
        self.obspy.Stream([self.obspy.Trace(np.arange(4000.0))]).write(str(tmp_path / "a.sac"), format="SAC")
        content = (tmp_path / "a.sac").read_bytes()
        (tmp_path / "a.sac").write_bytes(content[:3000])
        with pytest.raises(ValueError, match=r"a\.sac: (cannot be read as SAC|in none)"):
            foreign.waveforms(tmp_path / "a.sac")


STATIONS = """<?xml version="1.0" encoding="UTF-8"?>
{declaration}<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.1">
<Source>{text}</Source><Created>2020-01-01T00:00:00</Created></FDSNStationXML>
"""
LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("declaration", "text"),
    [
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}">]>', "&e;"),
        ('<!DOCTYPE a [<!ENTITY l0 "ha">' + LAUGHS + "]>", "&l9;"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "x"),
    ],
)
def test_station_metadata_declare_no_entities(tmp_path, declaration, text, encoding):
    pytest.importorskip("obspy", reason="needs ObsPy")
    (tmp_path / "secret").write_text("secret words")
    content = STATIONS.format(declaration=declaration.format(secret=tmp_path / "secret"), text=text).replace(
        "UTF-8", encoding.upper()
    )
    (tmp_path / "stations.xml").write_text(content, encoding=encoding)
    with pytest.raises(ValueError, match=r"stations\.xml: (declares|in none)"):
        foreign.inventory(tmp_path / "stations.xml")


def test_station_metadata_are_read(tmp_path):
    pytest.importorskip("obspy", reason="needs ObsPy")
    (tmp_path / "stations.xml").write_text(STATIONS.format(declaration="", text="somebody"))
    assert foreign.inventory(tmp_path / "stations.xml").source == "somebody"


class TestMeshes:
    @pytest.fixture(autouse=True)
    def needs(self):
        self.meshio = pytest.importorskip("meshio", reason="files of meshes need meshio")

    def test_entities(self, tmp_path):
        text = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "ha">' + LAUGHS + "]><VTKFile>&l9;</VTKFile>"
        (tmp_path / "mesh.vtu").write_text(text)
        with pytest.raises(ValueError, match=r"mesh\.vtu: declares the document type 'a'"):
            read_mesh(tmp_path / "mesh.vtu")

    def test_other_files(self, tmp_path):
        (tmp_path / "mesh.inp").write_text("*HEADING\n*include, input=/etc/hostname\n")
        with pytest.raises(ValueError, match=r"mesh\.inp: names other files"):
            read_mesh(tmp_path / "mesh.inp")

    @pytest.mark.parametrize("ending", [".xdmf", ".h5", ".med", ".cgns", ".e", ".exo", ".hmf", ".h5m"])
    def test_formats_that_name_other_files_are_not_read(self, tmp_path, ending):
        (tmp_path / f"mesh{ending}").write_text("<Xdmf/>")
        with pytest.raises(ValueError, match=f"the ending '{ending}' is none of .msh"):
            read_mesh(tmp_path / f"mesh{ending}")

    @pytest.mark.parametrize(
        "ending", [".msh", ".vtk", ".vtu", ".stl", ".ply", ".obj", ".off", ".inp", ".mesh"]
    )
    def test_listed_endings_are_read(self, tmp_path, ending):
        points = np.array([[0.0, 0, -1], [1, 0, -1], [0, 1, -1], [1, 1, -2]])
        draft = self.meshio.Mesh(points, [("triangle", np.array([[0, 1, 2], [1, 3, 2]]))])
        draft.write(tmp_path / f"m{ending}")
        assert read_mesh(tmp_path / f"m{ending}").size == 2
        write_mesh(tmp_path / f"again{ending}", read_mesh(tmp_path / f"m{ending}"))
        assert read_mesh(tmp_path / f"again{ending}").size == 2


def test_models_of_the_crust_are_numbers(tmp_path, mark):
    (tmp_path / "crust.txt").write_text(f"__import__('os').mkdir('{mark}') 6 3.5 2.7\n")
    with pytest.raises(ValueError, match=r"crust\.txt"):
        LayeredModel.read(tmp_path / "crust.txt")


def _hostile_archive(path, mark):
    array = np.array([Program(mark)], dtype=object)
    np.savez(
        path,
        allow_pickle=True,
        problem=array,
        format=array,
        station=array,
        disp_enu_m=array,
        lat=array,
        lon=array,
    )


def test_archives_of_arrays_hold_no_objects(tmp_path, mark):
    from dislok import store
    from dislok.inversion.cmt import result as cmt
    from dislok.inversion.cmt.records import read_archive
    from dislok.inversion.slip import result as slip

    path = tmp_path / "a.npz"
    _hostile_archive(path, mark)
    (tmp_path / "a.json").write_text(json.dumps({"format": cmt.FORMAT, "fits": [{"name": "a", "kind": "b"}]}))
    readers = (store.read_arrays, read_archive, slip.load, lambda p: cmt.load(p.with_suffix(".json")))
    for reader in readers:
        with pytest.raises((ValueError, KeyError)):
            reader(path)
    path.write_bytes(pickle.dumps(Program(mark)))
    for reader in readers:
        with pytest.raises(ValueError):
            reader(path)


@pytest.mark.parametrize(
    "described",
    [
        {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]},
        {"dtype": "<f8", "filters": [{"id": "pickle", "protocol": 5}]},
    ],
)
def test_zarr_arrays_hold_no_objects(tmp_path, mark, described):
    pytest.importorskip("zarr")
    from dislok.tables import GreensTable

    place = tmp_path / "table.zarr"
    (place / "distances").mkdir(parents=True)
    (place / ".zgroup").write_text('{"zarr_format": 2}')
    (place / ".zattrs").write_text(json.dumps({"dislok_table": 1, "receiver": 0, "accuracy": 0, "error": 0}))
    array = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "compressor": None,
        "fill_value": None,
        "order": "C",
    }
    (place / "distances" / ".zarray").write_text(json.dumps({**array, **described}))
    (place / "distances" / "0").write_bytes(pickle.dumps(Program(mark)))
    with pytest.raises(ValueError):
        GreensTable.open(place)
