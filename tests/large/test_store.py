"""What long work keeps: fingerprints, atomic files, pieces and blocks; kills at any moment, damaged files."""

import dataclasses
import os
import subprocess
import sys
import textwrap
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from dislok import store


@dataclasses.dataclass
class Fact:
    a: object
    b: int = 0


class TestFingerprint:
    DIFFERENT = (
        1, 1.0, True, "1", b"1", None, "", (1,), [1], (1, 1), ((1,), 1), {"a": 1}, {"a": "1"}, {1}, Fact(1),
        Fact(1, 1), np.float64(1.0), np.float32(1.0), np.ones(1), np.ones(2), np.ones((1, 1)),
        np.ones(1, int),
        np.ma.array([1.0], mask=[True]), np.ma.array([1.0], mask=[False]), slice(1), slice(1, 2), Path("a"),
        Path("b"), datetime(2020, 1, 1), 1j, ("ab", "c"), ("a", "bc"),
    )  # fmt: skip

    def test_different_facts(self):
        marks = [store.fingerprint(fact) for fact in self.DIFFERENT]
        assert len(set(marks)) == len(marks)
        assert store.fingerprint("ab", "c") != store.fingerprint("a", "bc")

    def test_equal_facts(self):
        for fact in self.DIFFERENT:
            assert store.fingerprint(fact) == store.fingerprint(fact)
        assert store.fingerprint({"a": 1, "b": 2}) == store.fingerprint({"b": 2, "a": 1})
        large = np.arange(12.0).reshape(3, 4)
        assert store.fingerprint(large.T) == store.fingerprint(large.T.copy())

    def test_every_number_of_a_large_array_counts(self):
        large = np.zeros(10_000)
        before = store.fingerprint(large, (large,))
        large[5000] = 1.0
        assert store.fingerprint(large, (np.zeros(10_000),)) != before
        assert store.fingerprint(np.zeros(10_000), (large,)) != before

    def test_tensors(self):
        torch = pytest.importorskip("torch")
        assert store.fingerprint(torch.ones(2, dtype=torch.float64)) == store.fingerprint(np.ones(2))

    @pytest.mark.parametrize("fact", [object(), print, np.array([object()]), [lambda: 1], Fact(object())])
    def test_what_cannot_be_told_apart(self, fact):
        with pytest.raises(TypeError, match="cannot tell"):
            store.fingerprint(fact)

    def test_in_another_process(self):
        code = "from dislok.store import fingerprint; print(fingerprint({'a', 'b', 'c'}, 'x', 1.5))"
        for seed in ("1", "2"):
            done = subprocess.run(
                [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
            )
            assert done.stdout.decode().strip() == store.fingerprint({"a", "b", "c"}, "x", 1.5)


class TestWriting:
    def test_the_old_file_stays_until_the_new_one_is_complete(self, tmp_path):
        path = tmp_path / "a.txt"
        store.write_text(path, "old")
        with pytest.raises(RuntimeError), store.writing(path) as draft:
            assert draft.suffix == ".txt" and draft.parent == tmp_path
            draft.write_text("half")
            assert path.read_text() == "old"
            raise RuntimeError
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["a.txt"]

    def test_what_a_writer_put_beside_its_draft_goes_with_it(self, tmp_path):
        with pytest.raises(RuntimeError), store.writing(tmp_path / "a.tif") as draft:
            draft.write_text("half")
            draft.with_name(f"{draft.name}.ovr.tmp").write_text("overviews")
            raise RuntimeError
        assert os.listdir(tmp_path) == []

    def test_drafts_of_processes_that_are_no_more_are_swept(self, tmp_path):
        leave = (
            "import os, sys; from dislok import store\n"
            "with store.writing(sys.argv[1]) as draft:\n"
            "    draft.write_text('half')\n"
            "    draft.with_name(draft.name + '.ovr.tmp').write_text('x')\n"
            "    os._exit(1)"
        )
        subprocess.run([sys.executable, "-c", leave, str(tmp_path / "a.tif")], check=False)
        assert len(os.listdir(tmp_path)) == 2
        with store.writing(tmp_path / "b.tif") as draft:
            draft.write_text("of a process that lives")
            store.sweep(tmp_path)
            assert os.listdir(tmp_path) == [draft.name]

    def test_folders(self, tmp_path):
        with store.writing(tmp_path / "a.zarr") as draft:
            draft.mkdir()
            (draft / "x").write_text("x")
            assert not (tmp_path / "a.zarr").exists()
        assert os.listdir(tmp_path) == ["a.zarr"]
        with pytest.raises(OSError), store.writing(tmp_path / "a.zarr") as draft:
            draft.mkdir()
        assert (tmp_path / "a.zarr" / "x").read_text() == "x"
        assert os.listdir(tmp_path) == ["a.zarr"]

    def test_a_full_disk(self, tmp_path):
        if not os.path.exists("/dev/full"):
            pytest.skip("needs /dev/full")
        with pytest.raises(OSError), store.writing(tmp_path / "a") as draft:
            draft.symlink_to("/dev/full")
            draft.write_text("x" * 100_000)
        assert not os.listdir(tmp_path)


def flipped(path, at=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 0x10
    path.write_bytes(bytes(content))


class TestPieces:
    def test_kept(self, tmp_path):
        calls = []

        def make():
            calls.append(1)
            return {"x": np.arange(5), "word": "a"}

        for _ in range(2):
            pieces = store.Pieces(tmp_path, "p")
            got = pieces.keep("a-1", make)
            np.testing.assert_array_equal(got["x"], np.arange(5))
            assert str(got["word"]) == "a"
        assert len(calls) == 1 and pieces.finished == 1 and pieces.names() == ["a-1"]

    def test_without_a_folder(self):
        pieces = store.Pieces(None, "p")
        assert pieces.keep("a", lambda: {"x": 1})["x"] == 1
        assert pieces.names() == [] and pieces.verify() == {} and not pieces.finished

    def test_of_another_problem(self, tmp_path):
        store.Pieces(tmp_path, "p").keep("a", lambda: {"x": 1})
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match="belongs to another problem; choose another place"):
            store.Pieces(tmp_path, "q")
        assert store.Pieces(tmp_path, "q", others="forget").keep("a", lambda: {"x": 2})["x"] == 2
        assert (tmp_path / "notes.txt").exists()

    @pytest.mark.parametrize("name", ["", "../a", "a/b", ".a", "problem", "a b"])
    def test_names(self, tmp_path, name):
        with pytest.raises(ValueError, match="is no name of a piece"):
            store.Pieces(tmp_path, "p").keep(name, dict)

    @pytest.mark.parametrize("how", ["every byte", "cut", "empty", "junk"])
    def test_damaged_pieces_are_named_and_made_anew(self, tmp_path, how):
        path = tmp_path / "a.npz"
        truth = np.arange(16.0)
        store.Pieces(tmp_path, "p").keep("a", lambda: {"x": truth})
        whole = path.read_bytes()
        for at in range(0, len(whole), 7) if how == "every byte" else [0]:
            path.write_bytes({"cut": whole[:-40], "empty": b"", "junk": b"junk"}.get(how, whole))
            if how == "every byte":
                flipped(path, at)
            wrong = store.Pieces(tmp_path, "p").verify()
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                got = store.Pieces(tmp_path, "p").keep("a", lambda: {"x": truth})
            # Some bytes of a ZIP file mean nothing (dates, say); then nothing is wrong, and nothing is said.
            np.testing.assert_array_equal(got["x"], truth)
            assert len(said) == len(wrong) and all("a.npz is damaged" in str(w.message) for w in said)
            assert how == "every byte" or wrong

    def test_a_damaged_mark(self, tmp_path):
        store.Pieces(tmp_path, "p").keep("a", lambda: {"x": 1})
        (tmp_path / "problem.npz").write_bytes(b"PK")
        with pytest.warns(UserWarning, match="problem.npz is damaged"):
            assert store.Pieces(tmp_path, "p").names() == []

    def test_drafts_of_the_dead_are_removed(self, tmp_path):
        code = f"""
            import os
            from dislok import store
            with store.writing({str(tmp_path / "a.npz")!r}) as draft:
                draft.write_text("half")
                os.kill(os.getpid(), 9)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
        assert len(os.listdir(tmp_path)) == 1
        store.Pieces(tmp_path, "p")
        assert os.listdir(tmp_path) == ["problem.npz"]


@pytest.fixture
def blocks(tmp_path):
    pytest.importorskip("zarr")
    from dislok.large.blocks import Blocks, Layout

    layouts = {"image": Layout((7, 4, 5), (3, 4, 5), "float32"), "label": Layout((7,), (3,), "int64")}
    made = Blocks.create(tmp_path / "data.zarr", "p", layouts, axes=1, attributes={"origin": "here"})
    for (k,) in made.missing():
        made.write((k,), part(k))
    return made


def part(k):
    rows = slice(3 * k, min(3 * k + 3, 7))
    image = np.arange(7 * 4 * 5, dtype=np.float32).reshape(7, 4, 5)
    return {"image": image[rows], "label": np.arange(7)[rows]}


class TestBlocks:
    def test_values(self, blocks):
        assert blocks.total == 3 and not blocks.missing() and not blocks.verify()
        np.testing.assert_array_equal(blocks.arrays["label"][...], np.arange(7))
        np.testing.assert_array_equal(blocks.group["image"][6], part(2)["image"][0])
        assert blocks.group.attrs["origin"] == "here"
        np.testing.assert_array_equal(blocks.read((1,))["label"], [3, 4, 5])

    def test_what_was_never_written_is_no_number(self, blocks, tmp_path):
        from dislok.large.blocks import Blocks, Layout

        more = Blocks.create(tmp_path / "b.zarr", "p", {"values": Layout((4,), (2,), "float64")})
        assert np.isnan(more.group["values"][...]).all()
        more.write((0,), {"values": np.full(2, np.nan)})
        assert more.missing() == [(1,)] and not more.verify()

    def test_arrays_that_do_not_go_together(self, tmp_path):
        pytest.importorskip("zarr")
        from dislok.large.blocks import Blocks, Layout

        with pytest.raises(ValueError, match="the same number of chunks along the first 1 axes"):
            Blocks.create(
                tmp_path / "a", "p", {"a": Layout((4,), (2,), "f4"), "b": Layout((4,), (1,), "f4")}, axes=1
            )
        assert not (tmp_path / "a").exists()

    @pytest.mark.parametrize(
        ("harm", "said"),
        [
            (lambda file: flipped(file), "image/c/1/0/0 cannot be read"),
            (lambda file: file.write_bytes(file.read_bytes()[:-9]), "image/c/1/0/0 cannot be read"),
            (lambda file: file.write_bytes(b""), "image/c/1/0/0 cannot be read"),
            (lambda file: file.unlink(), "image/c/1/0/0 is missing"),
            (lambda file: file.write_bytes((file.parents[2] / "0/0/0").read_bytes()), "holds other values"),
        ],
    )
    def test_damage_is_found_named_and_made_good(self, blocks, harm, said):
        harm(blocks.path / "image" / "c" / "1" / "0" / "0")
        (damage,) = blocks.verify()
        assert damage.block == (1,) and said in damage.reason
        blocks.forget([damage.block])
        assert blocks.missing() == [(1,)]
        blocks.write((1,), part(1))
        assert not blocks.verify()

    def test_a_flipped_byte_is_never_read_as_a_value(self, blocks):
        file = blocks.path / "image" / "c" / "1" / "0" / "0"
        whole = file.read_bytes()
        for at in range(len(whole)):
            flipped(file, at)
            with pytest.raises(Exception):  # noqa: B017, PT011
                blocks.group["image"][...]
            file.write_bytes(whole)

    def test_a_damaged_mark_counts_as_none(self, blocks):
        flipped(blocks.path / "done" / "c" / "2")
        assert blocks.missing() == [(2,)]

    def test_other_things_in_the_place(self, blocks, tmp_path):
        import zarr

        from dislok.large.blocks import Blocks, Layout

        layouts = {"values": Layout((4,), (2,), "float64")}
        with pytest.raises(ValueError, match="belongs to another array"):
            Blocks.create(blocks.path, "q", layouts)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes").write_text("x")
        with pytest.raises(ValueError, match="holds something else"):
            Blocks.create(tmp_path / "mine", "p", layouts)
        zarr.open_group(tmp_path / "other", mode="w").create_array("elevation", shape=(3,), dtype="f4")
        with pytest.raises(ValueError, match="is a Zarr group of something else"):
            Blocks.create(tmp_path / "other", "p", layouts)
        with pytest.raises(ValueError, match="holds no blocks of dislok"):
            Blocks.open(tmp_path / "nothing")

    @pytest.mark.parametrize("arrays", [(), ("values",), ("values", "done")])
    def test_killed_before_the_group_was_complete(self, tmp_path, arrays):
        zarr = pytest.importorskip("zarr")
        from dislok.large.blocks import Blocks, Layout

        group = zarr.open_group(tmp_path / "a.zarr", mode="a")
        for name in arrays:
            group.create_array(name, shape=(4,), chunks=(2,), dtype="f8")
        made = Blocks.create(tmp_path / "a.zarr", "p", {"values": Layout((4,), (2,), "float64")})
        assert made.missing() == [(0,), (1,)]


KILLED = """
    import os, sys, threading, time
    import numpy as np
    from dislok import store
    {imports}
    def end():
        time.sleep(float(sys.argv[2]))
        os.kill(os.getpid(), 9)
    threading.Thread(target=end, daemon=True).start()
    {work}
    print("finished")
"""
PIECES = """
    pieces = store.Pieces(sys.argv[1], "p")
    for k in range(40):
        pieces.keep(f"part-{k}", lambda k=k: {"x": np.full(50_000, k)})
"""
BLOCKS = """
    from dislok.large.blocks import Blocks, Layout
    layout = Layout((40, 50_000), (1, 50_000), "float64")
    blocks = Blocks.create(sys.argv[1] + "/a.zarr", "p", {"values": layout}, axes=1)
    for index in blocks.missing():
        blocks.write(index, {"values": np.full((1, 50_000), index[0])})
"""


@pytest.mark.slow
@pytest.mark.parametrize("work", [PIECES, BLOCKS], ids=["pieces", "blocks"])
def test_killed_at_any_moment(tmp_path, work):
    """A process that is killed again and again finishes, and its result is right."""
    if work is BLOCKS:
        pytest.importorskip("zarr")
    code = textwrap.dedent(KILLED).format(
        imports="import zarr" if work is BLOCKS else "", work=textwrap.dedent(work)
    )
    ended = False
    for attempt in range(40):
        arguments = [sys.executable, "-c", code, str(tmp_path), str(0.002 * 1.25**attempt)]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode in (0, -9), done.stderr
        ended = "finished" in done.stdout
        if ended:
            break
    assert ended
    if work is BLOCKS:
        from dislok.large.blocks import Blocks

        blocks = Blocks.open(tmp_path / "a.zarr")
        assert not blocks.missing() and not blocks.verify()
        np.testing.assert_array_equal(blocks.group["values"][:, 7], np.arange(40))
        return
    pieces = store.Pieces(tmp_path, "p")
    assert not pieces.verify() and len(pieces.names()) == 40
    for k in range(40):
        assert (pieces.keep(f"part-{k}", dict)["x"] == k).all()
    assert not [name for name in os.listdir(tmp_path) if "draft" in name]
