"""`python -m gradus.cli`."""

from gradus.cli import main

main()
