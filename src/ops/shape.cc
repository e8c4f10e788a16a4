#include "ops/shape.h"

namespace tenon::ops {

std::string shape_text(const ir::Dims& dims, std::span<const ir::Dim> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += dims.to_string(shape[i]);
  }
  return text + "]";
}

std::string shapes_text(const ir::Dims& dims, std::span<const std::vector<ir::Dim>> shapes) {
  std::string text;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (i > 0) text += i + 1 == shapes.size() ? " and " : ", ";
    text += shape_text(dims, shapes[i]);
  }
  return text;
}

std::expected<size_t, std::string> axis_of(const ir::Attrs& attrs, size_t rank) {
  int64_t axis = attrs.integer("axis");
  if (axis < 0 || axis >= static_cast<int64_t>(rank)) {
    return wrong("axis {} is not in [0, {})", axis, rank);
  }
  return static_cast<size_t>(axis);
}

std::vector<int64_t> numbers_of(std::span<const ir::Dim> dims) {
  std::vector<int64_t> numbers;
  numbers.reserve(dims.size());
  for (ir::Dim dim : dims) {
    TENON_CHECK(dim.is_constant(), "every dim is a number when a node is evaluated");
    numbers.push_back(dim.value());
  }
  return numbers;
}

std::vector<int64_t> dense_strides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

}  // namespace tenon::ops
