"""Weight files that are damaged or dangerous, some 200 of them."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save, save_file
from tests.model import family_files as files

from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Broken = tuple[str, bytes]
    """What was done to the file, and its content."""

RANDOM = random.Random(0)
GIGABYTE = 1 << 30


def good_state() -> dict[str, torch.Tensor]:
    return {key: value.half() for key, value in files.sam().items()}


def as_pytorch(content: Any, **options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def as_safetensors(state: dict[str, torch.Tensor], folder: Path) -> bytes:
    path = folder / "plain.safetensors"
    save_file(state, path)
    return path.read_bytes()


def archive(pickled: bytes, records: dict[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("archive/data.pkl", pickled)
        for name, data in (records or {}).items():
            out.writestr(f"archive/data/{name}", data)
    return file.getvalue()


def truncated(content: bytes, count: int) -> Iterator[Broken]:
    for _ in range(count):
        size = RANDOM.randrange(len(content))
        yield f"cut at {size}", content[:size]


def flipped(content: bytes, count: int, first: int, last: int) -> Iterator[Broken]:
    for _ in range(count):
        place, bit = RANDOM.randrange(first, last), 1 << RANDOM.randrange(8)
        changed = bytearray(content)
        changed[place] ^= bit
        yield f"bit {bit} at {place}", bytes(changed)


def wrong_shapes(state: dict[str, torch.Tensor], count: int) -> Iterator[Broken]:
    for key in RANDOM.sample(sorted(state), count):
        tensor = state[key]
        changed = torch.cat([tensor, tensor])
        yield f"{key} twice as long", as_pytorch(state | {key: changed})


def bad_numbers(state: dict[str, torch.Tensor]) -> Iterator[Broken]:
    key = "mask_decoder.iou_token.weight"
    values: dict[str, torch.Tensor] = {
        "nan": torch.full((1, 256), torch.nan),
        "infinite": torch.full((1, 256), torch.inf),
        "whole": torch.zeros(1, 256, dtype=torch.int64),
        "bool": torch.zeros(1, 256, dtype=torch.bool),
        "empty": torch.zeros(0, 256),
    }
    for name, value in values.items():
        yield f"{name} numbers", as_pytorch(state | {key: value})


class Call:
    """Unpickling this would call a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.parts


def exploits(sign: Path) -> Iterator[Broken]:
    """Pickles that would create the file `sign`."""
    touch = f"open({str(sign)!r}, 'w').close()"
    calls = {
        "system": Call(os.system, f"touch {sign}"),
        "exec": Call(exec, touch),
        "eval": Call(eval, touch),
        "open": Call(open, str(sign), "w"),
        "mkdir": Call(os.mkdir, str(sign)),
        "popen": Call(subprocess.Popen, ["touch", str(sign)]),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "numpy": Call(eval, f"__import__('numpy').save({str(sign)!r}, 0)"),
        "exit": Call(sys.exit, 3),
        "map": Call(map, print, (1,)),
    }
    for name, call in calls.items():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            wrapped = {"state_dict": {"a": call}, "b": call}
            pickled = pickle.dumps(wrapped, protocol)
            yield f"{name}, protocol {protocol}, zip", archive(pickled)
            if protocol > 1:
                yield f"{name}, protocol {protocol}", pickled


def storage(count: bytes, key: str = "0", kind: str = "HalfStorage") -> bytes:
    """Pickled reference to numbers; `count` is an instruction that gives how many."""
    name = f"ctorch\n{kind}\n".encode()
    text = b"X" + struct.pack("<I", len(key)) + key.encode()
    return (
        b"(X\x07\x00\x00\x00storage"
        + name
        + text
        + b"X\x03\x00\x00\x00cpu"
        + count
        + b"tQ"
    )


