// Operators that carry state from call to call: caches that are written in place of the model, and
// convolutions over a stream.
#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

/// The cache with `update` written along one axis from each batch element's index on.
Result<void> import_tensor_scatter(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId cache, node.input(0));
  TENON_TRY(const ValueId update, node.input(1));
  const std::vector<Dim> dims = emitter.shape(cache);
  const std::vector<Dim> written = emitter.shape(update);
  TENON_TRY(const int64_t axis, node.axis(node.integer("axis", -2), emitter.rank(cache)));
  const auto at = static_cast<size_t>(axis);
  if (at == 0 || written.size() != dims.size()) return node.bad("needs a batch axis before it");
  std::vector<Dim> along(dims.size(), 1);
  along[at] = written[at];
  Operand places = emitter.reshape(indices(emitter, written[at]), along);
  if (node.has_input(2)) {
    std::vector<Dim> batch(dims.size(), 1);
    batch[0] = dims[0];
    const Operand first =
        emitter.reshape(emitter.cast(node.optional_input(2), DType::kInt64), batch);
    places = emitter.emit(Op::kAdd, {places, first});
  }
  if (node.text("mode", "linear") == "circular") {
    TENON_TRY(const ValueId extent, emitter.from_elements({DType::kInt64, {}}, {dims[at]}));
    places = emitter.emit(Op::kMod, {places, extent});
  }
  return node.finish(emitter.emit(Op::kScatterElements,
                                  {cache, emitter.expand(places, written), update},
                                  {{"axis", axis}, {"reduction", std::string("none")}}));
}

/// A convolution of each channel over the present and the steps before it, which the state keeps.
Result<void> import_causal_conv(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  TENON_TRY(const ValueId w, node.input(1));
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<Dim> filter = emitter.shape(w);
  if (dims.size() != 3 || filter.size() != 3) return node.bad("takes three axes");
  if (!filter[0].is_constant() || !filter[2].is_constant() || filter[2].value() < 1) {
    return node.unsupported("CausalConvWithState of open channels or taps");
  }
  const std::vector<Dim> state = {dims[0], dims[1], filter[2].value() - 1};
  const Operand before = node.has_input(3)
                             ? Operand(node.optional_input(3))
                             : emitter.expand(emitter.number(0, emitter.dtype(x)), state);
  TENON_TRY(const ValueId all, emitter.concat({before, x}, 2));
  const Dim length = emitter.shape(all)[2];
  const Operand sum = emitter.emit(Op::kConv, {all, w, node.optional_input(2)},
                                   {{"strides", std::vector<int64_t>{1}},
                                    {"pads", std::vector<int64_t>{0, 0}},
                                    {"dilations", std::vector<int64_t>{1}},
                                    {"groups", filter[0].value()}});
  TENON_TRY(const ValueId after,
            emitter.slice(all, 2, emitter.dims().sub(length, state[2]), length));
  node.set_output(1, after);
  const std::string activation = node.text("activation", "none");
  if (activation == "none") return node.finish(sum);
  if (activation != "silu" && activation != "swish") {
    return node.bad(fmt::format("activation '{}' is none", activation));
  }
  return node.finish(emitter.emit(Op::kSilu, {sum}));
}

}  // namespace tenon::import::onnx
