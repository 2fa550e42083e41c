"""Trials and checks: a routes.yaml that is given as text, tried on stored events or only checked.

The text is untrusted, so a process of its own evaluates it: without secrets, files or network, and
within limits of memory and time.
"""
