"""Keys that the user chose in napari's Preferences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app_model.types import KeyCode
from napari.settings import get_settings
from napari.utils.key_bindings import coerce_keybinding
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_sam_adapter.errors import SettingError
from napari_sam_adapter.plugin.actions import ACTIONS, Action, spoken
from napari_sam_adapter.plugin.preferences import preferences
from napari_sam_adapter.plugin.timers import stop_for_good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam_adapter.plugin.controller import Controller

NO_KEYS = KeyCode.UNKNOWN, KeyCode.Ctrl, KeyCode.Shift, KeyCode.Alt, KeyCode.Meta
"""What stands where a key should be if there is none, or only one to hold."""
ON_LAYERS = "_on_layers"
"""End of the name under which an action's `own_key` is kept."""
TYPING = 800
"""Milliseconds without a change after which a key counts as typed."""


class KeySettings:
    """Binds the keys of the Preferences, now and when they change.

    Parameters
    ----------
    controller : Controller
        Whose keys they are.
    """

    changed = Signal()
    """Emitted when keys are others."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        known = preferences()
        self._keys = None if known is None else known.keys
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(TYPING)
        self._timer.timeout.connect(self.apply)
        if self._keys is not None:
            self._keys.events.connect(self._on_typed)
        controller.closed.connect(self.close)

    def apply(self) -> None:
        """Bind what the Preferences say; keys that make no sense stay as they were."""
        chosen = {} if self._keys is None else self._keys.model_dump()
        actions, problems = choose_keys(chosen)
        self._controller.keys.use(actions)
        for problem in problems:
            self._controller.report(problem)
        self.changed.emit()

    def close(self) -> None:
        """Bind nothing more."""
        stop_for_good(self._timer)
        if self._keys is not None:
            self._keys.events.disconnect(self._on_typed)

    def _on_typed(self, event: object = None) -> None:
        self._timer.start()


def choose_keys(
    chosen: Mapping[str, str],
) -> tuple[dict[str, Action], list[SettingError]]:
    """Return the actions with the keys that the user chose.

    Parameters
    ----------
    chosen : mapping of str to str
        Keys by the name of an action, or name and ``_on_layers``; those that are left
        out stay as in `ACTIONS`, empty ones have no key.

    Returns
    -------
    actions : dict of str to Action
        All of `ACTIONS`.
    problems : list of SettingError
        One for every key that does not exist, is napari's, or is used twice; the
        first action with a key gets it.
    """
    actions: dict[str, Action] = {}
    taken: dict[str, Action] = {}
    problems: list[SettingError] = []
    for name, action in ACTIONS.items():
        for kept, field in ((name, "key"), (name + ON_LAYERS, "own_key")):
            default = getattr(action, field)
            key = chosen.get(kept, default).strip()
            try:
                if key != default:
                    _check(key, is_on_layers=field == "own_key")
                _check_free(spoken(key), action, taken)
            except SettingError as problem:
                problems.append(problem)
                key = "" if spoken(default).upper() in taken else default
            if key:
                taken[spoken(key).upper()] = action
            action = replace(action, **{field: key})
        actions[name] = action
    return actions, problems


def _check_free(key: str, action: Action, taken: Mapping[str, Action]) -> None:
    other = taken.get(key.upper()) if key else None
    if other is not None:
        raise SettingError(
            f"Expected a key of its own for {action.tip!r}, got {key}, which is that "
            f"of {other.tip!r}. Choose another in the Preferences."
        )


def _check(key: str, is_on_layers: bool) -> None:
    if not key:
        return
    parts = coerce_keybinding(key).parts
    if len(parts) != 1 or parts[0].key in NO_KEYS:
        raise SettingError(
            f"Expected a key such as K, Shift-K or F5, got {key!r}. Choose another in "
            "the Preferences."
        )
    if not is_on_layers and (owner := _owner_in_napari(key)):
        raise SettingError(
            f"Expected a key that napari does not use, got {spoken(key)}, which is "
            f"its {owner}. Choose another in the Preferences."
        )


def _owner_in_napari(key: str) -> str:
    wanted = coerce_keybinding(key)
    for name, bindings in _napari_keys():
        if wanted in bindings:
            return name.removeprefix("napari:").replace("_", " ")
    return ""


def _napari_keys() -> Iterator[tuple[str, list[object]]]:
    yield from get_settings().shortcuts.shortcuts.items()
