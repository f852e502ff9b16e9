"""The client of an agent, as a library: documents in, documents out, over the agent's Unix socket.

It needs `contract`, `model`, msgspec and the standard library: neither the command line nor the engine nor the store.

    with AgentClient(state_dir) as agent:
        for deployment in agent.deployments():
            print(deployment.name, deployment.phase)
"""

from orchestrator.client.agent_client import AgentClient, NotAnswering, going

__all__ = ["AgentClient", "NotAnswering", "going"]
