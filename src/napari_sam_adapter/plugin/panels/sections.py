"""Panels one below the other under titles that fold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QScrollArea,
    QScrollBar,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_sam_adapter.plugin.icons import icon

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_LIMIT = (1 << 24) - 1
"""Qt's own: a widget may be as large as it likes."""
TITLE_STYLE = (
    "QPushButton, QPushButton:checked { text-align: left; font-weight: bold; "
    "background: transparent; border: 1px solid transparent; padding: 2px; } "
    "QPushButton:focus { border-color: palette(highlight); }"
)
FIELDS = QComboBox, QAbstractSpinBox, QAbstractSlider
"""What has a value that wheel and letters would change."""
MARGINS = 6, 0, 2, 4
"""Left, top, right and bottom of a panel, in pixels."""


class Section(QCollapsible):
    """One panel under a title that folds; what is folded takes no focus.

    Parameters
    ----------
    title : str
        Shown in bold.
    panel : QWidget
        What is folded.
    """

    def __init__(self, title: str, panel: QWidget) -> None:
        super().__init__(title)
        self.setDuration(0)
        self.toggleButton().setStyleSheet(TITLE_STYLE)
        self.toggleButton().setToolTip(f"Fold or unfold {title}.")
        self.setContent(panel)
        if (inner := panel.layout()) is not None:
            inner.setContentsMargins(*MARGINS)
        outer = self.layout()
        assert outer is not None  # superqt made it
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        self.toggled.connect(self._on_toggled)

    def show_theme(self, theme: str) -> None:
        """Draw the arrows in the colours of a theme.

        Parameters
        ----------
        theme : str
            One of napari's.
        """
        self.setExpandedIcon(icon("chevron_down", theme))
        self.setCollapsedIcon(icon("right_arrow", theme))

    def _on_toggled(self, is_open: bool) -> None:
        self.content().setVisible(is_open)
        self.content().setMaximumHeight(NO_LIMIT if is_open else 0)


class Sections(QScrollArea):
    """All panels in a column that scrolls; it is never narrower than the widest one.

    Parameters
    ----------
    panels : sequence of (str, QWidget, bool)
        Title, panel, and whether it is open at first.
    """

    folded = Signal(str, bool)
    """Emitted with a title and whether it is open now, when the user folds."""

    def __init__(self, panels: Sequence[tuple[str, QWidget, bool]]) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._told_width = 0
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        self.sections: dict[str, Section] = {}
        for title, panel, is_open in panels:
            section = self.sections[title] = Section(title, panel)
            self.fold(title, is_open)
            section.toggled.connect(partial(self.folded.emit, title))
            section.toggleButton().clicked.connect(partial(self._on_press, section))
            column.addWidget(section)
        column.addStretch(1)
        self.setWidget(content)
        self._watch_fields(content)

    def fold(self, title: str, is_open: bool) -> None:
        """Open or fold a section.

        Parameters
        ----------
        title : str
            Which one; one that is not there is left out.
        is_open : bool
            Whether its panel is to be seen.
        """
        section = self.sections.get(title)
        if section is not None:
            change = section.expand if is_open else section.collapse
            change(animate=False)

    def _on_press(self, section: Section, is_open: bool) -> None:
        if is_open:  # what it holds is laid out a moment later
            QTimer.singleShot(0, partial(self._bring_into_view, section))

    def _bring_into_view(self, section: Section) -> None:
        """Scroll until all of a section is seen, or its title is at the top."""
        content, bar, view = self.widget(), self.verticalScrollBar(), self.viewport()
        if content is None or bar is None or view is None:
            return
        top, bottom = section.y(), section.y() + section.height()
        lowest = max(bottom - view.height(), bar.value())
        bar.setValue(min(top, lowest))

    def show_theme(self, theme: str) -> None:
        """Draw the arrows in the colours of a theme.

        Parameters
        ----------
        theme : str
            One of napari's.
        """
        for section in self.sections.values():
            section.show_theme(theme)

    def eventFilter(  # noqa: N802  Qt's name
        self, watched: QObject | None, event: QEvent | None
    ) -> bool:
        """Leave to others what is not for a field; tell if a panel grew wider."""
        if isinstance(watched, FIELDS) and _is_for_others(watched, event):
            assert event is not None  # _is_for_others looked at it
            event.ignore()  # so that it comes to the panels around, and to napari
            return True
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            width = self.minimumSizeHint().width()
            if width != self._told_width:  # the whole window is laid out anew
                self._told_width = width
                self.updateGeometry()
        return super().eventFilter(watched, event)

    def _watch_fields(self, content: QWidget) -> None:
        for field in content.findChildren(QWidget):
            if isinstance(field, FIELDS) and not isinstance(field, QScrollBar):
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel
                field.installEventFilter(self)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Leave room for the widest panel and the scroll bar."""
        hint = super().minimumSizeHint()
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return hint
        width = content.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(max(width, hint.width()), hint.height())


def _is_for_others(field: QWidget, event: QEvent | None) -> bool:
    """Whether a field is to leave a turn of the wheel or a letter alone."""
    if isinstance(event, QWheelEvent):  # it scrolls past what the user is not in
        return not field.hasFocus()
    if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
        return False
    is_editable = isinstance(field, QComboBox) and field.isEditable()
    shift = Qt.KeyboardModifier.ShiftModifier
    is_plain = not event.modifiers() & ~shift
    # A list would look for an entry that begins so; numbers have no letters.
    return is_plain and event.text().isalpha() and not is_editable