def integer(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + data


def tensor(shape: int, stride: int, count: int, offset: int = 0) -> bytes:
    """Pickled one-dimensional tensor with sizes as declared."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage(integer(count))
        + integer(offset)
        + integer(shape)
        + b"\x85"
        + integer(stride)
        + b"\x85\x89ccollections\nOrderedDict\n)RtR"
    )


def entry(value: bytes, key: str = "a") -> bytes:
    return b"X" + struct.pack("<I", len(key)) + key.encode() + value + b"s"


def pickled_dict(*entries: bytes) -> bytes:
    return b"\x80\x02}" + b"".join(entries) + b"."


def huge_sizes() -> Iterator[Broken]:
    """Files of some kilobytes that declare gigabytes."""
    numbers = {"0": bytes(2000)}
    sizes = {
        "count": tensor(1 << 34, 1, 1 << 34),
        "shape": tensor(1 << 34, 1, 1000),
        "repeated number": tensor(1 << 34, 0, 1000),
        "offset": tensor(10, 1, 1000, 1 << 40),
        "negative offset": tensor(10, 1, 1000, -8),
        "negative stride": tensor(10, -1, 1000),
        "negative shape": tensor(-10, 1, 1000),
        "stride": tensor(10, 1 << 40, 1000),
        "large integers": tensor(1 << 62, 1 << 62, 1 << 62),
    }
    for name, value in sizes.items():
        yield f"huge {name}", archive(pickled_dict(entry(value)), numbers)
    shared = [entry(tensor(1000, 1, 1000), str(i)) for i in range(5000)]
    yield "one storage 5000 times", archive(pickled_dict(*shared), numbers)
    yield "bytes", archive(b"\x80\x04\x8e" + struct.pack("<Q", 8 * GIGABYTE) + b".")
    yield "array", archive(b"\x80\x05\x96" + struct.pack("<Q", 8 * GIGABYTE) + b".")
    yield "text", archive(b"\x80\x04\x8d" + struct.pack("<Q", 8 * GIGABYTE) + b".")
    yield "memo", archive(b"\x80\x02}r" + struct.pack("<I", 0xFFFFFFFF) + b"0.")
    yield "lists", archive(b"\x80\x02" + b"](" * 1_000_000 + b".")
    yield "nested", archive(b"\x80\x02)" + b"\x85" * 300_000 + b".")
    old = as_pytorch({"a": torch.zeros(1000)}, _use_new_zipfile_serialization=False)
    yield "old file", old.replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f")
    for length in (1 << 62, 1 << 40, 1 << 24):
        yield f"header of {length}", struct.pack("<Q", length) + b"{}" + bytes(100)
    for shape, stop in (([1 << 40], 1 << 42), ([1 << 62, 1 << 62], 8), ([3], 1 << 50)):
        described = {"dtype": "F32", "shape": shape, "data_offsets": [0, stop]}
        text = json.dumps({"a": described}).encode()
        yield f"safetensors {shape} {stop}", struct.pack("<Q", len(text)) + text


def many_sizes(shape: bytes, stride: bytes, count: int) -> bytes:
    """Pickled tensor of so many dimensions, all alike."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage(integer(1000))
        + integer(0)
        + b"("
        + shape
        + b"q\x01"
        + b"h\x01" * (count - 1)
        + b"t"
        + b"("
        + stride * count
        + b"t"
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def doubling(levels: int) -> bytes:
    """Pickled dictionaries, of which each stands in the next one twice."""
    pickled = b"\x80\x02}q\x00X\x01\x00\x00\x00x}s0"
    for level in range(1, levels + 1):
        inner = b"h" + bytes([level - 1])
        pickled += b"}q" + bytes([level]) + entry(inner) + entry(inner, "b") + b"0"
    return pickled + b"h" + bytes([levels]) + b"."


def many_places(entries: int, places: int) -> bytes:
    """Pickled dictionary without tensors that stands in very many places."""
    large = b"".join(entry(b"N", str(i)) for i in range(entries))
    return pickled_dict(
        entry(b"}q\x00" + large), *(entry(b"h\x00", f"a{i}") for i in range(places))
    )


def endless() -> Iterator[Broken]:
    """Files of at most a megabyte that would keep a reader busy for hours."""
    numbers = {"0": bytes(2000)}
    huge = b"\x8a\xff" + b"\xff" * 254 + b"\x7f"
    dimensions = {
        "9 dimensions": many_sizes(b"K\x01", b"K\x00", 9),
        "150000 dimensions": many_sizes(b"K\x01", b"K\x00", 150_000),
        "190000 huge factors": many_sizes(huge, b"K\x00", 190_000),
        "a size of 2**63": many_sizes(integer(1 << 63), b"K\x00", 1),
    }
    for name, value in dimensions.items():
        yield name, archive(pickled_dict(entry(value)), numbers)
    for levels in (12, 20, 40):
        yield f"{levels} doubled dictionaries", archive(doubling(levels))
    yield "dictionary in many places", archive(many_places(50_000, 60_000))
    yield (
        "dictionary in itself",
        archive(pickled_dict(b"q\x00", entry(b"h\x00", "model"))),
    )


def zip_bombs() -> Iterator[Broken]:
    zeros = bytes(1 << 20)
    for name in ("archive/data.pkl", "archive/data/0"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            with out.open(name, "w") as record:
                for _ in range(512):
                    record.write(zeros)
            if name != "archive/data.pkl":
                value = tensor(1 << 28, 1, 1 << 28)
                out.writestr("archive/data.pkl", pickled_dict(entry(value)))
        yield f"half a gigabyte in {name}", file.getvalue()
    yield "overlapping records", overlapping()
    yield "another archive", archive_of("notes.txt", b"hello")


def overlapping() -> bytes:
    """A thousand entries of the directory that share one record of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("archive/data.pkl", pickled_dict(entry(tensor(9, 1, 1 << 19))))
        out.writestr("archive/data/0", bytes(1 << 20))
        out.filelist += [out.filelist[-1]] * 1000
    return file.getvalue()


def archive_of(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr(name, data)
    return file.getvalue()


def large() -> Iterator[Broken]:
    """Files of 17 MB and more in which only the last tensor is wrong."""
    shape = SamShape(64, 256, 4, (2, 0, 2, 0), 1024)
    state = {key: value.half() for key, value in files.sam(shape).items()}
    state["mask_decoder.transformer.norm_final_attn.weight"][0] = torch.nan
    yield "large with NaN", as_pytorch(state)
    del state["mask_decoder.transformer.norm_final_attn.weight"]
    yield "large with a tensor missing", as_pytorch(state)
    yield "large safetensors with a tensor missing", save(state)
    single = {key: value.float() for key, value in state.items()}
    yield "large safetensors in single precision", save(single)
    shifted = {k: torch.cat([v.flatten(), v.flatten()[:1]]) for k, v in state.items()}
    views = {key: shifted[key][1:].view(v.shape) for key, v in state.items()}
    yield "large with views of half numbers", as_pytorch(views)


def dangerous() -> list[Broken]:
    return [*huge_sizes(), *endless(), *zip_bombs(), *large()]
