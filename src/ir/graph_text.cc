#include "ir/graph_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tenon::ir {
namespace {

std::string dims_text(const Dims& dims, std::span<const Dim> list) {
  std::vector<std::string> texts;
  for (Dim dim : list) texts.push_back(dims.to_string(dim));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

}  // namespace

std::string to_string(const Dims& dims, const TensorType& type) {
  return fmt::format("{}{}", to_string(type.dtype), dims_text(dims, type.dims));
}

}  // namespace tenon::ir
