"""The commands of `airs`: where each lies, what it is for, and what people who know other tools call it.

The summaries stand here so that `airs --help` imports none of them; a test holds them against the commands' own.
"""

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """A command: the module of this package in which it lies, and the first sentence of its help."""

    module: str
    summary: str


SECTIONS: dict[str, dict[str, CommandEntry]] = {
    "Deploy": {
        "init": CommandEntry("starting", "Write manifests for a bare component FILE, ready to apply."),
        "validate": CommandEntry("planning", "Check manifests, components and artifacts; needs no agent."),
        "render": CommandEntry("render", "Print the plain manifests that a source comes to, its overlays applied."),
        "plan": CommandEntry("planning", "Show what would change, and why."),
        "apply": CommandEntry("planning", "Make it so: a folder, a file, REPOSITORY#ref:path or a saved plan."),
        "up": CommandEntry("up", "Watch a source until Ctrl-C, and tell what happens."),
        "state": CommandEntry(
            "state", "Export what the agent runs, so that `airs plan --against` compares with it on any machine."
        ),
        "reconcile": CommandEntry("reconciling", "Look at a source right away, and carry out what it wants."),
        "suspend": CommandEntry(
            "reconciling", "Stop following something until it is resumed; its deployments keep running."
        ),
        "resume": CommandEntry("reconciling", "Follow something again that was suspended."),
        "source": CommandEntry("source", "Let the agent follow folders, files and git repositories, for good."),
    },
    "Look": {
        "status": CommandEntry("look", "Show how everything is, or one deployment in detail."),
        "get": CommandEntry("look", "List things of one kind."),
        "wait": CommandEntry(
            "wait", "Wait until deployments are ready, synced, at rest or gone, and say how that ended."
        ),
        "history": CommandEntry("look", "List a deployment's revisions, or show what one contained."),
        "diff": CommandEntry(
            "diff", "Say how two revisions of deployments differ: content, grants, limits, imports and exports."
        ),
        "logs": CommandEntry("journals", "Print what a deployment's guests logged."),
        "events": CommandEntry("journals", "Print what happened since the agent started."),
        "top": CommandEntry("top", "Show what all deployments are doing, live."),
        "trace": CommandEntry(
            "trace",
            "Show a conversation: its messages, from where to where, and how each ended.",
        ),
    },
    "Talk to components": {
        "request": CommandEntry("act", "Send a message and print the reply."),
        "send": CommandEntry("act", "Queue a message, or many, without waiting for an answer."),
        "publish": CommandEntry("topics", "Publish a message to every deployment that subscribes to its topic."),
        "call": CommandEntry("act", "Call an exported function: each argument is JSON."),
        "session": CommandEntry("session", "Look at the sessions of typed calls, drop handles, or end one."),
        "run": CommandEntry("act", "Run a job again, and end as it does."),
        "replay": CommandEntry(
            "letters",
            "Send a deployment's dead letters again, all of them or some.",
        ),
    },
    "Change what runs": {
        "rollout": CommandEntry("act", "Look at a rollout, promote it, abort it, or retry."),
        "rollback": CommandEntry("act", "Go back to an earlier revision."),
        "restart": CommandEntry("act", "Restart deployments, their instances one after another."),
        "delete": CommandEntry("act", "Remove deployments; their stored data are kept."),
    },
    "Permissions and the audit book": {
        "approvals": CommandEntry("approving", "List the deployments that wait for an approval, and exactly what for."),
        "approve": CommandEntry(
            "approving",
            "Approve what a deployment waits for: these capabilities, for this artifact, and nothing else.",
        ),
        "audit": CommandEntry(
            "audit",
            "Look at the audit book, which tells who decided and was allowed what, and verify that nobody changed it.",
        ),
    },
    "Sign and trust": {
        "keygen": CommandEntry("signing", "Make a key pair to sign components with."),
        "sign": CommandEntry("signing", "Sign the component in FOLDER: its artifact, and all of its Component.toml."),
        "verify": CommandEntry("signing", "Say who signed a COMPONENT, until when, and whether they are trusted."),
        "trust": CommandEntry("trust", "Say whose signatures this machine trusts."),
    },
    "The agent, components, this machine": {
        "push": CommandEntry("push", "Push the component in FOLDER to a registry: oci://HOST/NAME:TAG."),
        "agent": CommandEntry("agent", "Start, stop or look at the background agent."),
        "notify": CommandEntry(
            "notify", "Look at the forges and notifications that the agent tells of what happens, and try one."
        ),
        "config": CommandEntry("config", "Look at the settings in `airs.toml`, in variables and flags."),
        "component": CommandEntry("component", "Look into components, compare two, and manage the component store."),
        "secret": CommandEntry(
            "secret", "List secrets, seal them so that they can be committed, and rotate the key that opens them."
        ),
        "schema": CommandEntry("starting", "Print the JSON Schema of a KIND of document, or list the kinds."),
        "doctor": CommandEntry("doctor", "Check this machine and the state directory."),
        "completion": CommandEntry(
            "completion", "Print a script that completes commands, options and names in a shell."
        ),
        "help": CommandEntry("helping", "Show what airs or one of its commands does."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

# Commands of kubectl, flux, nomad, terraform, systemctl and docker, and the same here.
HABITS = {
    "describe": "airs status NAME", "show": "airs status NAME", "inspect": "airs component info FILE",
    "ps": "airs status", "list": "airs get deployments", "ls": "airs get deployments", "pods": "airs get instances",
    "watch": "airs status -w",
    "preview": "airs plan PATH", "build": "airs render PATH", "kustomize": "airs render PATH",
    "template": "airs render PATH",
    "create": "airs apply PATH", "deploy": "airs apply PATH", "install": "airs apply PATH",
    "sync": "airs reconcile NAME", "upgrade": "airs apply PATH", "patch": "airs apply PATH", "edit": "airs apply PATH",
    "set": "airs apply PATH", "replace": "airs apply PATH",
    "scale": "airs apply PATH, with other replicas in the manifest",
    "fmt": "airs validate PATH", "lint": "airs validate PATH", "check": "airs doctor, or airs validate PATH",
    "start": "airs agent start", "stop": "airs agent stop, or airs apply PATH with suspend: true",
    "destroy": "airs delete NAME", "remove": "airs delete NAME", "rm": "airs delete NAME",
    "uninstall": "airs delete NAME",
    "undo": "airs rollback NAME", "promote": "airs rollout promote NAME", "abort": "airs rollout abort NAME",
    "retry": "airs rollout retry NAME", "exec": "airs request NAME PAYLOAD, or airs call NAME FUNCTION",
    "invoke": "airs call NAME FUNCTION", "tail": "airs logs -f NAME", "log": "airs logs NAME",
    "explain": "airs schema deployment", "version": "airs --version", "node": "airs doctor", "job": "airs run NAME",
    "monitor": "airs events -f", "alloc": "airs get instances", "instances": "airs get instances",
    "deployments": "airs get deployments", "revisions": "airs history NAME", "revert": "airs rollback NAME",
}  # fmt: skip
GROUP_HABITS = {  # for a name where a group wants the kind of thing first
    "suspend": "airs suspend source NAME, or airs apply PATH with suspend: true",
    "resume": "airs resume source NAME, or airs apply PATH with suspend: false",
}
KIND_HABITS = {
    "pods": "instances", "pod": "instances", "po": "instances", "instance": "instances", "replicas": "instances",
    "replicasets": "revisions", "rs": "revisions", "revision": "revisions", "history": "revisions",
    "deployment": "deployments", "deploy": "deployments", "all": "deployments", "jobs": "deployments",
    "services": "deployments", "svc": "deployments", "source": "sources", "gitrepositories": "sources",
    "kustomizations": "sources", "group": "groups", "dead-letter": "dead-letters", "deadletters": "dead-letters",
    "dlq": "dead-letters", "subscription": "subscriptions", "topics": "subscriptions",
}  # fmt: skip
OPTION_HABITS = {  # by command, or for all of them
    ("*", "--namespace"): "Write NAMESPACE/NAME for one deployment.",
    ("*", "-n"): "Write NAMESPACE/NAME for one deployment.",
    ("*", "-A"): "Every list holds all namespaces; `-n NAMESPACE` makes it one.",
    ("*", "--all-namespaces"): "Every list holds all namespaces; `-n NAMESPACE` makes it one.",
    ("apply", "-f"): "The path is an argument: airs apply PATH.",
    ("apply", "--filename"): "The path is an argument: airs apply PATH.",
    ("apply", "-k"): "The path is an argument: airs apply PATH.",
    ("apply", "--dry-run"): "airs plan PATH shows what would change, and changes nothing.",
    ("apply", "-auto-approve"): "It is --yes.",
    ("apply", "--auto-approve"): "It is --yes.",
    ("apply", "--prune"): "Deployments that left the source are removed anyway; airs plan PATH shows them first.",
    ("apply", "--force"): "--adopt takes over from another source; airs rollout retry NAME releases a held revision.",
    ("plan", "-f"): "The path is an argument: airs plan PATH.",
    ("plan", "--dry-run"): "A plan never changes anything.",
    ("plan", "-out"): "It is --out FILE.",
    ("plan", "-detailed-exitcode"): "It is --detailed-exitcode.",
    ("validate", "-f"): "The path is an argument: airs validate PATH.",
    ("up", "-f"): "The path is an argument: airs up PATH.",
    ("up", "-d"): "airs agent start runs an agent in the background; airs apply PATH starts one if none runs.",
    ("up", "--detach"): "airs agent start runs an agent in the background; airs apply PATH starts one if none runs.",
    ("delete", "-f"): "Name deployments: airs delete NAME. airs apply removes those that left a source.",
    ("delete", "--dry-run"): "airs plan PATH shows what a source would remove.",
    ("rollback", "--to-revision"): "It is --to N.",
    ("rollback", "--revision"): "It is --to N.",
    ("get", "-w"): "airs status -w keeps showing how everything is.",
    ("get", "--watch"): "airs status -w keeps showing how everything is.",
    ("request", "-d"): "The payload is an argument, or --text, --json, --cbor, --hex, --file.",
    ("request", "--data"): "The payload is an argument, or --text, --json, --cbor, --hex, --file.",
    ("logs", "--previous"): "The lines of instances that ended are among them; airs events NAME says how they ended.",
    ("logs", "-p"): "The lines of instances that ended are among them; airs events NAME says how they ended.",
    ("logs", "--all"): "Without a NAME, it prints the lines of all deployments.",
}  # fmt: skip
