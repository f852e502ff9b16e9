"""Names a source of the command line as the agent's `airs.toml` does, where that declares it.

`plan` and `apply` ask: a place that is declared has its declared name there, so that its deployments are its own, and
its commits are verified and its namespaces bounded as they are for the agent.
"""

from pathlib import Path

from orchestrator.cli.context import Settings
from orchestrator.cli.reading import NamedSource
from orchestrator.cli.verifying import verification
from orchestrator.model.settings import SourceSection
from orchestrator.model.source import FolderSpec, SourceSpec, place_of
from orchestrator.source.spec import SourceRefused, parse_source


def named_source(settings: Settings, path: str, source: str | None, root: str | None) -> NamedSource:
    """Return the source that was typed, with all that the options and the `airs.toml` say of it; options come first.

    Raises:
        Failure: it is nothing that can be read, or the settings cannot be used.
    """
    given = NamedSource(path, source, root, verification(settings), settings.namespaces)
    if settings.found.file is None or not settings.configured.sources:
        return given
    spec = given.spec()
    section = _declared(settings.configured.sources, source, spec)
    if section is None:
        return given
    wanted = None if isinstance(spec, FolderSpec) else section.verify.wanted
    return NamedSource(
        path, section.name, root or section.root or None, given.verify or wanted, given.namespaces or section.namespaces
    )


def _declared(sections: tuple[SourceSection, ...], name: str | None, spec: SourceSpec) -> SourceSection | None:
    if name is not None:
        return next((each for each in sections if each.name == name), None)
    return next((each for each in sections if _place(each) == place_of(spec)), None)


def _place(section: SourceSection) -> str:
    try:
        return place_of(parse_source(section.place, root=section.root or None, cwd=Path("/")))
    except (SourceRefused, OSError, ValueError):  # told by the agent, which follows it
        return ""
