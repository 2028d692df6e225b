"""Follow one nucleus through a volume without a window.

Run it as ``python examples/segment_headless.py [OUTPUT.tif]``.
"""

from __future__ import annotations

import sys

import numpy as np

import napari_sam_adapter as nsa
from napari_sam_adapter.sample_images import NUCLEI_SCALE, nuclei_volume


def main(output: str = "nucleus.tif") -> float:
    image, truth = nuclei_volume()
    session = nsa.Session(image, nsa.load_predictor("tiny"), spacing=NUCLEI_SCALE)

    # Choose a large bright nucleus in the middle plane, and click on its middle.
    z = len(image) // 2
    light = np.bincount(truth[z].ravel(), weights=image[z].ravel())
    nucleus = 1 + light[1:].argmax()
    row, column = np.argwhere(truth[z] == nucleus).mean(axis=0)

    plane = nsa.Plane(axes=(1, 2), position=(z,))
    object_id = session.new_object()
    session.add_point(object_id, plane, (row, column))
    mask = session.mask(object_id, plane)
    print(
        f"slice {z}: {mask.sum()} pixels, score {session.score(object_id, plane):.2f}"
    )

    for result in nsa.propagate(session, object_id):
        z = result.plane.position[0]
        print(f"slice {z}: confidence {result.confidence:.2f}", result.reason)

    found, meant = session.labels == object_id, truth == nucleus
    overlap = (found & meant).sum() / (found | meant).sum()
    print(f"IoU with the true nucleus: {overlap:.2f}")
    nsa.save_labels(output, session.labels, overwrite=True)
    return float(overlap)


if __name__ == "__main__":
    main(*sys.argv[1:2])
