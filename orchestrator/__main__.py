"""`python -m orchestrator`: the `airs` command, run by the Python of one's choice."""

from orchestrator.cli.main import main

if __name__ == "__main__":
    main()
