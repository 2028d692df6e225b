"""The plugin's page in napari's Preferences: keys, and which sections are open."""

from __future__ import annotations

import contextlib
from typing import Any

from napari import settings

PLUGIN = "napari-sam-adapter"


def preferences() -> Any | None:
    """Return the settings that napari keeps for this plugin.

    Returns
    -------
    PluginSettings or None
        One attribute per category of ``configurations`` in napari.yaml; None where
        napari does not know the plugin, as in a viewer without plugins, or is older
        than 0.9.
    """
    find = getattr(settings, "get_plugin_settings", None)
    if find is not None:
        with contextlib.suppress(KeyError):
            return find(PLUGIN)
    return None


class FoldedSections:
    """Which sections the user opened or folded, as differences from the start.

    Two lists of titles are kept, so that a section that comes with a later version
    is shown as that version wants it.
    """

    def __init__(self) -> None:
        known = preferences()
        self._kept = None if known is None else known.panel

    def items(self) -> dict[str, bool]:
        """Return what was kept.

        Returns
        -------
        dict of str to bool
            Title to whether it is open.
        """
        if self._kept is None:
            return {}
        opened, folded = _titles(self._kept.opened), _titles(self._kept.folded)
        return dict.fromkeys(opened, True) | dict.fromkeys(folded, False)

    def keep(self, title: str, is_open: bool) -> None:
        """Remember what the user did.

        Parameters
        ----------
        title : str
            The section.
        is_open : bool
            Whether it is open now.
        """
        if self._kept is not None:
            items = self.items() | {title: is_open}
            self._kept.opened = ", ".join(t for t, kept in items.items() if kept)
            self._kept.folded = ", ".join(t for t, kept in items.items() if not kept)


def _titles(text: str) -> list[str]:
    return [title.strip() for title in text.split(",") if title.strip()]
