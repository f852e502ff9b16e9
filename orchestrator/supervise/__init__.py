"""Keeps the instances alive that should exist: the fast, local one of the two loops.

The supervisor decides whether the instance that just exited starts again. The controller decides which instances
should exist; it reads `starting`, `backing-off` and `gave-up` here and leaves the first two alone. It calls this
package through a `Service` for each deployment (`execute.fleet`), and never an instance.

    execute.fleet ──▶ Service ──▶ InstanceSet ──▶ Instance ──▶ GuestSide ──▶ guest (a `GuestPort`, made by `runtime`)
                        │         a revision       │    ▲  └──▶ MailboxSide ◀──▶ Route (`messaging.mailbox`)
                        ├──▶ Runs of a job         │    └── timers, checks
                        └──▶ GroupMembership ──▶ GroupSupervisor: what one failure means for others

Pure modules decide: `life` (what follows what, in one instance), `policy` (what follows an exit), `groups` (what
follows it for others). Others carry that out: `instance` with `guest_side`, `mailbox_side`, `failures` and `checks`;
`instances` and `rolling` for a revision's set; `group_supervisor`; `job` for runs.

The `scheduler` decides who runs when: a guest's call is work in steps, which a few threads make (`threads`,
`fair_queue`).
How a message passes: the `Route` hands it to the `MailboxSide` of an idle instance, which submits a turn; the turn
calls the guest, tells the route how that ended, then the sender. In between nobody takes the instance's lock. An exit,
a check that is due, an answer to a request of its own and a stop are events of `life`, which take it.
"""
