"""`python -m pdesl` is the command `pdesl`."""

from pdesl.run.cli import main

if __name__ == "__main__":
    main()
