"""What the service does under fire: a model check of its state machine, a chaos harness over real processes, a soak.

For developers: nothing of it is installed with the package.
"""
