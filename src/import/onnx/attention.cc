// Attention, and the rotation of queries and keys by their position.
#include <cmath>
#include <limits>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Positions of the operands.
enum Operand : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kLengths };

/// [batch, steps, heads * features] as [batch, heads, steps, features]; 4 axes are that already.
Emitter::Operand split_heads(NodeContext& node, ValueId x, std::string_view heads_attribute) {
  Emitter& emitter = node.emitter();
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims.size() == 4) return x;
  const int64_t heads = node.integer(heads_attribute, 0);
  if (dims.size() != 3 || heads < 1) return node.bad("takes 3 axes and head counts, or 4 axes");
  const auto features = emitter.dims().exact_div(dims[2], heads);
  if (!features) return node.bad(fmt::format("the features do not split into {} heads", heads));
  return emitter.transpose(emitter.reshape(x, {dims[0], dims[1], heads, *features}), {0, 2, 1, 3});
}

Emitter::Operand merge_heads(Emitter& emitter, Emitter::Operand x) {
  if (!x) return x;
  const std::vector<Dim> dims = emitter.shape(*x);
  return emitter.reshape(emitter.transpose(x, {0, 2, 1, 3}),
                         {dims[0], dims[2], emitter.dims().mul(dims[1], dims[3])});
}

/// Both conditions on which keys count, each a bool or what is added to the scores, or none.
Emitter::Operand both_masks(Emitter& emitter, ValueId a, ValueId b) {
  if (!a || !b) return a ? a : b;
  const bool a_is_bool = emitter.dtype(a) == DType::kBool;
  const bool b_is_bool = emitter.dtype(b) == DType::kBool;
  if (a_is_bool && b_is_bool) return emitter.emit(Op::kAnd, {a, b});
  if (!a_is_bool && !b_is_bool) return emitter.emit(Op::kAdd, {a, b});
  if (b_is_bool) std::swap(a, b);
  return emitter.emit(Op::kWhere, {a, b, emitter.number(-kInfinity, emitter.dtype(b))});
}

/// A mask that is shorter than the keys hides the rest of them.
Emitter::Operand widen_mask(Emitter& emitter, ValueId mask, Dim keys) {
  if (!mask || emitter.rank(mask) == 0) return mask;
  const ir::TensorType type = emitter.type(mask);
  const Dim width = type.dims.back();
  if (width == keys || width.is(1)) return mask;
  std::vector<Dim> before(type.rank(), 0);
  std::vector<Dim> after = before;
  after.back() = emitter.dims().sub(keys, width);
  const double hidden = type.dtype == DType::kBool ? 0 : -kInfinity;
  return emitter.emit(Op::kPad, {mask, emitter.number(hidden, type.dtype)},
                      {{"before", before}, {"after", after}, {"mode", std::string("constant")}});
}

/// Which keys come no later than the query: key <= query + offset.
Emitter::Operand causal_mask(Emitter& emitter, Dim queries, Dim keys,
                             const Emitter::Operand& offset) {
  const Emitter::Operand last =
      emitter.emit(Op::kAdd, {emitter.reshape(indices(emitter, queries), {queries, 1}), offset});
  return emitter.emit(Op::kLessEqual, {indices(emitter, keys), last});
}

/// Which keys lie before each batch element's length.
Emitter::Operand length_mask(Emitter& emitter, ValueId lengths, Dim keys) {
  const std::vector<Dim> dims = emitter.shape(lengths);
  return emitter.emit(Op::kLess,
                      {indices(emitter, keys),
                       emitter.reshape(emitter.cast(lengths, DType::kInt64), {dims[0], 1, 1, 1})});
}

/// A head of keys or values for each head of queries.
Emitter::Operand repeat_heads(Emitter& emitter, ValueId x, Dim heads) {
  const std::vector<Dim> dims = emitter.shape(x);
  if (dims[1] == heads) return x;
  const auto times = emitter.dims().exact_div(heads, dims[1]);
  if (!times) {
    return fail(ErrorKind::kBadModel, "query heads do not share key heads evenly", emitter.where());
  }
  const Emitter::Operand repeated =
      emitter.expand(emitter.reshape(x, {dims[0], dims[1], 1, dims[2], dims[3]}),
                     {dims[0], dims[1], *times, dims[2], dims[3]});
  return emitter.reshape(repeated, {dims[0], heads, dims[2], dims[3]});
}

