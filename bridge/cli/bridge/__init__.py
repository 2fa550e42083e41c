"""The bridge that a command asks: the store of this machine, or the admin API of another."""
