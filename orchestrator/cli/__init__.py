"""The command line: reads arguments and the environment, asks the agent or the pure packages, and prints.

The only place that reads environment variables, knows exit codes, and knows what a terminal is.
"""

from orchestrator.cli.frugal import import_frugally

import_frugally()
