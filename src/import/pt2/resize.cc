// Images in another size.
#include "import/pt2/operators.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::Op;
using ir::ValueId;

namespace {

struct Rule {
  std::string mode, coordinates, nearest = "floor";
};

/// Spatial sizes and, where they are given, factors.
struct Target {
  std::vector<Dim> dims;
  std::vector<double> scales;
};

/// One of `scales`, as a list or as an argument of its own, where it is given.
std::optional<double> factor_of(NodeContext& node, size_t i) {
  const Value* value = nullptr;
  for (size_t k = 0; k < node.argument_count(); ++k) {
    const std::string_view name = node.argument_name(k);
    if (name == "scale_factors") {
      const auto* list = node.argument(k).get<std::vector<Value>>();
      value = list && i < list->size() ? &(*list)[i] : nullptr;
    } else if (name.starts_with("scales")) {
      if (i-- == 0) value = &node.argument(k);
    }
  }
  if (!value) return std::nullopt;
  if (const auto* number = value->get<double>()) return *number;
  return std::nullopt;
}

Result<void> resize(NodeContext& node, const Rule& rule) {
  Emitter& emitter = node.emitter();
  // The first argument is `self` or, in the overloads .vec, `input`.
  const auto* tensor = node.argument(size_t{0}).get<TensorValue>();
  if (!tensor) return node.bad("takes an image");
  std::vector<Dim> dims = emitter.shape(tensor->value);
  std::vector<double> scales(dims.size(), 1);
  const std::vector<Dim> sizes = node.dims("output_size");
  for (size_t axis = 2; axis < dims.size(); ++axis) {
    const std::optional<double> factor = factor_of(node, axis - 2);
    const Dim from = dims[axis];
    if (!sizes.empty()) {
      if (sizes.size() + 2 != dims.size()) return node.bad("has not one size per spatial axis");
      dims[axis] = sizes[axis - 2];
    } else if (!factor) {
      return node.bad("has neither sizes nor factors");
    } else if (*factor == static_cast<double>(static_cast<int64_t>(*factor))) {
      dims[axis] = emitter.dims().mul(from, static_cast<int64_t>(*factor));
    } else if (from.is_constant()) {
      dims[axis] = static_cast<int64_t>(static_cast<double>(from.value()) * *factor);
    } else {
      return node.unsupported("a fractional factor of an open size");
    }
    if (factor && *factor > 0) {
      scales[axis] = *factor;
    } else if (from.is_constant() && dims[axis].is_constant() && from.value() > 0) {
      scales[axis] = static_cast<double>(dims[axis].value()) / static_cast<double>(from.value());
    } else if (dims[axis] != from) {
      return node.unsupported("an open size");
    }
  }
  return node.finish(emitter.emit(Op::kResize, {tensor->value},
                                  {{"dims", std::move(dims)},
                                   {"scales", std::move(scales)},
                                   {"mode", rule.mode},
                                   {"coordinates", rule.coordinates},
                                   {"nearest", rule.nearest},
                                   {"cubic", -0.75},
                                   {"exclude_outside", false}}));
}

std::string coordinates_of(NodeContext& node) {
  return node.flag("align_corners") ? "align_corners" : "half_pixel";
}

}  // namespace

Result<void> import_upsample_nearest(NodeContext& node) {
  return resize(node, {"nearest", "asymmetric"});
}
Result<void> import_upsample_nearest_exact(NodeContext& node) {
  return resize(node, {"nearest", "half_pixel", "round_prefer_ceil"});
}
Result<void> import_upsample_linear(NodeContext& node) {
  return resize(node, {"linear", coordinates_of(node)});
}
Result<void> import_upsample_cubic(NodeContext& node) {
  return resize(node, {"cubic", coordinates_of(node)});
}

}  // namespace tenon::import::pt2
