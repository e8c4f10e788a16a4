#include "schedule/recipe.h"

#include <algorithm>
#include <array>

#include "schedule/families.h"
#include "schedule/tile.h"

namespace tenon::schedule {

std::span<const Recipe* const> recipes() {
  static const std::array all = {
      &winograd_recipe(), &grouped_recipe(), &conv_recipe(),          &conv_transpose_recipe(),
      &dot_recipe(),      &matmul_recipe(),  &attention_row_recipe(), &attention_recipe(),
      &copy_recipe(),     &lstm_recipe(),    &gru_recipe(),           &rnn_recipe(),
      &max_pool_recipe(),
  };
  return all;
}

const Recipe* find_recipe(const ir::Module& module, const ir::Node& node, const Target& target) {
  auto found = std::ranges::find_if(
      recipes(), [&](const Recipe* r) { return r->applies(module, node, target); });
  return found == recipes().end() ? nullptr : *found;
}

Packing choose_packing(const ir::Module& module, const ir::Node& node, const Target& target) {
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  if (result.dtype != ir::DType::kFloat32) return {};
  auto number = [](ir::Dim dim) {
    return dim.is_constant() ? std::optional(dim.value()) : std::nullopt;
  };
  std::optional<int64_t> rows = 1;
  std::optional<int64_t> columns;
  auto times = [&](ir::Dim dim) {
    rows = rows && dim.is_constant() ? std::optional(*rows * dim.value()) : std::nullopt;
  };
  if (node.op == ir::Op::kMatMul) {
    if (const int width = dot_width(module, node, target); width > 0) return {width};
    for (size_t axis = 0; axis + 1 < result.rank(); ++axis) times(result.dims[axis]);
    columns = number(result.dims.back());
  } else if (node.op == ir::Op::kConv) {
    const int64_t groups = node.attrs.integer("groups");
    const std::vector<ir::Dim>& filter = module.value(node.inputs[1]).type.dims;
    if (const int width = grouped_width(module, node, target); width > 0) return {width, true};
    constexpr int64_t kLeastInputs = 4;  // of a group; fewer do not fill a reduction
    if (groups > 1 && filter[1].value() < kLeastInputs) return {};
    for (size_t axis = 0; axis < result.rank(); ++axis) {
      if (axis != 1) times(result.dims[axis]);
    }
    columns = filter[0].value() / groups;
  } else if (node.op == ir::Op::kConvTranspose) {
    const auto& dilations = node.attrs.integers("dilations");
    if (std::ranges::any_of(dilations, [](int64_t d) { return d != 1; })) return {};
    for (size_t axis = 0; axis < result.rank(); ++axis) {
      if (axis != 1) times(result.dims[axis]);
    }
    if (rows) {
      for (int64_t stride : node.attrs.integers("strides"))
        rows = std::max<int64_t>(1, *rows / stride);
    }
    columns = module.value(node.inputs[1]).type.dims[1].value();
  } else if (node.op == ir::Op::kLstm || node.op == ir::Op::kGru || node.op == ir::Op::kRnn) {
    return {recurrent_width(module, node, target)};
  } else {
    return {};
  }
  return {choose_tile(target, rows, columns).vectors * target.lanes(4)};
}

}  // namespace tenon::schedule
