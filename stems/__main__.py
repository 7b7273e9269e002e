"""`python -m stems`: the command line, where its script is not on the path."""

from stems.cli import program

if __name__ == "__main__":
    program()
