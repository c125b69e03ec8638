"""Where VMs are made: one file a kind of hypervisor, and the hand that makes them only under a signed plan."""
