// When Winograd's algorithm is expected to be faster than the direct convolution, and in what form.
#include "schedule/winograd.h"

#include <algorithm>
#include <cmath>

#include "base/winograd.h"
#include "schedule/recipe.h"

namespace tenon::schedule {
namespace {

using ir::Module;
using ir::Node;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Vectors of output channels that are multiplied at a time: few zeros behind the last channel, few
/// loads for each multiplication, enough sums at a time to hide their latency.
int choose_vectors(const Target& target, int64_t tiles, int64_t channels) {
  constexpr double kChains = 8, kLoad = 0.15;
  int best = 1;
  double least = INFINITY;
  for (int vectors = 1; vectors <= 8 && most_rows(target, vectors) > 0; ++vectors) {
    const int64_t rows = std::min<int64_t>(most_rows(target, vectors), tiles);
    const auto sums = static_cast<double>(rows * vectors);
    const int64_t width = int64_t{vectors} * target.lanes(4);
    const double cost = static_cast<double>(ceil_div(channels, width) * width) *
                        std::max(1.0, kChains / sums) *
                        (1 + kLoad * static_cast<double>(rows + vectors) / sums);
    if (cost < least) {
      least = cost;
      best = vectors;
    }
  }
  return best;
}

/// A convolution as the model of its cost sees it.
struct Shape {
  int64_t images, inputs, outputs, height, length;  // height and length of the result
};

constexpr double kFiltersPerCycle = 5;  // bytes: filters come from far away
constexpr double kProductEfficiency = 0.9;

double multiply_per_cycle(const Target& target) { return 2.0 * target.lanes(4); }

/// Cycles of the direct form.
double direct_cycles(const Shape& s, const Target& target) {
  const int64_t lanes = target.lanes(4);
  const double filter = 9.0 * static_cast<double>(s.inputs * ceil_div(s.outputs, lanes) * lanes);
  const double products = filter * static_cast<double>(s.images * s.height * s.length);
  return std::max(products / (multiply_per_cycle(target) * kProductEfficiency),
                  filter * 4 / kFiltersPerCycle);
}

double winograd_cycles(const Shape& s, const Winograd& w, int vectors, const Target& target) {
  constexpr double kInstructionsPerCycle = 1;  // with what waits for stores
  const int64_t lanes = target.lanes(4), width = vectors * lanes;
  const int64_t tiles = s.images * ceil_div(s.height, w.outputs) * ceil_div(s.length, w.outputs);
  const double filter =
      static_cast<double>(w.products() * s.inputs * ceil_div(s.outputs, width) * width);
  const double multiply = std::max(
      filter * static_cast<double>(tiles) / (multiply_per_cycle(target) * kProductEfficiency),
      filter * 4 / kFiltersPerCycle);
  // Vector instructions of the transforms of one tile: loads, stores and arithmetic.
  const int64_t line = w.outputs == 2 ? 4 : 12;  // arithmetic of one row or column
  const int64_t input = 2 * w.products() + 2 * w.inputs() * line;
  const int64_t output = w.products() + 4 * w.outputs * w.outputs + (w.inputs() + w.outputs) * line;
  const int64_t transforms =
      tiles * (input * ceil_div(s.inputs, lanes) + output * ceil_div(s.outputs, lanes));
  return multiply + static_cast<double>(transforms) / kInstructionsPerCycle;
}

bool is_one(const std::vector<int64_t>& values) {
  return std::ranges::all_of(values, [](int64_t v) { return v == 1; });
}

}  // namespace

int most_rows(const Target& target, int vectors) {
  int rows = 0;
  while ((rows + 1) * vectors + std::min(rows + 1, vectors) + 1 <= target.vector_registers) ++rows;
  return rows;
}

std::vector<ConvForm> conv_forms(const Module& module, const Node& node, const Target& target) {
  const ir::TensorType& filter = module.value(node.inputs[1]).type;
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  std::vector<ConvForm> forms = {{.tile = 1}};
  if (node.op != ir::Op::kConv || node.attrs.has("packed") || result.dtype != ir::DType::kFloat32 ||
      filter.rank() != 4 || !filter.dims[2].is(3) || !filter.dims[3].is(3) ||
      node.attrs.integer("groups") != 1 || !is_one(node.attrs.integers("strides")) ||
      !is_one(node.attrs.integers("dilations")) || !result.dims[2].is_constant() ||
      !result.dims[3].is_constant()) {
    return forms;
  }
  const int64_t images = result.dims[0].is_constant() ? result.dims[0].value() : 1;
  const Shape shape{images, filter.dims[1].value(), filter.dims[0].value(), result.dims[2].value(),
                    result.dims[3].value()};
  constexpr double kGain = 0.9;  // of the smaller filters' forms; less is not worth a larger one
  forms[0].filter_bytes = 9 * shape.inputs * shape.outputs * 4;
  forms[0].cycles = direct_cycles(shape, target);
  for (int tile : {2, 4}) {
    const Winograd algorithm = winograd(tile);
    const int64_t tiles = images * ceil_div(shape.height, tile) * ceil_div(shape.length, tile);
    const int vectors = choose_vectors(target, tiles, shape.outputs);
    const int width = vectors * target.lanes(4);
    const double cycles = winograd_cycles(shape, algorithm, vectors, target);
    if (cycles >= kGain * forms.back().cycles) continue;
    const int64_t filter_bytes =
        algorithm.products() * shape.inputs * ceil_div(shape.outputs, width) * width * 4;
    forms.push_back({tile, width, filter_bytes, cycles});
  }
  return forms;
}

}  // namespace tenon::schedule
