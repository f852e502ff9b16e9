"""The kinds of workload: what is kept running (`service.py`) and what is run to its end (`job.py`).

`settle` and `actions` ask `workload_of` for the verbs in which kinds differ, and nowhere else which kind something is.
"""

from orchestrator.execute.workloads.job import JOB
from orchestrator.execute.workloads.service import SERVICE
from orchestrator.execute.workloads.workload import Workload
from orchestrator.model.spec import Deployment

__all__ = ["Workload", "workload_of"]


def workload_of(deployment: Deployment) -> Workload:
    """Say how a deployment's revision is brought to run."""
    return JOB if deployment.revision.is_job else SERVICE
