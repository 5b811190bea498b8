"""The errors a user can act on: each names the cause and what to do next."""


class OdtoolError(Exception):
    """Something the user can fix.

    Args:
        message: one line that names the file (and line or field) and what is wrong with it.
        hint: one line that says what to do next; empty when the message says it already.
        details: further lines, where there are several of what the message names.
    """

    def __init__(self, message: str, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class RefusedError(OdtoolError):
    """The system refused something: a disk is full or read-only, a quota used up, a permission denied."""


class DataError(OdtoolError):
    """Images, annotations, label maps or records that cannot be used."""


class ConfigError(OdtoolError):
    """A pipeline.config, or a setting for one, that cannot be used."""


class JobError(OdtoolError):
    """A run or one of its processes that is not in the state the command needs."""


class InstallationError(OdtoolError):
    """A package that is missing or broken in this Python."""


def first_line(error: Exception) -> str:
    """What an error of a library says first, in at most 300 characters; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
