"""Why a propagation gives a mask that is to be looked at, or none."""

END = "end"
"""Reason of a good mask on the last plane that was asked for."""
EMPTY = "empty"
"""Reason of no mask: the object is not on this plane."""
BEYOND = "beyond"
"""Reason of no mask where an earlier propagation had one."""
REASONS = frozenset(
    {
        "", END, EMPTY, BEYOND, "low score", "jump", "other image", "blank",
        "disagreement", "one side", "interpolated", "conflict",
    }
)  # fmt: skip
"""All reasons but the sentences about planes that cannot be read."""
