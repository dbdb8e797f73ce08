"""Errors that reach a person: one message with what happened, what was expected and what to do, and an exit code."""


class KinshipError(Exception):
    """The work was tried and failed."""

    exit_code = 1


class WrongUse(KinshipError):
    """Nothing was tried: the command or the configuration is wrong."""

    exit_code = 2


class StoppedByGuard(KinshipError):
    """A guard found the change too large or the input unfit, and stopped before harm was done."""

    exit_code = 3
