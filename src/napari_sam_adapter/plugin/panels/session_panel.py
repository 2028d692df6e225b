"""Save and open sessions, copy the methods sentence, go on with what was left."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal, SignalInstance
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_adapter.volume.saving.session_folder import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.plugin.sessions.safekeeping_state import SafekeepingState

NAME_FILTER = "Sessions (*.session)"


class RecoveryBar(QFrame):
    """Offers to go on with a session that was left; it hinders nothing.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.restore = QPushButton("Restore")
        self.restore.setToolTip("Show its masks and prompts, and go on with it.")
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Remove it for good.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore)
        buttons.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.hide()

    def show_offer(self, offer: str) -> None:
        """Show an offer, or nothing.

        Parameters
        ----------
        offer : str
            A question; empty to hide the bar.
        """
        self.text.setText(offer)
        self.setVisible(bool(offer))


class SessionPanel(QWidget):
    """Buttons for whole sessions.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    restore_pressed = Signal()
    discard_pressed = Signal()
    save_pressed = Signal()
    open_pressed = Signal()
    methods_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = RecoveryBar()
        self.save = _button("Save ...", "Save prompts, masks and history as a folder.")
        self.open = _button("Open ...", "Open a saved session of this image.")
        self.methods = _button(
            "Copy methods sentence", "Copy a sentence for the methods of a paper."
        )
        for button, signal in (
            (self.bar.restore, self.restore_pressed),
            (self.bar.discard, self.discard_pressed),
            (self.save, self.save_pressed),
            (self.open, self.open_pressed),
            (self.methods, self.methods_pressed),
        ):
            button.clicked.connect(partial(_tell, signal))
        grid = QGridLayout(self)
        grid.addWidget(self.bar, 0, 0, 1, 2)
        grid.addWidget(self.save, 1, 0)
        grid.addWidget(self.open, 1, 1)
        grid.addWidget(self.methods, 2, 0, 1, 2)

    def show_state(self, state: SafekeepingState) -> None:
        """Show an offer, and enable what can be pressed.

        Parameters
        ----------
        state : SafekeepingState
            What there is.
        """
        self.bar.show_offer(state.offer)
        for button in (self.save, self.open, self.methods):
            button.setEnabled(state.has_session)

    def ask_where_to_save(self, name: str, chosen: Callable[[Path], None]) -> None:
        """Ask for the name of a session; the rest of the window goes on.

        Parameters
        ----------
        name : str
            Suggestion.
        chosen : callable
            Called with the folder, unless the user changes their mind.
        """
        dialog = _SaveDialog(self, "Save session", name, NAME_FILTER)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("session")
        dialog.selectFile(name)
        _open(dialog, chosen)

    def ask_what_to_open(self, chosen: Callable[[Path], None]) -> None:
        """Ask for a saved session; the rest of the window goes on.

        Parameters
        ----------
        chosen : callable
            Called with the folder, unless the user changes their mind.
        """
        dialog = QFileDialog(self, "Open session: choose NAME.session")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        _open(dialog, chosen)


class _SaveDialog(QFileDialog):
    """Takes the name of a session that is there: others would go into its folder."""

    def accept(self) -> None:
        """Close with the name that was typed or chosen."""
        (name, *_) = self.selectedFiles()
        if name.endswith(SUFFIX) and Path(name).is_dir():
            self.fileSelected.emit(name)
            self.done(QDialog.DialogCode.Accepted)
        else:
            super().accept()


def _button(title: str, tip: str) -> QPushButton:
    button = QPushButton(title)
    button.setToolTip(tip)
    return button


def _tell(signal: SignalInstance, checked: bool = False) -> None:
    signal.emit()


def _open(dialog: QFileDialog, chosen: Callable[[Path], None]) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()
