"""Which lines of a table of prompts are for one image, where it names several."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.image_io.files.kinds import split_name
from napari_sam_adapter.volume.asking.table_columns import IMAGE, NAMELESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.datasets.listed import ListedRows

SHOWN_NAMES = 5


def rows_of_image(
    listed: ListedRows, image: str, problems: dict[int, str]
) -> ListedRows:
    """Leave out the lines of other images.

    Parameters
    ----------
    listed : ListedRows
        The table, with its first line.
    image : str
        Name of the image, with or without folders; empty if nobody knows.
    problems : dict of int to str
        Gets what is wrong, by line.

    Returns
    -------
    ListedRows
        The first line, and those below that are for the image; all if there is no
        column ``image``.

    Raises
    ------
    PromptError
        If no line is for the image, or several images may be meant.
    """
    head, *rows = listed.rows
    names = [name.casefold() for name in head]
    if IMAGE not in names or not rows:
        return listed
    place = names.index(IMAGE)
    written = [row[place] if place < len(row) else "" for row in rows]
    lines = listed.lines[1:]
    for line, name in zip(lines, written, strict=True):
        if name.casefold() in NAMELESS:
            problems[line] = (
                f"Expected an image on every line, got {name or 'none'} here. Name it, "
                "or take the column image out: then all lines are for one."
            )
    meant = _meant([name for name in dict.fromkeys(written) if name], image)
    kept = [number for number, name in enumerate(written) if name == meant]
    return listed._replace(
        rows=[head, *(rows[number] for number in kept)],
        lines=[listed.lines[0], *(lines[number] for number in kept)],
    )


def _meant(written: Sequence[str], image: str) -> str:
    """Return what the table calls the image."""
    if not image and len(written) > 1:
        raise PromptError(
            f"Expected to know which image is asked for, got {len(written)} in the "
            f"column {IMAGE}: {_some(written)}. Give its name, as in "
            f"read_prompts(path, image, name={written[0]!r})."
        )
    found = _alike(written, image) if image else list(written)
    if len(found) > 1:
        raise PromptError(
            f"Expected one name for {image} in the column {IMAGE}, got {_some(found)}. "
            "Write a table for each folder."
        )
    if not found and written:
        raise PromptError(
            f"Expected lines for {image} in the column {IMAGE}, got {_some(written)}. "
            "Write its name there, or take the column out if all lines are for it."
        )
    return found[0] if found else ""


def _alike(written: Sequence[str], image: str) -> list[str]:
    """Return the names that fit best: as given, by file name, or without a suffix."""
    file = _file_name(image)
    return (
        [name for name in written if name == image]
        or [name for name in written if _file_name(name) == file]
        or [name for name in written if _file_name(name) == split_name(file)[0]]
    )


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1].casefold()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN_NAMES]) + ", ..." * (len(names) > SHOWN_NAMES)
