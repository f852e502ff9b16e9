"""The command line: reads arguments and the environment, asks the agent or the pure packages, and prints.

The only place that reads environment variables, knows exit codes, and knows what a terminal is.
"""

from orchestrator.cli.leaving import LeavingAtOnce

with LeavingAtOnce():  # imports take most of the time in which no command heeds Ctrl-C yet
    from orchestrator.cli.frugal import Undisturbed, import_frugally

    with Undisturbed():
        import_frugally()
        __import__("orchestrator.cli.main")
