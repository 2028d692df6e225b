"""Segment a nucleus in napari from a script.

Opens the generated sample, docks the widget, sets one positive point through the
Points layer and waits for the mask. Run it with

    python examples/segment_in_napari.py
"""

from __future__ import annotations

import napari

from napari_sam_adapter.plugin.demo import click_on_nucleus, open_sample


def main() -> None:
    viewer = napari.Viewer()
    widget = open_sample(viewer)
    point = click_on_nucleus(widget)
    print(f"clicked at z, y, x = {point}; press G to follow the nucleus")
    napari.run()


if __name__ == "__main__":
    main()
