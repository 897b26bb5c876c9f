"""Apps of real frameworks, through both clients."""
