from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from tests.dicom_files import save_ct

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]


def test_the_window_that_a_file_wants_is_used(run: Run, tmp_path: Path) -> None:
    values = np.full((2, 40, 50), -100)
    values[:, 5:15, 5:15] = 200
    scan = save_ct(tmp_path / "scan", values, WindowCenter=40, WindowWidth=400)
    report = tmp_path / "report.json"
    options = "--intensity", "file", "--json", report, "-o", tmp_path / "labels.tif"
    assert run("segment", scan, "-p", "0,8,8", *options) == 0
    told = json.loads(report.read_text())["intensity"]
    assert told == {"rule": "contrast_limits", "low": -160, "high": 240}
