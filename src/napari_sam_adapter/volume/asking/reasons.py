"""Why a propagation gives a mask that is to be looked at, or none."""

END = "end"
"""Reason of a good mask on the last plane that was asked for."""
EMPTY = "empty"
"""Reason of no mask: the object is not on this plane."""
NOTHING = "nothing"
"""Reason of no mask where prompts asked for one."""
BEYOND = "beyond"
"""Reason of no mask where an earlier propagation had one."""
CONFLICT = "conflict"
"""Reason where another object has most of the pixels."""
TOLD = {
    END: "the image ended",
    EMPTY: "the object ended",
    NOTHING: "nothing was found",
    "jump": "the mask jumped",
    "low score": "the network was unsure",
    "other image": "the image changed",
    "blank": "nothing was shown",
    "disagreement": "both directions disagreed",
    "one side": "only one direction got further",
    "interpolated": "neither direction got further",
    CONFLICT: "another object was there",
}
"""How users read a reason."""
RANGE_ENDED, SAID_TO_END = "the range ended", "where you said it ends"
"""How users read `END` where there are more slices."""
REASONS = frozenset({"", BEYOND, *TOLD})
"""All reasons but the sentences about planes that cannot be read."""
