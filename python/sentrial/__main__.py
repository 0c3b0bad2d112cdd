"""``python -m sentrial``: the same as the ``sentrial`` command."""

import sys

from sentrial.cli import main

if __name__ == "__main__":
    sys.exit(main())
