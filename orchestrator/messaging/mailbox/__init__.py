"""One deployment's mailbox: what waits in it, who may put something in, and which instance takes what.

It belongs to the deployment, not to an instance: a switch of versions changes who takes from it, and moves nothing that
was started. `messaging.router` finds it by name for senders; instances take from it (`supervise.mailbox_side`);
`execute` sets its weights, bounds and routing.

    sender ──offer, post──▶ Route ──▶ CapacityLimit   is there room, and who makes way
                              │  ──▶ Dispatcher       whom it waits for: a revision's lane, there anyone or one instance
                              │         └─▶ Queues, SessionBindings, Members (who owns a key)
                              │  ──▶ Matcher          a lane's oldest message, and the instance idle for longest
                              ▼
       instance ◀──take── Route ◀──idle, finished, claim── instance

How a message passes: `offer` numbers its envelope and queues it, or hands it at once to an idle instance where none
waits before it. The instance works on it and says `finished`, with which it is idle again and takes what waits next.
The envelope is settled after that, once, by the instance that worked on it; or by the route, if it lets the message go.

There is one lock, the route's. Every part but the `Route` is for one thread at a time, and holds no reference upwards.
Under the lock it is decided who gets what; handing it over and telling senders is done without it (`Route._hand_over`).
"""
