"""What is wrong with many images, in full only where it is told for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ToldOnce:
    """Remembers of which image each problem was told."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def words(self, problem: str, image: Path, *others: Path) -> str:
        """Return what to tell of an image.

        Parameters
        ----------
        problem : str
            What is wrong with it.
        image : Path
            The image.
        *others : Path
            Files that are its own, as its labels.

        Returns
        -------
        str
            The problem, or which image has the same but for these names.
        """
        without = problem
        for path in (image, *others):
            without = without.replace(str(path), "").replace(path.name, "")
        first = self._first.setdefault(without, image.name)
        return problem if first == image.name else f"as {first}."
