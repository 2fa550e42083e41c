"""`python -m bridge` is the `flowbridge` command."""

from bridge.cli import main

main()
