"""`python -m gateway` is `punchgate`."""

from gateway.commands import main

main()