/// Which keys lie within the windows about the query's position, in units of keys; -1: any number.
Emitter::Operand window_mask(Emitter& emitter, Dim queries, Dim keys,
                             const Emitter::Operand& offset, int64_t left, int64_t right) {
  const Emitter::Operand at =
      emitter.emit(Op::kAdd, {emitter.reshape(indices(emitter, queries), {queries, 1}), offset});
  const Emitter::Operand key = indices(emitter, keys);
  const auto edge = [&](int64_t distance) {
    return emitter.with_number(Op::kAdd, at, static_cast<double>(distance));
  };
  if (right < 0) return emitter.emit(Op::kGreaterEqual, {key, edge(-left)});
  const Emitter::Operand before = emitter.emit(Op::kLessEqual, {key, edge(right)});
  if (left < 0) return before;
  return emitter.emit(Op::kAnd, {before, emitter.emit(Op::kGreaterEqual, {key, edge(-left)})});
}

struct Scores {
  ValueId q, k, v, mask;
  double scale;
  double cap;  ///< 0: none
};

/// What the scores are before the mask, after it, and as weights of the values.
struct Stages {
  Emitter::Operand capped, masked, weights;
};

/// The scores step by step, for attention with a cap (cap * tanh(scores / cap), before the mask)
/// and where the scores themselves are wanted.
Stages stages_of(Emitter& emitter, const Scores& scores) {
  const Dim heads = emitter.shape(scores.q)[1];
  const DType dtype = emitter.dtype(scores.q);
  const Emitter::Operand keys =
      emitter.transpose(repeat_heads(emitter, scores.k, heads), {0, 1, 3, 2});
  const Emitter::Operand products = emitter.emit(Op::kMatMul, {scores.q, keys});
  Stages stages{.capped = emitter.with_number(Op::kMul, products,
                                              scores.scale / (scores.cap != 0 ? scores.cap : 1))};
  if (scores.cap != 0) {
    stages.capped =
        emitter.with_number(Op::kMul, emitter.emit(Op::kTanh, {stages.capped}), scores.cap);
  }
  stages.masked = stages.capped;
  if (scores.mask && emitter.dtype(scores.mask) == DType::kBool) {
    stages.masked =
        emitter.emit(Op::kWhere, {scores.mask, stages.capped, emitter.number(-kInfinity, dtype)});
  } else if (scores.mask) {
    stages.masked = emitter.emit(Op::kAdd, {stages.capped, scores.mask});
  }
  stages.weights =
      emitter.emit(Op::kSoftmax, {stages.masked}, {{"axis", int64_t{3}}, {"log", false}});
  if (!scores.mask || !stages.masked) return stages;
  // Where no key counts the weights are 0.
  const Emitter::Operand greatest = emitter.reduce(stages.masked, "max", {3}, true);
  stages.weights = emitter.emit(Op::kWhere, {emitter.with_number(Op::kEqual, greatest, -kInfinity),
                                             emitter.number(0, dtype), stages.weights});
  return stages;
}

/// The fourth output: the scores of the stage that an attribute names.
Emitter::Operand chosen_stage(NodeContext& node, const Stages& stages) {
  switch (node.integer("qk_matmul_output_mode", 0)) {
    case 0:
    case 1: return stages.capped;
    case 2: return stages.masked;
    case 3: return stages.weights;
    default: return node.bad("qk_matmul_output_mode is not one of 0 to 3");
  }
}

}  // namespace

