"""Front door for napari: the only code that knows napari and Qt."""
