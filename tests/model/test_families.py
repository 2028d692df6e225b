"""Every family through the real loading path, and its metadata by what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tests.model import family_files as files

from napari_sam_adapter import Prompts, SamPredictor, Scribble, load_predictor
from napari_sam_adapter.errors import CheckpointError, PromptError
from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input, to_rgb
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.families import preparation as families
from napari_sam_adapter.model.families.preparation import PREPROCESSINGS, choose_family
from napari_sam_adapter.model.files import checkpoints
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.files.exports import export_plain_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.model.families.preparation import Family

    State = dict[str, torch.Tensor]

PRUNED = SamShape(64, 24, 3, (2, 0), 40, decoder_mlp_width=64)
LAYOUTS: dict[str, tuple[Callable[[], object], str]] = {
    "sam": (files.sam, "sam"),
    "pruned": (lambda: files.sam(PRUNED), "sam"),
    "hugging face": (lambda: files.hugging_face(files.sam()), "sam"),
    "micro-sam": (
        lambda: {
            "model_state": {f"sam.{key}": value for key, value in files.sam().items()},
            "decoder_state": {"out_conv.weight": torch.ones(3)},
        },
        "micro-sam",
    ),
    "mobile-sam": (lambda: files.tiny_vit(files.small_tiny_vit(3)), "sam"),
    "lite-medsam": (lambda: files.tiny_vit(files.small_tiny_vit(1)), "lite-medsam"),
    "efficient-sam": (lambda: {"model": files.efficient_sam()}, "efficient-sam"),
    "sam-med2d": (lambda: {"model": files.sam_med2d()}, "sam-med2d"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    for name, (make, _) in LAYOUTS.items():
        torch.save(make(), folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 200, (40, 60), dtype=np.uint8)


def predictor_for(folder: Path, name: str, **options: str) -> SamPredictor:
    return load_predictor(folder / f"{name}.pth", device="cpu", **options)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_family_loads_and_answers(
    name: str, folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, name)
    assert predictor.description["preprocessing"] == LAYOUTS[name][1]
    prediction = predictor.predict(predictor.encode(image), Prompts(box=(5, 8, 30, 50)))
    assert prediction.mask.shape == image.shape
    assert np.isfinite(prediction.logits).all()


def test_hugging_face_files_give_the_same_numbers(folder: Path) -> None:
    plain = load_checkpoint(folder / "sam.pth").sam.state_dict()
    renamed = load_checkpoint(folder / "hugging face.pth").sam.state_dict()
    assert all(torch.equal(renamed[key], value) for key, value in plain.items())


def test_hugging_face_files_may_keep_the_shared_matrix_once(tmp_path: Path) -> None:
    state = files.hugging_face(files.sam())
    del state["prompt_encoder.shared_embedding.positional_embedding"]
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    assert load_checkpoint(path).family is families.SAM


def test_instance_decoder_is_left_out_with_a_note(folder: Path) -> None:
    assert "decoder" in predictor_for(folder, "micro-sam").description["note"]
    assert "note" not in predictor_for(folder, "sam").description


def test_optimiser_object_is_skipped(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.Adam([weight])
    weight.sum().backward()
    optimiser.step()
    path = tmp_path / "sam-med2d_b.pth"
    torch.save({"model": files.sam_med2d(), "optimizer": optimiser}, path)
    assert load_checkpoint(path).family is families.SAM_MED2D


# Which family a file is of


@pytest.mark.parametrize(
    ("file_name", "family"),
    [
        ("sam_vit_b_01ec64.pth", families.SAM),
        ("medsam_vit_b.pth", families.MEDSAM),
        ("MedSAM-finetuned.pth", families.MEDSAM),
        ("micro_sam_vit_b_lm.pt", families.MICRO_SAM),
        ("vit_b_em_organelles.pt", families.MICRO_SAM),
        ("vit_b_lm.pth", families.MICRO_SAM),
        ("vit_b_lm_v3.pth", families.MICRO_SAM),
        ("vit_b_histopathology.pt", families.MICRO_SAM),
        ("vit_b_medical_imaging.pt", families.MICRO_SAM),
        ("vit_b_medium.pth", families.SAM),
        ("vit_b_hist.pt", families.MICRO_SAM),
        ("vit_b_med.pt", families.MICRO_SAM),
    ],
)
def test_file_names_tell_apart_what_tensors_cannot(
    file_name: str, family: Family
) -> None:
    assert choose_family("sam", None, None, file_name, is_vit_b=True) is family


def test_unknown_vit_b_asks_for_its_preprocessing() -> None:
    with pytest.raises(CheckpointError, match='preprocessing "sam", "medsam" or'):
        choose_family("sam", None, None, "mine.pth", is_vit_b=True)
    chosen = choose_family("sam", "medsam", None, "mine.pth", is_vit_b=True)
    assert chosen is families.MEDSAM


def test_user_is_asked_before_the_network_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "VIT_B", files.SMALL)
    torch.save(files.sam(), tmp_path / "mine.pth")
    with pytest.raises(CheckpointError, match=r"how mine.pth wants its images"):
        load_predictor(tmp_path / "mine.pth")


def test_header_tells_the_preprocessing(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(files.sam(), path, metadata={"preprocessing": "medsam"})
    assert load_checkpoint(path).family is families.MEDSAM


@pytest.mark.parametrize("name", ["nonsense", "lite-medsam"])
def test_header_with_another_preprocessing_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "vit_b.safetensors"
    save_file(files.sam(), path, metadata={"preprocessing": name})
    with pytest.raises(CheckpointError, match=rf"sam, medsam, micro-sam.*{name!r}"):
        load_checkpoint(path)
    assert load_checkpoint(path, "medsam").family is families.MEDSAM


def test_preprocessing_of_another_layout_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"fits efficient-sam.pth \(efficient-s"):
        predictor_for(folder, "efficient-sam", preprocessing="medsam")
    with pytest.raises(CheckpointError, match="nonsense"):
        predictor_for(folder, "sam", preprocessing="nonsense")


def test_every_family_can_be_named() -> None:
    known = {f.name for f in vars(families).values() if isinstance(f, families.Family)}
    assert set(PREPROCESSINGS) == known


# Images


def gradient() -> np.ndarray:
    ramp = np.linspace(50, 150, 40 * 80).reshape(40, 80).astype(np.uint8)
    return np.repeat(ramp[..., None], 3, axis=2)


def input_of(family: Family, rgb: np.ndarray, size: int = 64) -> torch.Tensor:
    frame = frame_of(rgb.shape[:2], size, stretch=family.stretch)
    return to_input(rgb, frame, family)


@pytest.mark.parametrize(
    ("family", "is_stretched"),
    [
        (families.SAM, False),
        (families.MICRO_SAM, False),
        (families.LITE_MEDSAM, False),
        (families.MEDSAM, True),
        (families.EFFICIENT_SAM, True),
        (families.SAM_MED2D, True),
        (families.SAM_ADAPTER, True),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_image_is_stretched_or_padded(family: Family, is_stretched: bool) -> None:
    lower_half = input_of(family, gradient())[:, 32:]
    assert bool(lower_half.any()) is is_stretched


def test_medsam_spans_zero_to_one_without_mean() -> None:
    for family in (families.MEDSAM, families.LITE_MEDSAM):
        values = input_of(family, gradient())
        assert values.amin().item() == 0
        assert values.amax().item() == 1


def test_sam_statistics_are_used_elsewhere() -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    expected = -torch.tensor([123.675, 116.28, 103.53]) / torch.tensor(
        [58.395, 57.12, 57.375]
    )
    for family in (families.SAM, families.EFFICIENT_SAM, families.SAM_MED2D):
        assert torch.allclose(input_of(family, black)[:, 0, 0], expected)


def test_micro_sam_stretches_each_channel_to_its_range() -> None:
    image = np.stack([np.linspace(a, b, 64).reshape(8, 8) for a, b in RANGES], axis=-1)
    rgb = to_rgb(image, families.MICRO_SAM.intensity)
    assert rgb.min(axis=(0, 1)).tolist() == [0, 0, 0]
    assert rgb.max(axis=(0, 1)).tolist() == [255, 255, 255]
    grey = to_rgb(np.array([[10, 60], [35, 60]], np.uint8), "channel_min_max")
    assert grey[..., 0].tolist() == [[0, 255], [127, 255]]


RANGES = (-3, 5), (100, 4000), (0, 1)


def test_resampling_rules_differ_as_published() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    pixels = torch.from_numpy(rgb).permute(2, 0, 1).float()
    nearest = F.interpolate(pixels[None], (64, 64), mode="nearest")[0]
    area = F.avg_pool2d(pixels, 2)

    def resized(family: Family) -> torch.Tensor:
        values = to_input(rgb, frame_of((128, 128), 64), family)
        low = torch.tensor(family.mean)[:, None, None]
        return values * torch.tensor(family.std)[:, None, None] + low

    assert torch.allclose(resized(families.SAM_MED2D), nearest, atol=1e-3)
    bilinear = F.interpolate(pixels[None], (64, 64), mode="bilinear")[0]
    assert torch.allclose(resized(families.EFFICIENT_SAM), bilinear, atol=1e-3)
    stretched = (area.round() - area.round().amin()) / (area.amax() - area.amin()) * 255
    assert (resized(families.LITE_MEDSAM) - stretched).abs().mean() < 2
    smooth = resized(families.SAM)
    assert smooth.std() < 0.9 * nearest.std()


# Prompts and answers


def test_efficient_sam_refuses_what_it_does_not_understand(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "efficient-sam")
    embedding = predictor.encode(image)
    refused = {
        "background": Prompts([(5, 5), (9, 9)], [True, False]),
        "mask": Prompts(mask=np.eye(40, 60) > 0),
        "at most 6": Prompts(np.full((5, 2), 7.0), box=(1, 1, 9, 9)),
        "scribble": Prompts(scribbles=(Scribble([(3, 3), (30, 40)]),)),
    }
    for words, prompts in refused.items():
        with pytest.raises(PromptError, match=words):
            predictor.predict(embedding, prompts)
    six = Prompts(np.arange(8.0).reshape(4, 2), box=(1, 1, 9, 9))
    assert predictor.predict(embedding, six).mask.shape == image.shape


def test_earlier_answers_do_not_go_into_efficient_sam(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "efficient-sam")
    embedding = predictor.encode(image)
    asked = Prompts([(20, 30), (25, 35)])
    first = predictor.predict(embedding, asked)
    again = predictor.predict(embedding, asked, first)
    assert np.array_equal(first.logits, again.logits)


@pytest.mark.parametrize(
    ("name", "lone_point", "box"),
    [
        ("sam", 3, 1),
        ("efficient-sam", 3, 1),
        ("sam-med2d", 3, 1),
        ("lite-medsam", 1, 1),
    ],
)
def test_number_of_answers(
    name: str, lone_point: int, box: int, folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, name)
    embedding = predictor.encode(image)
    point = predictor.predict(embedding, Prompts([(20, 30)]))
    assert len(point.candidates) == lone_point
    clear = predictor.predict(embedding, Prompts(box=(5, 5, 20, 20)))
    assert len(clear.candidates) == box


def test_medsam_gives_one_answer_of_upscaled_probabilities(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "sam", preprocessing="medsam")
    prediction = predictor.predict(predictor.encode(image), Prompts([(20, 30)]))
    probabilities = torch.from_numpy(prediction.logits)[None, None].sigmoid()
    full = F.interpolate(probabilities, image.shape, mode="bilinear")[0, 0]
    assert len(prediction.candidates) == 1
    assert np.array_equal(prediction.mask, full.numpy() > 0.5)


def test_efficient_sam_masks_are_upscaled_at_once(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "efficient-sam")
    prediction = predictor.predict(predictor.encode(image), Prompts([(20, 30)]))
    logits = torch.from_numpy(prediction.logits)[None, None]
    full = F.interpolate(logits, image.shape, mode="bicubic")[0, 0]
    assert np.array_equal(prediction.mask, full.numpy() > 0)


@pytest.mark.parametrize("name", ["mobile-sam", "efficient-sam", "sam-med2d"])
def test_bfloat16_stays_close(name: str, folder: Path, image: np.ndarray) -> None:
    exact = predictor_for(folder, name).encode(image).features
    half = predictor_for(folder, name, dtype="bfloat16").encode(image).features
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.05


@pytest.mark.parametrize("name", ["efficient-sam", "sam-med2d"])
def test_best_of_three_answers_a_clear_prompt(
    name: str, folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, name)
    embedding = predictor.encode(image)
    logits, scores = decoded(predictor, embedding.features)
    prediction = predictor.predict(embedding, Prompts(box=(0, 0, 39, 59)))
    best = scores[1:].argmax() + 1
    assert prediction.score == pytest.approx(scores[best].item(), abs=1e-5)
    assert np.allclose(prediction.logits, logits[best], atol=1e-4)


def decoded(
    predictor: SamPredictor, features: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    sam = predictor.network.sam
    size = sam.image_size
    x, y = 59 * size / 60, 39 * size / 40
    with torch.inference_mode():
        boxes = torch.tensor([[0.0, 0.0, x, y]])
        sparse, dense, _ = sam.prompt_encoder(boxes=boxes)
        positions = sam.prompt_encoder.dense_positions()
        logits, scores = sam.mask_decoder(features, positions, sparse, dense)
    return logits[0], scores[0]


def test_sam_med2d_takes_earlier_answers_as_probabilities(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "sam-med2d")
    embedding = predictor.encode(image)
    asked = Prompts([(20, 30), (25, 35)])
    first = predictor.predict(embedding, asked)
    certain = type(first)(first.mask, first.score, np.full_like(first.logits, 40.0))
    doubled = type(first)(first.mask, first.score, np.full_like(first.logits, 80.0))
    answers = [predictor.predict(embedding, asked, p) for p in (certain, doubled)]
    assert np.array_equal(answers[0].logits, answers[1].logits)


def test_lite_medsam_masks_have_the_size_of_its_input(
    folder: Path, image: np.ndarray
) -> None:
    predictor = predictor_for(folder, "lite-medsam")
    drawn = Prompts(mask=np.eye(40, 60) > 0)
    prediction = predictor.predict(predictor.encode(image), drawn)
    assert prediction.logits.shape == (256, 256)


@pytest.mark.parametrize(
    ("family", "is_trusted"),
    [
        (families.SAM, True),
        (families.MICRO_SAM, True),
        (families.EFFICIENT_SAM, True),
        (families.SAM_MED2D, True),
        (families.MEDSAM, False),
        (families.SAM_ADAPTER, False),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_scores_are_trusted_where_they_were_trained(
    family: Family, is_trusted: bool
) -> None:
    assert family.capabilities.score_is_trusted is is_trusted


@pytest.mark.parametrize("name", LAYOUTS)
def test_missing_tensor_and_wrong_shape_are_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.pth"
    content = LAYOUTS[name][0]()
    state = next(
        (content[k] for k in ("model", "model_state") if k in content), content
    )
    key = next(k for k in state if k.endswith("mask_decoder.iou_token.weight"))
    state[key] = torch.ones(1, 7)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"broken.pth has mask_.*iou_token.*7\)"):
        load_checkpoint(path)
    del state[key]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"broken.pth lacks mask_.*iou_token"):
        load_checkpoint(path)


def test_other_encoders_take_a_decoder_but_no_adapter(
    folder: Path, tmp_path: Path
) -> None:
    base = load_checkpoint(folder / "mobile-sam.pth")
    decoder, adapter = tmp_path / "decoder.safetensors", tmp_path / "full.safetensors"
    save_adapter(None, base.sam, decoder, "mobile-sam", base.sha256)
    save_adapter(SamAdapter(32, 2), base.sam, adapter, "mobile-sam", base.sha256)
    predictor_for(folder, "mobile-sam", adapter=str(decoder))
    with pytest.raises(CheckpointError, match="ViT encoder"):
        predictor_for(folder, "mobile-sam", adapter=str(adapter))


@pytest.mark.parametrize(
    "name", ["mobile-sam", "lite-medsam", "efficient-sam", "sam-med2d"]
)
def test_networks_of_their_own_are_not_exported_as_sam(
    name: str, folder: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(folder / f"{name}.pth")
    with pytest.raises(CheckpointError, match="other programs"):
        export_plain_sam(checkpoint, tmp_path / "plain.pth")
    assert not (tmp_path / "plain.pth").exists()
