"""routes.yaml while everything runs: one process reads it when it changes, all others take on what that one has found good.

The reader waits until the files have been quiet for a moment, checks them as at a start, keeps the configuration in the store, and then
puts all that it is made of on a board, which is memory that the processes of one tree share. Each of them builds its own from there and
swaps it in between two requests, or two turns. So nobody takes on what another has not, and nothing is planned by a file that was half
written. What is wrong with a file is put on the board as well, beside the last that was good.
"""

from bridge.reload.board import Board, Known, Place, told
from bridge.reload.following import Following
from bridge.reload.reader import Reader

__all__ = ["Board", "Following", "Known", "Place", "Reader", "told"]
