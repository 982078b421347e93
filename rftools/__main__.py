"""``python -m rftools``."""

from rftools.cli import main

if __name__ == "__main__":
    main()