Result<void> import_attention(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId q_input, node.input(kQ));
  TENON_TRY(ValueId k_input, node.input(kK));
  TENON_TRY(ValueId v_input, node.input(kV));
  Scores scores{};
  TENON_TRY(scores.q, split_heads(node, q_input, "q_num_heads"));
  TENON_TRY(scores.k, split_heads(node, k_input, "kv_num_heads"));
  TENON_TRY(scores.v, split_heads(node, v_input, "kv_num_heads"));
  Dim offset = 0;
  if (node.has_input(kPastKey)) {
    TENON_TRY(ValueId past_value, node.input(kPastValue));
    offset = emitter.shape(node.optional_input(kPastKey))[2];
    TENON_TRY(scores.k, emitter.concat({node.optional_input(kPastKey), scores.k}, 2));
    TENON_TRY(scores.v, emitter.concat({past_value, scores.v}, 2));
  }
  node.set_output(1, scores.k);
  node.set_output(2, scores.v);
  const Dim queries = emitter.shape(scores.q)[2];
  const Dim keys = emitter.shape(scores.k)[2];
  const Dim features = emitter.shape(scores.q)[3];
  if (!features.is_constant()) return node.unsupported("Attention of open feature counts");
  scores.scale = node.number("scale", 1 / std::sqrt(static_cast<double>(features.value())));
  scores.cap = node.number("softcap", 0);

  TENON_TRY(scores.mask, widen_mask(emitter, node.optional_input(kMask), keys));
  bool causal = node.flag("is_causal", false);
  Emitter::Operand first_key = emitter.from_elements({DType::kInt64, {}}, {offset});
  if (node.has_input(kLengths)) {
    const ValueId lengths = node.optional_input(kLengths);
    TENON_TRY(ValueId visible, length_mask(emitter, lengths, keys));
    TENON_TRY(scores.mask, both_masks(emitter, scores.mask, visible));
    TENON_TRY(ValueId queries_value, emitter.from_elements({DType::kInt64, {}}, {queries}));
    first_key = emitter.emit(Op::kSub, {emitter.reshape(emitter.cast(lengths, DType::kInt64),
                                                        {emitter.shape(lengths)[0], 1, 1, 1}),
                                        queries_value});
  }
  const int64_t left = node.integer("left_window_size", -1);
  const int64_t right = node.integer("right_window_size", -1);
  if (left >= 0 || right >= 0) {
    TENON_TRY(ValueId inside, window_mask(emitter, queries, keys, first_key, left, right));
    TENON_TRY(scores.mask, both_masks(emitter, scores.mask, inside));
  }
  // The operator aligns the last query with the last key; another alignment is a mask.
  const bool wants_scores = node.wants_output(3);
  const bool in_stages = scores.cap != 0 || wants_scores;
  const bool is_aligned = !node.has_input(kLengths) && offset == emitter.dims().sub(keys, queries);
  if (causal && (!is_aligned || in_stages)) {
    TENON_TRY(ValueId earlier, causal_mask(emitter, queries, keys, first_key));
    TENON_TRY(scores.mask, both_masks(emitter, scores.mask, earlier));
    causal = false;
  }
  Emitter::Operand result = ValueId();
  if (in_stages) {
    const Stages stages = stages_of(emitter, scores);
    if (wants_scores) {
      TENON_TRY(ValueId chosen, chosen_stage(node, stages));
      node.set_output(3, chosen);
    }
    const Dim heads = emitter.shape(scores.q)[1];
    result = emitter.emit(Op::kMatMul, {stages.weights, repeat_heads(emitter, scores.v, heads)});
  } else {
    result = emitter.emit(Op::kAttention, {scores.q, scores.k, scores.v, scores.mask},
                          {{"scale", scores.scale}, {"causal", causal}, {"guarded", true}});
  }
  if (emitter.rank(q_input) == 3) result = merge_heads(emitter, std::move(result));
  return node.finish(std::move(result));
}

/// com.microsoft's: projections with a common bias, a mask of the keys that count, and scores to
/// add.
Result<void> import_multi_head_attention(NodeContext& node) {
  Emitter& emitter = node.emitter();
  enum : size_t { kBias = 3, kPadding, kAdded, kPastK, kPastV };
  if (!node.has_input(kK) || !node.has_input(kV)) {
    return node.unsupported("MultiHeadAttention of packed operands");
  }
  ValueId parts[3];
  Dim start = 0;
  for (size_t i = 0; i < 3; ++i) {
    TENON_TRY(ValueId x, node.input(i));
    if (node.has_input(kBias) && emitter.rank(x) == 3) {
      const Dim end = emitter.dims().add(start, emitter.shape(x)[2]);
      TENON_TRY(
          x, emitter.emit(Op::kAdd, {x, emitter.slice(node.optional_input(kBias), 0, start, end)}));
      start = end;
    }
    TENON_TRY(parts[i], split_heads(node, x, "num_heads"));
  }
  if (node.has_input(kPastK)) {
    TENON_TRY(ValueId past_value, node.input(kPastV));
    TENON_TRY(parts[1], emitter.concat({node.optional_input(kPastK), parts[1]}, 2));
    TENON_TRY(parts[2], emitter.concat({past_value, parts[2]}, 2));
  }
  node.set_output(1, parts[1]);
  node.set_output(2, parts[2]);
  const Dim keys = emitter.shape(parts[1])[2];
  const Dim features = emitter.shape(parts[0])[3];
  if (!features.is_constant()) return node.unsupported("MultiHeadAttention of open feature counts");
  ValueId mask = node.optional_input(kAdded);
  if (node.has_input(kPadding)) {
    const ValueId padding = node.optional_input(kPadding);
    const std::vector<Dim> dims = emitter.shape(padding);
    if (dims.size() != 2 || dims[1] != keys) {
      return node.unsupported("MultiHeadAttention with other masks than one number per key");
    }
    TENON_TRY(ValueId counts,
              emitter.reshape(emitter.cast(padding, DType::kBool), {dims[0], 1, 1, keys}));
    TENON_TRY(mask, both_masks(emitter, mask, counts));
  }
  double scale = node.number("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(features.value()));
  return node.finish(merge_heads(
      emitter,
      emitter.emit(
          Op::kAttention, {parts[0], parts[1], parts[2], mask},
          {{"scale", scale}, {"causal", node.flag("unidirectional", false)}, {"guarded", true}})));
}

namespace {

/// The angles' cosines or sines with an axis of one for the heads, at `head_axis`.
Emitter::Operand angles(NodeContext& node, size_t cache, size_t positions, int64_t head_axis) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId table, node.input(cache));
  if (node.has_input(positions)) {
    TENON_TRY(table, emitter.emit(Op::kGather, {table, node.optional_input(positions)},
                                  {{"axis", int64_t{0}}}));
  }
  std::vector<Dim> dims = emitter.shape(table);
  if (dims.size() != 3) return node.bad("the caches do not have batch, position and angle axes");
  dims.insert(dims.begin() + head_axis, 1);
  return emitter.reshape(table, std::move(dims));
}

