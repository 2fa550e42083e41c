"""`python -m bridge` is the `flowbridge` command."""

from bridge.cli.main import main

main()
