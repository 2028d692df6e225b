"""Folders that the environment can move."""

from __future__ import annotations

import os
from pathlib import Path

from napari_sam_adapter.errors import SettingError


def chosen_folder(variable: str, usual: Path) -> Path:
    """Return the folder that an environment variable names.

    Parameters
    ----------
    variable : str
        Name of the variable.
    usual : Path
        The folder if it is empty or not set.

    Returns
    -------
    Path
        Absolute; it need not exist.

    Raises
    ------
    SettingError
        If it names the home of a user whom this computer does not have.
    """
    chosen = os.environ.get(variable)
    if not chosen:
        return usual
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise SettingError(
            f"Expected a folder in {variable}, got '{chosen}': nobody knows this "
            "home. Give the whole path."
        ) from error
