"""Exceptions: one class for each kind of error, all of them `tenon.Error`."""


class Error(Exception):
    """What Tenon could not do: what is wrong, where, and what to do. `kind` is one of those in docs/cli.md."""

    kind = "internal"


class UsageError(Error, ValueError):
    """A call with options that make no sense."""

    kind = "usage"


class FileError(Error, OSError):
    """A file that cannot be read or written."""

    kind = "io"


class ModelError(Error):
    """A model file that is damaged or breaks its format's rules."""

    kind = "bad-model"


class UnsupportedError(Error):
    """A valid model that uses something that Tenon or this CPU does not have."""

    kind = "unsupported"


class ShapeError(Error, ValueError):
    """Shapes or dtypes that cannot work together."""

    kind = "bad-shape"


class InputError(Error, ValueError):
    """An input of the wrong dtype or shape."""

    kind = "bad-input"


class ArgumentError(InputError, TypeError):
    """A call with the wrong number or names of inputs."""


class RunError(Error, IndexError):
    """An error that a kernel reported, such as an index out of range in the model's data."""

    kind = "runtime"


class OutOfMemoryError(Error, MemoryError):
    """Memory ran out."""

    kind = "runtime"


# By the codes of runtime/abi.h, from TENON_OK on.
BY_CODE = [Error, FileError, ModelError, UnsupportedError, InputError, RunError, OutOfMemoryError]

_BY_KIND = {c.kind: c for c in (Error, UsageError, FileError, ModelError, UnsupportedError, ShapeError, InputError, RunError)}


def of_kind(kind, message, nodes=()):
    """The exception for an error of the compiler."""
    return _BY_KIND[kind](message)
