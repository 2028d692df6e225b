"""Widgets that leave room for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtpy.QtWidgets import QComboBox

FEWEST_LETTERS = 6


def narrow(box: QComboBox) -> QComboBox:
    """Let a combo box be narrower than its longest entry.

    Parameters
    ----------
    box : QComboBox
        The list it opens still shows whole entries.

    Returns
    -------
    QComboBox
        The same.
    """
    policy = type(box).SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.setSizeAdjustPolicy(policy)
    box.setMinimumContentsLength(FEWEST_LETTERS)
    return box
