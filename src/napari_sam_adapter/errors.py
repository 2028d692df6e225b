"""The exceptions of this package.

::

    SamAdapterError
    ├── ImageError        (ValueError)   an image that cannot be used or read
    ├── PlaneError        (IndexError)   a plane outside the volume
    ├── PromptError       (ValueError)   a prompt that makes no sense on its plane
    ├── SessionError      (ValueError)   an edit that cannot be applied
    ├── CheckpointError   (ValueError)   a weight file that cannot be used
    ├── DeviceError       (ValueError)   a device or number format that is not there
    ├── OutputError       (OSError)      a result that cannot be written
    ├── DatasetError      (ValueError)   a data set that cannot be read
    ├── EvaluationError   (ValueError)   an evaluation that cannot be made
    ├── TrainingError     (RuntimeError) training that cannot start or go on
    └── SettingError      (ValueError)   a preference that makes no sense

Every message says what was expected, what came, and what to do. The shell prints it
on one line, the plugin shows it; anything outside this tree is a bug.
"""


class SamAdapterError(Exception):
    """Root of all errors that this package raises on purpose."""


class ImageError(SamAdapterError, ValueError):
    """An image that cannot be read or segmented."""


class PlaneError(SamAdapterError, IndexError):
    """A plane that does not lie inside the volume."""


class PromptError(SamAdapterError, ValueError):
    """A prompt that is malformed or lies outside its plane."""


class SessionError(SamAdapterError, ValueError):
    """An edit that cannot be applied to the session."""


class CheckpointError(SamAdapterError, ValueError):
    """A weight file that is broken, unsafe or of another architecture."""


class DeviceError(SamAdapterError, ValueError):
    """A device or number format that this machine does not have."""


class OutputError(SamAdapterError, OSError):
    """A result that cannot be written where it was asked for."""


class DatasetError(SamAdapterError, ValueError):
    """A data set that cannot be read, or a pair of it that cannot be used."""


class EvaluationError(SamAdapterError, ValueError):
    """An evaluation that was asked for in a way that cannot be."""


class TrainingError(SamAdapterError, RuntimeError):
    """Training that cannot start or cannot go on."""


class SettingError(SamAdapterError, ValueError):
    """A preference that makes no sense, such as a key that does not exist."""
