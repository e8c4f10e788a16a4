#include "import/build.h"

#include <algorithm>
#include <numeric>

namespace tenon::import {

using ir::Dim;
using ir::Op;
using ir::ValueId;

Emitter::Operand indices(Emitter& emitter, Dim size) {
  return emitter.emit(Op::kRange,
                      {emitter.number(0, ir::DType::kInt64), emitter.number(1, ir::DType::kInt64)},
                      {{"size", std::vector<Dim>{size}}});
}

Emitter::Operand matrix_product(Emitter& emitter, ValueId a, ValueId b) {
  std::vector<Dim> a_dims = emitter.shape(a);
  std::vector<Dim> b_dims = emitter.shape(b);
  // A vector is a row on the left and a column on the right; its axis of one goes again.
  const bool is_row = a_dims.size() == 1;
  const bool is_column = b_dims.size() == 1;
  if (is_row) a_dims.insert(a_dims.begin(), 1);
  if (is_column) b_dims.emplace_back(1);
  const Emitter::Operand product =
      emitter.emit(Op::kMatMul, {emitter.reshape(a, a_dims), emitter.reshape(b, b_dims)});
  if (!product || (!is_row && !is_column)) return product;
  std::vector<Dim> dims = emitter.shape(*product);
  if (is_column) dims.pop_back();
  if (is_row) dims.erase(dims.end() - (is_column ? 1 : 2));
  return emitter.reshape(product, std::move(dims));
}

Statistics statistics_of(Emitter& emitter, const Emitter::Operand& x,
                         const std::vector<int64_t>& axes) {
  const Emitter::Operand mean = emitter.reduce(x, "mean", axes, true);
  const Emitter::Operand centred = emitter.emit(Op::kSub, {x, mean});
  return {mean, emitter.reduce(emitter.emit(Op::kMul, {centred, centred}), "mean", axes, true)};
}

}  // namespace tenon::import
