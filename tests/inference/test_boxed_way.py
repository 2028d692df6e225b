"""From answer to prompt to answer nobody makes an array of the plane."""

import tracemalloc

import numpy as np
import torch

from napari_sam_adapter.follow_rule import FollowRule, next_prompts
from napari_sam_adapter.inference.frame.mask_prompts import to_mask_prompt
from napari_sam_adapter.inference.frame.nearness import tokens_near
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.masks.answers import to_prediction
from napari_sam_adapter.model.families.preparation import SAM
from napari_sam_adapter.volume.planes.windows import Window
from napari_sam_adapter.volume.propagation.sightings import made_disjoint

FRAME = frame_of((4000, 3000), 128)
WINDOW = Window(1000, 2000, 5000, 5000)
POINTS = np.zeros((0, 2))


def seen_and_asked() -> np.ndarray:
    logits = torch.full((1, 32, 32), -8.0)
    logits[0, 10:13, 8:10] = 8.0
    prediction = to_prediction(logits, torch.ones(1), FRAME, SAM, 1, POINTS)
    pasted = WINDOW.paste(prediction, (9000, 9000))
    first, second = made_disjoint([pasted.boxed_mask] * 2, [0.9, 0.8], [1, 2])
    assert not second.area
    (prompts,) = next_prompts(first, FollowRule(), 1.0, (1.0, 1.0))
    cropped = WINDOW.crop(prompts)
    cropped.check_inside(FRAME.original)
    assert tokens_near(cropped, FRAME) is not None
    return to_mask_prompt(cropped, FRAME).numpy()


def test_a_followed_object_takes_memory_for_its_box_alone():
    expected = seen_and_asked()  # makes what is made once for a frame
    tracemalloc.start()
    found = seen_and_asked()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(found, expected)
    assert found[0, 11, 8] > 0
    assert peak < 4000 * 3000 / 8
