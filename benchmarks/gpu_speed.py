"""How fast on a CUDA GPU, against the reference implementation.

    PYTHONPATH=src python benchmarks/gpu_speed.py --reference DIR [--json FILE]
        [--models vit_b vit_l vit_h] [--parts ...] [--seconds 95]
        [--device cpu --tiny]

DIR is where `segment_anything` lies; torchvision must be there, too. Random weights,
the same in both; the calls of a round alternate, and a ratio is that of medians. The
reference runs as it is, in float32 and under autocast; ours as it ships, through
`Network` and `SamPredictor`. TF32 is off everywhere. What fails, or no longer fits into
the seconds, says so in a line and the rest goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from gpu_bench import (
    F32,
    HALF,
    STARTED,
    TINY,
    Bench,
    disks,
    iou,
    networks,
    predictor_of,
)
from published import SHAPES
from torch.utils.flop_counter import FlopCounterMode

from napari_sam_adapter import (
    EverythingSettings,
    Prompts,
    SamPredictor,
    load_predictor,
    segment_everything,
)
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.network.embedding import ImageEmbedding
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.prompt_tensors import PromptTensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_bench import Calls

SIDE = 1024
WAYS = "reference float32", "reference bfloat16", "float32", "bfloat16"
BATCHES, EXACT_BATCHES = (1, 4, 8, 16), (1, 8)
DECODED, PLANES, SPOTS = (1, 64), 64, 16
PARTS = "peak", "encode", "stack", "decode", "real", "everything", "adapter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", help="folder that has segment_anything")
    parser.add_argument("--json", help="file to write all numbers to")
    parser.add_argument("--models", nargs="*", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--seconds", type=float, default=95)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="look whether it runs")
    chosen = parser.parse_args()
    if chosen.reference:
        sys.path.append(chosen.reference)
    torch.backends.cudnn.allow_tf32 = False
    bench = Bench(chosen)
    parts: dict[str, Callable[[], object]] = {
        "peak": lambda: measure_peak(bench),
        "encode": lambda: measure_encoders(bench, chosen.models),
        "stack": lambda: measure_stack(bench),
        "decode": lambda: measure_decoder(bench),
        "real": lambda: measure_real(bench),
        "everything": lambda: measure_everything(bench),
        "adapter": lambda: measure_adapter(bench),
    }
    with torch.inference_mode():
        for part in chosen.parts:
            bench.run(part, parts[part])
    name = torch.cuda.get_device_name() if bench.is_gpu else "CPU"
    machine = f"{name}, PyTorch {torch.__version__}"
    bench.keep("machine", machine)
    bench.tell(f"\n{machine}, {time.perf_counter() - STARTED:.0f} s in all")


def measure_peak(bench: Bench) -> None:
    side = 256 if bench.is_tiny else 8192
    for dtype in (HALF, F32):
        a, b = (torch.randn(side, side, device=bench.device).to(dtype) for _ in "ab")
        bench.works(lambda a=a, b=b: a @ b)
        ms = bench.milliseconds({"product": lambda a=a, b=b: a @ b})["product"]
        rate = 2 * side**3 / ms / 1e9
        bench.keep(f"peak {dtype}", rate)
        bench.tell(f"product of {side} x {side} in {dtype}: {rate:.1f} TFLOP/s")
        if dtype == HALF:
            bench.peak = rate


ENCODER_HEAD = (
    "\n| encoder | batch | reference float32 | reference bfloat16 | float32 | bfloat16 "
    "| ratio float32 | ratio bfloat16 | ratio to float32 | TFLOP/s | of peak "
    "| memory bfloat16: reference, ours |\n|---|" + 11 * "--:|"
)


def measure_encoders(bench: Bench, names: list[str]) -> None:
    bench.tell("milliseconds for each image" + ENCODER_HEAD)
    for name in names[:1] if bench.is_tiny else names:
        bench.run(name, lambda name=name: measure_encoder(bench, name))


def measure_encoder(bench: Bench, name: str) -> None:
    theirs, sam = networks(bench, name)
    exact, half = (predictor_of(bench, sam, dtype) for dtype in (F32, HALF))
    batches = BATCHES[:2] if bench.is_tiny else BATCHES
    images = torch.randn(batches[-1], SIDE, SIDE, 3, device=bench.device)
    images = images.permute(0, 3, 1, 2)
    with FlopCounterMode(display=False) as counter:
        expected = theirs.image_encoder(images[:1])
    flops = counter.get_total_flops()
    for batch in batches:
        part = images[:batch]

        def reference_half(part: torch.Tensor = part) -> object:
            with torch.autocast(bench.device.type, HALF):
                return theirs.image_encoder(part)

        calls: Calls = {
            "reference bfloat16": reference_half,
            "bfloat16": lambda p=part: half.network.encode(p, (SIDE, SIDE)),
        }
        if batch in EXACT_BATCHES:
            calls |= {
                "reference float32": lambda p=part: theirs.image_encoder(p),
                "float32": lambda p=part: exact.network.encode(p, (SIDE, SIDE)),
            }
        bench.run(
            f"{name} batch {batch}",
            lambda b=batch, c=calls: compare_encoders(bench, name, b, c, flops),
        )
    tell_differences(bench, name, exact, half, expected, images[:1])


def compare_encoders(
    bench: Bench, name: str, batch: int, calls: Calls, flops: int
) -> None:
    memory = {what: bench.works(call) for what, call in calls.items()}
    calls = {what: call for what, call in calls.items() if memory[what] is not None}
    ms = {what: t / batch for what, t in bench.milliseconds(calls).items()}
    row = {"ms an image": ms, "MB": memory}
    columns = [f"{ms[w]:.2f}" if w in ms else "" for w in WAYS]

    def ratio(theirs: str, ours: str) -> str:
        return f"{ms[theirs] / ms[ours]:.1f}" if theirs in ms and ours in ms else ""

    rate = flops / ms["bfloat16"] / 1e9
    columns += [
        ratio("reference float32", "float32"),
        ratio("reference bfloat16", "bfloat16"),
        ratio("reference float32", "bfloat16"),
        f"{rate:.0f}",
        f"{rate / bench.peak:.0%}",
        " / ".join(
            "too much" if memory[w] is None else f"{memory[w]:,.0f} MB"
            for w in ("reference bfloat16", "bfloat16")
        ),
    ]
    bench.keep(f"encode {name} batch {batch}", row | {"TFLOP/s": rate})
    bench.tell(f"| {name} | {batch} | " + " | ".join(columns) + " |")


def tell_differences(
    bench: Bench,
    name: str,
    exact: SamPredictor,
    half: SamPredictor,
    expected: torch.Tensor,
    image: torch.Tensor,
) -> None:
    """Compare embeddings with the reference, and masks of both formats."""
    found = exact.network.encode(image, (SIDE, SIDE))[0].embedding
    furthest = float((found - expected).abs().max())
    plane = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    points = np.random.default_rng(1).uniform(0, SIDE, (SPOTS, 2))
    prompts = [Prompts([tuple(point)]) for point in points]
    logits = [
        np.stack([p.logits for p in one.predict_many(one.encode(plane), prompts)])
        for one in (exact, half)
    ]
    middle = np.median(logits[0], axis=(-2, -1), keepdims=True)
    overlap = [iou(a > m, b > m) for a, b, m in zip(*logits, middle, strict=True)]
    bench.keep(f"difference {name}", {"float32": furthest, "IoU": overlap})
    bench.tell(
        f"{name}: float32 is at most {furthest:.1e} from the reference; masks in "
        f"bfloat16 overlap those in float32 by {np.mean(overlap):.4f}, at least "
        f"{min(overlap):.4f}"
    )


def measure_stack(bench: Bench) -> None:
    """From 16-bit planes in memory to embeddings on the device."""
    from segment_anything import SamPredictor as Reference

    theirs, sam = networks(bench, "vit_b")
    count = 4 if bench.is_tiny else PLANES
    rng = np.random.default_rng(0)
    planes = [rng.integers(0, 4096, (SIDE, SIDE), np.uint16) for _ in range(count)]
    rgb = [np.repeat((p >> 4).astype(np.uint8)[..., None], 3, 2) for p in planes[:8]]
    reference = Reference(theirs)

    def half_reference() -> None:
        with torch.autocast(bench.device.type, HALF):
            for picture in rgb:
                reference.set_image(picture)

    calls: Calls = {"reference, bfloat16": half_reference}
    sizes = {"reference, bfloat16": len(rgb)}
    few = planes[: len(rgb)]
    for dtype, many in ((F32, planes[:16]), (HALF, planes)):
        one = predictor_of(bench, sam, dtype)
        label = str(dtype).removeprefix("torch.")
        together, alone = f"{len(many)} together, {label}", f"one by one, {label}"
        calls[together] = lambda p=one, m=many: p.encode_batch(m)
        calls[alone] = lambda p=one: [p.encode(plane) for plane in few]
        sizes |= {together: len(many), alone: len(few)}
    for call in calls.values():
        bench.works(call)
    for what, ms in bench.milliseconds(calls).items():
        bench.keep(f"stack {what}", ms / sizes[what])
        bench.tell(f"vit_b, 16-bit planes, {what}: {ms / sizes[what]:.2f} ms each")


def measure_decoder(bench: Bench) -> None:
    theirs, sam = networks(bench, "vit_b")
    features = torch.randn(1, 256, 64, 64, device=bench.device)
    embedding = ImageEmbedding(features, (), frame_of((SIDE, SIDE), SIDE))
    network = predictor_of(bench, sam, F32).network
    for count in DECODED:
        spots = torch.rand(count, 1, 2, device=bench.device) * SIDE
        points = spots, torch.ones(count, 1, dtype=torch.int64, device=bench.device)

        def reference(points=points) -> torch.Tensor:
            sparse, dense = theirs.prompt_encoder(points, None, None)
            masks, _ = theirs.mask_decoder(
                image_embeddings=features,
                image_pe=theirs.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
            )
            return masks

        def ours(points=points, count=count) -> torch.Tensor:
            def decode(decoding, part):
                some = PromptTensors(points).of(part)
                return decoding.decode(embedding, some, slice(1, None))

            return network.decode(decode, count)[0]

        furthest = float((reference() - ours()).abs().max())
        ms = bench.milliseconds({"reference": reference, "ours": ours})
        bench.keep(f"decode {count}", ms | {"difference": furthest})
        bench.tell(
            f"decode {count} points, float32: reference {ms['reference']:.2f} ms, ours "
            f"{ms['ours']:.2f} ms, at most {furthest:.1e} apart"
        )


def measure_real(bench: Bench) -> None:
    plane, clicks = disks(512)
    for adapter in (None, "microscopy"):
        name = adapter or "tiny"
        device = str(bench.device)
        pair = [
            load_predictor("tiny", adapter, device, d) for d in ("float32", "bfloat16")
        ]
        masks = [
            [found.mask for found in one.predict_many(one.encode(plane), clicks)]
            for one in pair
        ]
        overlap = [iou(a, b) for a, b in zip(*masks, strict=True)]
        calls: Calls = {
            "encode float32": lambda p=pair: p[0].encode(plane),
            "encode bfloat16": lambda p=pair: p[1].encode(plane),
        }
        for call in calls.values():
            bench.works(call)
        ms = bench.milliseconds(calls)
        bench.keep(f"real {name}", ms | {"IoU": overlap})
        bench.tell(
            f"{name}: "
            + ", ".join(f"{w} {t:.2f} ms" for w, t in ms.items())
            + "; masks "
            f"overlap by {np.mean(overlap):.4f}, at least {min(overlap):.4f}"
        )


def measure_everything(bench: Bench) -> None:
    """Automatic masks with the real weights of `tiny`, and the encoder alone."""
    side = 128 if bench.is_tiny else SIDE
    plane, _ = disks(side)
    predictor = load_predictor("tiny", device=str(bench.device), dtype="float32")
    per_side = 4 if bench.is_tiny else 32
    settings = EverythingSettings(per_side, min_score=0.88, min_stability=0.95)
    calls: Calls = {
        "all": lambda: segment_everything(plane, predictor, settings),
        "encode": lambda: predictor.encode(plane),
    }
    for call in calls.values():
        bench.works(call)
    ms = bench.milliseconds(calls)
    count = int(segment_everything(plane, predictor, settings).max())
    without = ms["all"] - ms["encode"]
    bench.keep("everything", ms | {"objects": count})
    bench.tell(
        f"tiny, {settings.points_per_side} points along each side of {side} pixels, "
        f"without the encoder: {without:.0f} ms, {count} objects"
    )


def measure_adapter(bench: Bench) -> None:
    """What an adapter adds to an encoding with vit_b, and its prompts alone."""
    _, sam = networks(bench, "vit_b")
    shape = TINY if bench.is_tiny else SHAPES["vit_b"]
    adapter = SamAdapter(shape.width, len(shape.windows)).eval().requires_grad_(False)
    torch.nn.init.normal_(adapter.shared_mlp.weight, std=0.02)
    about, device = {"model": "random weights"}, str(bench.device)
    adapted = SamPredictor(Checkpoint(sam, adapter, ""), about, device, HALF)
    plain = SamPredictor(Checkpoint(sam, None, ""), about, device, HALF)
    image = torch.randn(1, SIDE, SIDE, 3, device=bench.device).permute(0, 3, 1, 2)
    tokens = sam.image_encoder.patch_embed(image)[0]
    calls: Calls = {
        "with": lambda: adapted.network.encode(image, (SIDE, SIDE)),
        "without": lambda: plain.network.encode(image, (SIDE, SIDE)),
        "prompts alone, float32": lambda: list(adapter(image, tokens, (SIDE, SIDE))),
    }
    memory = {what: bench.works(call) for what, call in calls.items()}
    ms = bench.milliseconds(calls)
    bench.keep("adapter", ms | {"MB": memory})
    bench.tell("adapter: " + ", ".join(f"{what} {t:.2f} ms" for what, t in ms.items()))


if __name__ == "__main__":
    main()
