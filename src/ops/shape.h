// What shape rules share: words for messages, and common checks.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace tenon::ops {

/// The error of a shape rule or evaluation: a formatted sentence.
template <class... Args>
std::unexpected<std::string> wrong(fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(fmt::format(format, std::forward<Args>(args)...));
}

/// "[2, 3, n]"
std::string shape_text(const ir::Dims& dims, std::span<const ir::Dim> shape);
/// "[2, 3] and [4]"
std::string shapes_text(const ir::Dims& dims, std::span<const std::vector<ir::Dim>> shapes);

/// The attribute as an axis of this rank, or a sentence that says the legal range.
std::expected<size_t, std::string> axis_of(const ir::Attrs& attrs, size_t rank);

/// The numbers of a shape whose every dim is one.
std::vector<int64_t> numbers_of(std::span<const ir::Dim> dims);

/// Elements that one step along each axis of a dense row-major tensor passes over.
std::vector<int64_t> dense_strides(std::span<const int64_t> shape);

}  // namespace tenon::ops
