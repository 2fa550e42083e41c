"""Reload of routes.yaml while all processes run.

The reader waits until the files have been quiet for a moment, checks them as at a start, keeps the
configuration in the store, and then puts all that it is made of on a board, which is memory that
the processes of one tree share. Each of them builds its own from there and swaps it in between two
requests, or two turns. So nobody takes on what another has not, and nothing is planned by a file
that was half written. What is wrong with a file is put on the board as well, beside the last that
was good.
"""
