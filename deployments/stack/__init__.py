"""The whole service on one machine, as `report-exports up` starts it.

`plan` decides everything before the first process starts: ports, secrets, addresses, environment. `local`
starts the parts in order and stops them at a signal. `supervisor` restarts a part that ends; each part is a
`child_process`. `parts` describes the servers that come with the stack, which settings may replace.
"""
