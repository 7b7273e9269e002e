"""What commands need besides the packages that are always installed."""

from __future__ import annotations

from importlib.util import find_spec

from stems.errors import OptionError


def require(work: str, extra: str, *packages: str) -> None:
    """Raises OptionError, which says what to install, where some work needs a package that is not there.

    Args:
        work: such as "Training".
        extra: of this project, which brings the packages.
        packages: that the work needs.
    """
    for package in packages:
        if find_spec(package) is None:
            raise OptionError(f"{work} needs {package}: pip install 'openband-stems[{extra}]'.")
