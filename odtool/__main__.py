"""`python -m odtool` and the `odtool` script."""

from odtool.cli import main

if __name__ == "__main__":
    main()
