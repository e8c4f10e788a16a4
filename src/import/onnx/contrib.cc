// Operators of com.microsoft, ONNX Runtime's own domain, which its optimiser writes into files.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

constexpr int64_t kMostBlock = int64_t{1} << 30;

Result<void> import_fused_matmul(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  if (node.flag("transBatchA", false) || node.flag("transBatchB", false)) {
    return node.unsupported("FusedMatMul with transposed batches");
  }
  const auto oriented = [&](ValueId matrix, std::string_view attribute) -> Emitter::Operand {
    const int64_t rank = emitter.rank(matrix);
    if (!node.flag(attribute, false) || rank < 2) return matrix;
    std::vector<int64_t> perm = axes_from(0, rank);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return emitter.transpose(matrix, std::move(perm));
  };
  TENON_TRY(a, oriented(a, "transA"));
  TENON_TRY(b, oriented(b, "transB"));
  const Emitter::Operand product = matrix_product(emitter, a, b);
  const double alpha = node.number("alpha", 1);
  return node.finish(alpha == 1 ? product : emitter.with_number(Op::kMul, product, alpha));
}

/// Gelu of x plus an optional bias; FastGelu by tanh, BiasGelu by the error function.
Result<void> import_bias_gelu(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  Emitter::Operand sum = x;
  if (node.has_input(1)) sum = emitter.emit(Op::kAdd, {x, node.optional_input(1)});
  return node.finish(
      emitter.emit(node.op_type() == "FastGelu" ? Op::kGeluTanh : Op::kGelu, {std::move(sum)}));
}

/// The norm of input + skip (+ bias); the sum is the fourth output.
Result<void> import_skip_normalization(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  TENON_TRY(ValueId skip, node.input(1));
  TENON_TRY(ValueId scale, node.input(2));
  const bool is_simplified = node.op_type() == "SkipSimplifiedLayerNormalization";
  const size_t bias_at = is_simplified ? 3 : 4;
  if (node.wants_output(1) || node.wants_output(2)) {
    return node.unsupported(fmt::format("statistics of {}", node.op_type()));
  }
  Emitter::Operand sum = emitter.emit(Op::kAdd, {x, skip});
  if (node.has_input(bias_at)) {
    sum = emitter.emit(Op::kAdd, {sum, node.optional_input(bias_at)});
  }
  TENON_TRY(ValueId total, std::move(sum));
  node.set_output(3, total);
  std::vector<Emitter::Operand> operands = {total, scale};
  if (!is_simplified) operands.emplace_back(node.optional_input(3));
  return node.finish(
      emitter.emit(is_simplified ? Op::kRmsNorm : Op::kLayerNorm, std::move(operands),
                   {{"axes", int64_t{1}}, {"epsilon", node.number("epsilon", 1e-12F)}}));
}

namespace {

/// Bytes of two 4-bit numbers each, the lower half first, as one number per byte: the last axis
/// doubles and is cut to `count`.
Emitter::Operand unpack_nibbles(Emitter& emitter, ValueId packed, Dim count) {
  std::vector<Dim> dims = emitter.shape(packed);
  const auto last = static_cast<int64_t>(dims.size()) - 1;
  std::vector<Dim> pairs = dims;
  pairs.emplace_back(1);
  dims.back() = emitter.dims().mul(dims.back(), 2);
  const Emitter::Operand low = emitter.with_number(Op::kBitAnd, packed, 15);
  const Emitter::Operand high = emitter.with_number(Op::kShiftRight, packed, 4);
  const Emitter::Operand both =
      emitter.concat({emitter.reshape(low, pairs), emitter.reshape(high, pairs)}, last + 1);
  return emitter.slice(emitter.reshape(both, dims), last, 0, count);
}

}  // namespace

/// A product with a matrix of 4- or 8-bit numbers that have a scale (and a zero point) per block of
/// a column: B is [N, blocks, bytes of a block].
Result<void> import_matmul_nbits(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId a, node.input(0));
  TENON_TRY(ValueId b, node.input(1));
  TENON_TRY(ValueId scales, node.input(2));
  const int64_t bits = node.integer("bits", 4);
  const int64_t block = node.integer("block_size", 0);
  const int64_t inner = node.integer("K", 0);
  const int64_t columns = node.integer("N", 0);
  if ((bits != 4 && bits != 8) || node.has_input(4)) {
    return node.unsupported("MatMulNBits with a group index, or of neither 4 nor 8 bits");
  }
  if (block < 1 || block > kMostBlock || inner < 1 || columns < 1) {
    return node.bad("K, N and block_size must be positive");
  }
  const int64_t blocks = (inner - 1) / block + 1;
  const std::vector<Dim> per_block = {columns, blocks, 1};
  const auto numbers = [&](ValueId packed, Dim count) -> Emitter::Operand {
    return bits == 8 ? Emitter::Operand(packed) : unpack_nibbles(emitter, packed, count);
  };
  const DType dtype = emitter.dtype(scales);
  Emitter::Operand zero = emitter.number(static_cast<double>(int64_t{1} << (bits - 1)), dtype);
  if (node.has_input(3)) {
    const ValueId given = node.optional_input(3);
    if (is_float(emitter.dtype(given))) {
      zero = emitter.reshape(given, per_block);
    } else {
      const int64_t bytes = bits == 8 ? blocks : (blocks + 1) / 2;
      TENON_TRY(ValueId packed, emitter.reshape(given, {columns, bytes}));
      zero = emitter.cast(emitter.reshape(numbers(packed, blocks), per_block), dtype);
    }
  }
  const Emitter::Operand whole = emitter.cast(numbers(b, block), dtype);
  const Emitter::Operand weights = emitter.emit(
      Op::kMul, {emitter.emit(Op::kSub, {whole, zero}), emitter.reshape(scales, per_block)});
  const Emitter::Operand matrix =
      emitter.slice(emitter.reshape(weights, {columns, blocks * block}), 1, 0, inner);
  TENON_TRY(ValueId right, emitter.transpose(emitter.cast(matrix, emitter.dtype(a)), {1, 0}));
  Emitter::Operand product = matrix_product(emitter, a, right);
  if (node.has_input(5)) {
    product = emitter.emit(Op::kAdd, {std::move(product), node.optional_input(5)});
  }
  return node.finish(std::move(product));
}

}  // namespace tenon::import::onnx
