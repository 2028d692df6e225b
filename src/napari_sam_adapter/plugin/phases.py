"""What the plugin is doing, told by the jobs that have not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.background import Priority
from napari_sam_adapter.plugin.state import Phase

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.background import JobQueue

PHASES = {
    Priority.PROPAGATION: Phase.PROPAGATING,
    Priority.ENCODING: Phase.ENCODING,
    Priority.LOAD: Phase.LOADING,
    Priority.OPEN: Phase.LOADING,
    Priority.CLICK: Phase.SEGMENTING,
    Priority.FINDING: Phase.FINDING,
}
"""Of several, the first one is shown."""


def phase_of(queue: JobQueue) -> Phase:
    """Return what is going on.

    Parameters
    ----------
    queue : JobQueue
        Of the network.

    Returns
    -------
    Phase
        Ready if there is no job that is shown.
    """
    going_on = (phase for priority, phase in PHASES.items() if queue.has(priority))
    return next(going_on, Phase.READY)
