// Attention, and what its decompositions leave.
#include <cmath>
#include <limits>

#include "import/build.h"
#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// With four axes: those before the last three become one, or are added.
Operand four_axes(Emitter& emitter, ValueId x) {
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() == 4) return x;
  std::vector<Dim> four(dims.end() - static_cast<std::ptrdiff_t>(std::min<size_t>(dims.size(), 3)),
                        dims.end());
  while (four.size() < 3) four.insert(four.begin(), 1);
  four.insert(four.begin(), dims.size() > 3
                                ? emitter.dims().product(std::span(dims).first(dims.size() - 3))
                                : Dim(1));
  return emitter.reshape(x, std::move(four));
}

/// Queries see keys up to their own position, counted from the first of both.
Operand causal_mask(Emitter& emitter, Dim queries, Dim keys) {
  return emitter.emit(Op::kLessEqual, {indices(emitter, keys),
                                       emitter.reshape(indices(emitter, queries), {queries, 1})});
}

Result<void> attend(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId query, node.tensor("query"));
  TENON_TRY(ValueId key, node.tensor("key"));
  TENON_TRY(ValueId value, node.tensor("value"));
  if (node.number("dropout_p") != 0) return node.unsupported("dropout");
  if (emitter.rank(query) < 2 || emitter.rank(key) < 2 || emitter.rank(value) < 2) {
    return node.bad("takes sequences of features");
  }
  std::vector<Dim> dims = emitter.shape(query);
  const std::vector<Dim> keys = emitter.shape(key);
  const Dim features = dims.back();
  double scale = 0;
  if (node.has("scale")) {
    scale = node.number("scale");
  } else if (features.is_constant() && features.value() > 0) {
    scale = 1 / std::sqrt(static_cast<double>(features.value()));
  } else {
    return node.unsupported("features of open size");
  }
  const Dim steps = dims[dims.size() - 2], key_steps = keys[keys.size() - 2];
  bool is_causal = node.flag("is_causal");
  Operand mask = node.optional_tensor("attn_mask");
  if (is_causal && steps != key_steps) {
    mask = causal_mask(emitter, steps, key_steps);
    is_causal = false;
  }
  TENON_TRY(ValueId one_mask, mask);
  if (one_mask && emitter.rank(one_mask) > 4) {
    TENON_TRY(one_mask, four_axes(emitter, one_mask));
  }
  if (one_mask && emitter.dtype(one_mask) != DType::kBool) {
    TENON_TRY(one_mask, emitter.cast(one_mask, emitter.dtype(query)));
  }
  const Operand result = emitter.emit(
      Op::kAttention,
      {four_axes(emitter, query), four_axes(emitter, key), four_axes(emitter, value), one_mask},
      {{"scale", scale}, {"causal", is_causal}, {"guarded", static_cast<bool>(one_mask)}});
  dims.back() = emitter.shape(value).back();
  return node.finish(emitter.reshape(result, std::move(dims)));
}

}  // namespace

Result<void> import_attention(NodeContext& node) { return attend(node); }

/// Softmax whose rows without a finite element are zero.
Result<void> import_safe_softmax(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId given, node.tensor("self"));
  TENON_TRY(DType dtype, node.dtype("dtype", emitter.dtype(given)));
  TENON_TRY(ValueId x, emitter.cast(given, dtype));
  if (emitter.rank(x) == 0) return node.unsupported("a scalar");
  TENON_TRY(int64_t axis, node.axis(node.integer("dim"), emitter.rank(x)));
  const Operand nothing =
      emitter.reduce(emitter.with_number(Op::kEqual, x, -std::numeric_limits<double>::infinity()),
                     "all", {axis}, true);
  return node.finish(emitter.emit(
      Op::kWhere, {nothing, emitter.number(0, dtype),
                   emitter.emit(Op::kSoftmax, {x}, {{"axis", axis}, {"log", false}})}));
}

}  // namespace tenon::import::pt2
