"""``python -m napari_sam_adapter`` is the command line."""

import sys

from napari_sam_adapter.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