/// The two numbers of every pair that is rotated, with the pairs along the last axis.
struct Pairs {
  ValueId first, second;
};

Result<Pairs> split_pairs(Emitter& emitter, ValueId x, bool interleaved) {
  std::vector<Dim> dims = emitter.shape(x);
  const auto axis = static_cast<int64_t>(dims.size()) - 1;
  const Dim half = emitter.dims().floor_div(dims.back(), 2);
  Pairs pairs;
  TENON_TRY(pairs.first, interleaved ? emitter.slice(x, axis, 0, dims.back(), 2)
                                     : emitter.slice(x, axis, 0, half));
  TENON_TRY(pairs.second, interleaved ? emitter.slice(x, axis, 1, dims.back(), 2)
                                      : emitter.slice(x, axis, half, dims.back()));
  return pairs;
}

Emitter::Operand join_pairs(Emitter& emitter, const Pairs& pairs, bool interleaved) {
  std::vector<Dim> dims = emitter.shape(pairs.first);
  const auto axis = static_cast<int64_t>(dims.size()) - 1;
  if (!interleaved) return emitter.concat({pairs.first, pairs.second}, axis);
  std::vector<Dim> joined = dims;
  joined.back() = emitter.dims().mul(dims.back(), 2);
  dims.emplace_back(1);
  return emitter.reshape(
      emitter.concat({emitter.reshape(pairs.first, dims), emitter.reshape(pairs.second, dims)},
                     axis + 1),
      std::move(joined));
}

}  // namespace

Result<void> import_rotary_embedding(NodeContext& node) {
  Emitter& emitter = node.emitter();
  // com.microsoft has the positions before the caches.
  const bool is_contrib = node.domain() == "com.microsoft";
  const size_t positions = is_contrib ? 1 : 3;
  const size_t cosines = is_contrib ? 2 : 1;
  TENON_TRY(ValueId input, node.input(0));
  const std::vector<Dim> dims = emitter.shape(input);
  const int64_t heads = node.integer("num_heads", 0);
  ValueId x = input;
  if (dims.size() == 3) {
    const auto features = heads < 1 ? std::nullopt : emitter.dims().exact_div(dims[2], heads);
    if (!features) return node.bad("num_heads does not divide the features");
    TENON_TRY(x, emitter.reshape(input, {dims[0], dims[1], heads, *features}));
  } else if (dims.size() != 4) {
    return node.bad("takes 3 or 4 axes");
  }
  const int64_t head_axis = dims.size() == 3 ? 2 : 1;
  const Dim features = emitter.shape(x)[3];
  const int64_t rotated_count = node.integer("rotary_embedding_dim", 0);
  const Dim rotated = rotated_count > 0 ? Dim(rotated_count) : features;
  TENON_TRY(ValueId cosine, angles(node, cosines, positions, head_axis));
  TENON_TRY(ValueId sine, angles(node, cosines + 1, positions, head_axis));
  const bool interleaved = node.flag("interleaved", false);
  TENON_TRY(ValueId turning, emitter.slice(x, 3, 0, rotated));
  TENON_TRY(Pairs pairs, split_pairs(emitter, turning, interleaved));
  const auto times = [&](ValueId a, ValueId b) { return emitter.emit(Op::kMul, {a, b}); };
  Pairs turned;
  TENON_TRY(turned.first,
            emitter.emit(Op::kSub, {times(pairs.first, cosine), times(pairs.second, sine)}));
  TENON_TRY(turned.second,
            emitter.emit(Op::kAdd, {times(pairs.first, sine), times(pairs.second, cosine)}));
  Emitter::Operand result = join_pairs(emitter, turned, interleaved);
  if (rotated != features) {
    result = emitter.concat({result, emitter.slice(x, 3, rotated, features)}, 3);
  }
  return node.finish(emitter.reshape(std::move(result), dims));
}

}  // namespace tenon::import::onnx
