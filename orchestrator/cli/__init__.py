"""The command line: reads arguments and the environment, asks the agent or the pure packages, and prints.

The only place that reads environment variables, knows exit codes, and knows what a terminal is.
"""

import sys

from orchestrator.cli.frugal import import_frugally
from orchestrator.contract.codes import INTERRUPTED

try:
    import_frugally()
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)
