"""A model that does next to nothing: what a call costs by itself."""

from __future__ import annotations

FLOAT = 1


def _field(number: int, value: int | bytes | str) -> bytes:
    """A field of a protocol buffer; all sizes here are below 128 or take two bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])
    return bytes([number << 3 | 2]) + size + data


def empty_onnx(inputs: int, outputs: int) -> bytes:
    """An ONNX file of so many inputs and outputs (up to 100 in all) of one number each; every output is the negative of an
    input.

    >>> len(empty_onnx(1, 1)) < 100
    True
    """
    one_number = _field(1, _field(1, FLOAT) + _field(2, _field(1, _field(1, 1))))  # tensor_type of shape [1]
    graph = b""
    for k in range(outputs):
        graph += _field(1, _field(1, f"x{k % inputs}") + _field(2, f"y{k}") + _field(4, "Neg"))
    graph += _field(2, "empty")
    for k in range(inputs):
        graph += _field(11, _field(1, f"x{k}") + _field(2, one_number))
    for k in range(outputs):
        graph += _field(12, _field(1, f"y{k}") + _field(2, one_number))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))
