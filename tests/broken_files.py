"""Damages ``.npz`` files in every way that has caused a traceback, and at random with a fixed seed."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np


def with_member(path: Path, name: str, content: bytes) -> None:
    """Replace or add one member of the archive ``path``; its content need not be valid."""
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w") as archive:
        for one, bytes_of_it in members.items():
            archive.writestr(one, bytes_of_it)


def header_only(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """Return the header of an array file, without the array's entries."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    return header.getvalue()


def corruptions(good: Path, key: str, count: int) -> Iterator[Path]:
    """Yield damaged copies of ``good``, each in one way, all under the same path in its folder.

    Args:
        good: a valid file.
        key: the array that is damaged.
        count: the number of copies that are cut at random, and of copies with random bytes.
    """
    whole, bad, rng = good.read_bytes(), good.with_name("bad.npz"), np.random.default_rng(0)
    contents = (
        header_only((2**40,)),  # 4 TiB
        header_only((-1, 2)),
        header_only((0,)),
        header_only((3,), "|O"),
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x09\x00\x10\x00" + b" " * 16,
        b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4' \n",
    )
    for content in contents:
        bad.write_bytes(whole)
        with_member(bad, f"{key}.npy", content)
        yield bad
    with np.load(good) as stored:
        arrays = {name: stored[name] for name in stored.files}
    shapes = (np.zeros((0, *arrays[key].shape[1:])), np.float32(1), arrays[key][None], arrays[key][:-1])
    types = (arrays[key].astype(one) for one in (complex, "m8[s]", "M8[s]", str, bool, np.uint64, np.float16, "S3"))
    structured = np.zeros(len(arrays[key]), [("a", "f4")])
    for array in (*shapes, *types, structured):
        np.savez(bad, **(arrays | {key: array}))
        yield bad
    for name in ("readme.txt", "nested/x.npy"):
        bad.write_bytes(whole)
        with_member(bad, name, b"text")
        yield bad
    for length in rng.integers(0, len(whole), count):
        bad.write_bytes(whole[:length])
        yield bad
    for _ in range(count):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        bad.write_bytes(damaged.tobytes())
        yield bad


def refusal(kind: type[Exception], job: Callable[..., Any], *arguments: Any) -> str:
    """Return the message of the error of type ``kind`` that ``job`` raises; "" if it raises none."""
    try:
        job(*arguments)
    except kind as error:
        return str(error)
    return ""
