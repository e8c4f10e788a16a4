// Tensors and numbers by name as filetests write them, a line each:
//
//   x: f32[2, 3] = [1, 2, 3, 4, 5, 6]
//   x: f32[64, 64] = random          // the same numbers every time, between -1 and 1
//   n = 4
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/tensor.h"

namespace tenon::checks {

struct NamedTensor {
  std::string name;
  ops::Tensor tensor;
  bool random = false;
};

struct Values {
  std::vector<NamedTensor> tensors;  ///< in the order of the text
  std::map<std::string, int64_t, std::less<>> numbers;

  const NamedTensor* find(std::string_view name) const;
};

/// kBadModel names line and column.
Result<Values> parse_values(std::string_view text);

/// One line, without its end.
std::string to_string(const NamedTensor& value);

/// Numbers from `seed`: floats between -1 and 1, integers between -4 and 4 (from 0 if unsigned).
ops::Tensor random_tensor(ir::DType dtype, std::vector<int64_t> shape, uint32_t seed);

}  // namespace tenon::checks
