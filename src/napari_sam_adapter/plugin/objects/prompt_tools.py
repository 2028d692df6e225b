"""The tools of the mouse beyond points and boxes, and the way from one to the next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.state import BackgroundPress, Tool

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.predictions import Capabilities


class PromptTools(Feature):
    """Scribbles, polygons and the lasso; what a click means.

    Parameters
    ----------
    controller : Controller
        Whose images and network are used.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        controller.add_commands(
            {
                "use_scribbles": partial(self.use, Tool.SCRIBBLES),
                "use_polygons": partial(self.use, Tool.POLYGONS),
                "use_lasso": partial(self.use, Tool.LASSO),
                "switch_tool": self.switch_tool,
                "switch_polarity": self.switch_polarity,
            }
        )

    @reporting
    def use(self, tool: Tool) -> None:
        """Let the mouse draw with a tool.

        Parameters
        ----------
        tool : Tool
            Any but `Tool.NONE`; refused if the network does not understand it.
        """
        self._check(tool)
        self._controller.use(tool)

    def _check(self, tool: Tool) -> None:
        if tool not in tools_for(self._controller.state.understood):
            raise PromptError(
                f"Expected points or a box, because this network does not understand "
                f"{tool.value}. Use these, or choose another network."
            )

    @reporting
    def switch_tool(self) -> None:
        """Take the next tool that the network understands."""
        state = self._controller.state
        tools = tools_for(state.understood)
        place = tools.index(state.tool) + 1 if state.tool in tools else 0
        self._controller.use(tools[place % len(tools)])

    def switch_polarity(self) -> None:
        """Swap what a plain left click means, if there is a choice."""
        state = self._controller.state
        has_choice = state.understood.negative_points
        state.positive = not (state.positive and has_choice)

    def set_background_press(self, choice: BackgroundPress) -> None:
        """Say how background is marked without switching.

        Parameters
        ----------
        choice : BackgroundPress
            Right click, Shift, or either.
        """
        self._controller.state.background_press = choice


def tools_for(understood: Capabilities) -> tuple[Tool, ...]:
    """Return the tools that make sense with a network, in order.

    Parameters
    ----------
    understood : Capabilities
        What the network understands.

    Returns
    -------
    tuple of Tool
        Points and boxes always; scribbles need many points, outlines mask prompts.
    """
    tools = [Tool.POINTS, Tool.BOXES]
    if understood.scribbles:
        tools.append(Tool.SCRIBBLES)
    if understood.mask_prompts:
        tools += [Tool.POLYGONS, Tool.LASSO]
    return tuple(tools)
