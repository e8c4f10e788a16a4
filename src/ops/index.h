// Indices that are data: what gathers and scatters share.
#pragma once

#include <expected>
#include <string>

#include "ir/loop_scope.h"
#include "ops/tensor.h"

namespace tenon::ops {

/// The status of a kernel that met an index out of range.
constexpr int kIndexOutOfRange = 1;

/// Nothing, or why a tensor of this dtype cannot be indices.
std::expected<void, std::string> check_index_dtype(ir::DType dtype);

/// The position that `index` means along an axis: negative ones count from the end.
std::expected<int64_t, std::string> position_of(int64_t index, size_t axis, int64_t extent);

/// The same in loops: the operand's element there, checked; a variable.
ir::E load_position(ir::LoopScope& scope, int operand, std::span<const ir::E> at, ir::E extent);

}  // namespace tenon::ops
