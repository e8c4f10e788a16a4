// NumPy's .npy format, versions 1 to 3: a tensor as a header (a Python dict as text) and elements.
//
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "ops/tensor.h"

namespace tenon::commands {

/// A tensor from the bytes of a .npy file: every dtype of ir/dtype.def, either byte order, C or
/// Fortran order. numpy has no bfloat16: it is '<V2', as ml_dtypes writes it. kBadInput when the
/// bytes are damaged or hold something else.
Result<ops::Tensor> parse_npy(std::span<const std::byte> bytes);

/// The header of a version 1 file, in C order; the tensor's bytes follow it.
std::string npy_header(const ops::Tensor& tensor);

}  // namespace tenon::commands
