"""`python -m streams.cli`, by which a command starts another."""

from streams.cli import main

if __name__ == "__main__":
    main()
