"""A stage whose agent is configured with policies."""

import json
from pathlib import Path
from typing import Any

from .stage import Stage


class Ruled(Stage):
    """A stage whose agent is configured with policies."""

    inside = ""  # the folder of the repository that they lie in, if they do

    def rule(self, name: str = "production", kind: str = "Policy", **spec: Any) -> None:
        """Write one document of the policy source."""
        body = {"apiVersion": "airs.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.write_policy(name, json.dumps(body, indent=1))

    def write_policy(self, name: str, text: str) -> None:
        draft = self.policies / f".{name}"
        draft.write_text(text)
        draft.rename(self.policies / f"{name}.yaml")

    @property
    def policies(self) -> Path:
        return self.folder / "policies" / self.inside

    def message(self, name: str) -> str:
        return self.view(name).message

    def runs(self, name: str, version: str) -> bool:
        views = {view.name: view for view in self.client.deployments()}
        return name in views and (views[name].phase, views[name].version) == ("running", version)

    def waits_for(self) -> list[str]:
        return [each["deployment"] for each in self.json("approvals")]
