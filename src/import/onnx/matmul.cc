// Matrix products.
#include <numeric>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

Result<void> import_matmul(NodeContext& node) {
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  return node.finish(matrix_product(node.emitter(), a, b));
}

namespace {

/// The determinant of the rows from `row` on and these columns, by the first row's elements.
Emitter::Operand determinant(Emitter& emitter, const std::vector<std::vector<ValueId>>& elements,
                             size_t row, const std::vector<size_t>& columns) {
  if (columns.size() == 1) return elements[row][columns[0]];
  Emitter::Operand sum = ValueId();
  for (size_t i = 0; i < columns.size(); ++i) {
    std::vector<size_t> rest = columns;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    const Emitter::Operand term = emitter.emit(
        Op::kMul, {elements[row][columns[i]], determinant(emitter, elements, row + 1, rest)});
    sum = i == 0 ? term : emitter.emit(i % 2 == 1 ? Op::kSub : Op::kAdd, {sum, term});
  }
  return sum;
}

}  // namespace

Result<void> import_det(NodeContext& node) {
  constexpr int64_t kLargest = 4;
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() < 2 || dims[dims.size() - 2] != dims.back()) return node.bad("takes squares");
  if (!dims.back().is_constant() || dims.back().value() < 1 || dims.back().value() > kLargest) {
    return node.unsupported(fmt::format("Det of more than {} rows", kLargest));
  }
  const int64_t size = dims.back().value();
  const auto last = static_cast<int64_t>(dims.size()) - 1;
  dims.resize(dims.size() - 2);
  std::vector<std::vector<ValueId>> elements(static_cast<size_t>(size));
  std::vector<size_t> columns(static_cast<size_t>(size));
  std::iota(columns.begin(), columns.end(), 0);
  for (int64_t i = 0; i < size; ++i) {
    const Emitter::Operand row = emitter.slice(x, last - 1, i, i + 1);
    for (int64_t j = 0; j < size; ++j) {
      TENON_TRY(const ValueId element, emitter.reshape(emitter.slice(row, last, j, j + 1), dims));
      elements[static_cast<size_t>(i)].push_back(element);
    }
  }
  return node.finish(determinant(emitter, elements, 0, columns));
}

Result<void> import_gemm(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  if (emitter.rank(a) != 2 || emitter.rank(b) != 2) return node.bad("takes two matrices");
  const auto oriented = [&](ValueId matrix, bool transposed) -> Emitter::Operand {
    return transposed ? emitter.transpose(matrix, {1, 0}) : Emitter::Operand(matrix);
  };
  Emitter::Operand result = emitter.emit(Op::kMatMul, {oriented(a, node.flag("transA", false)),
                                                       oriented(b, node.flag("transB", false))});
  const double alpha = node.number("alpha", 1);
  if (alpha != 1) result = emitter.with_number(Op::kMul, result, alpha);
  const double beta = node.number("beta", 1);
  if (!node.has_input(2) || beta == 0) return node.finish(result);
  Emitter::Operand bias = node.optional_input(2);
  if (beta != 1) bias = emitter.with_number(Op::kMul, bias, beta);
  return node.finish(emitter.emit(Op::kAdd, {result, bias}));
}

}  // namespace tenon::import::onnx
