#include "ops/index.h"

#include "ops/shape.h"

namespace tenon::ops {

std::expected<void, std::string> check_index_dtype(ir::DType dtype) {
  if (!ir::is_integer(dtype)) return wrong("indices must be integers, not {}", to_string(dtype));
  return {};
}

std::expected<int64_t, std::string> position_of(int64_t index, size_t axis, int64_t extent) {
  if (index < -extent || index >= extent) {
    return wrong("index {} is out of range for axis {} of {}", index, axis, extent);
  }
  return index < 0 ? index + extent : index;
}

ir::E load_position(ir::LoopScope& scope, int operand, std::span<const ir::E> at, ir::E extent) {
  ir::LoopBuilder& builder = scope.builder();
  ir::E index = builder.let("index", builder.cast(scope.load(operand, at), ir::DType::kInt64));
  builder.check((-extent <= index) & (index < extent), kIndexOutOfRange);
  return builder.let("position", builder.select(index < builder.integer(0), index + extent, index));
}

}  // namespace tenon::ops
