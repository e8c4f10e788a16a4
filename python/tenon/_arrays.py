"""Arguments that are not numpy arrays: torch tensors, and what numpy can make an array of."""

import numpy

from ._errors import ArgumentError

_BFLOAT16 = 10  # the number of bf16 in runtime/abi.h


def adopt(value):
    """(array that shares the value's memory where possible, its Tenon dtype number or -1 to take the array's, whether it
    is a torch tensor)."""
    if hasattr(value, "data_ptr"):
        try:
            return value.numpy(), -1, True
        except (TypeError, RuntimeError):
            return _adopt_unusual(value)
    array = numpy.asarray(value)
    if array.dtype == object:
        raise ArgumentError(f"cannot make an array of {type(value).__name__}")
    return array, -1, False


def _adopt_unusual(tensor):
    """A tensor that numpy does not take as it is."""
    import torch

    if tensor.device.type != "cpu":
        raise ArgumentError(f"Tenon runs on the CPU, but an argument is on {tensor.device}: call .cpu() first")
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy(), _BFLOAT16, True
    return tensor.numpy(), -1, True


def release(array, dtype):
    """A result as a torch tensor."""
    import torch

    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if dtype == _BFLOAT16 else tensor
