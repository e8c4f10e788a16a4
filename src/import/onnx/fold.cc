// Windows taken apart and put together: places of maxima, their inverse, and sums of patches.
#include <algorithm>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"
#include "import/onnx/window.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

namespace {

/// Taps and positions of a window that are written out one by one.
constexpr int64_t kMostPlaces = int64_t{1} << 22;

/// For each spatial axis the number of positions, all numbers.
Result<std::vector<int64_t>> sizes_of(NodeContext& node, std::span<const Dim> dims) {
  std::vector<int64_t> sizes;
  for (Dim dim : dims) {
    if (!dim.is_constant()) {
      return node.unsupported(fmt::format("{} of open size", node.op_type()));
    }
    sizes.push_back(dim.value());
  }
  return sizes;
}

/// Row-major indices into `image` that each tap of each window reads, window after window; -1 for
/// one that reads outside.
Result<std::vector<Dim>> places_of(NodeContext& node, const Window& window,
                                   const std::vector<int64_t>& image,
                                   const std::vector<int64_t>& positions) {
  std::vector<int64_t> all = positions;
  all.insert(all.end(), window.kernel.begin(), window.kernel.end());
  const std::optional<int64_t> count = ir::checked_product(all);
  if (!count || *count > kMostPlaces) {
    return node.unsupported(fmt::format("{} with so many windows", node.op_type()));
  }
  std::vector<Dim> places;
  for (int64_t i = 0; i < *count; ++i) {
    // The digits of i, the last tap first.
    std::vector<int64_t> digits(all.size());
    int64_t rest = i;
    for (size_t d = all.size(); d-- > 0; rest /= all[d]) digits[d] = rest % all[d];
    int64_t place = 0;
    for (size_t axis = 0; axis < image.size(); ++axis) {
      const int64_t at = digits[axis] * window.strides[axis] - window.pads[axis] +
                         digits[image.size() + axis] * window.dilations[axis];
      const bool is_inside = place >= 0 && at >= 0 && at < image[axis];
      place = is_inside ? place * image[axis] + at : -1;
    }
    places.emplace_back(place);
  }
  return places;
}

}  // namespace

/// Where the maxima of a pool lie: the index of each in the whole of x.
Result<ValueId> places_of_maxima(NodeContext& node, ValueId x, const Window& window,
                                 ValueId maxima) {
  Emitter& emitter = node.emitter();
  const std::vector<Dim> dims = emitter.shape(x);
  const std::vector<Dim> result = emitter.shape(maxima);
  TENON_TRY(const std::vector<int64_t> image, sizes_of(node, std::span(dims).subspan(2)));
  TENON_TRY(const std::vector<int64_t> positions, sizes_of(node, std::span(result).subspan(2)));
  TENON_TRY(std::vector<Dim> places, places_of(node, window, image, positions));
  const Dim area = emitter.dims().product(std::span(dims).subspan(2));
  const Dim windows = emitter.dims().product(std::span(result).subspan(2));
  const Dim planes = emitter.dims().mul(dims[0], dims[1]);
  const Dim taps = static_cast<int64_t>(places.size()) / std::max<int64_t>(windows.value(), 1);
  std::vector<Dim> readable = places;
  for (Dim& place : readable) place = std::max<int64_t>(place.value(), 0);
  const std::vector<Dim> table = {windows, taps};
  const Operand elements = emitter.emit(
      Op::kGather,
      {emitter.reshape(x, {planes, area}), emitter.reshape(emitter.from_dims(readable), table)},
      {{"axis", int64_t{1}}});
  // A tap is where the maximum is if it is inside and reads just that; the first one counts.
  const Operand is_inside = emitter.with_number(
      Op::kGreaterEqual, emitter.reshape(emitter.from_dims(std::move(places)), table), 0);
  const Operand is_greatest = emitter.emit(
      Op::kAnd,
      {is_inside,
       emitter.emit(Op::kEqual, {elements, emitter.reshape(maxima, {planes, windows, 1})})});
  const Operand tap = emitter.emit(
      Op::kArgReduce, {emitter.cast(is_greatest, DType::kInt32)},
      {{"kind", std::string("max")}, {"axis", int64_t{2}}, {"keep", true}, {"last", false}});
  const Operand every =
      emitter.expand(emitter.reshape(emitter.from_dims(std::move(readable)), {1, windows, taps}),
                     {planes, windows, taps});
  Operand place = emitter.emit(Op::kGatherElements, {every, tap}, {{"axis", int64_t{2}}});
  if (node.flag("storage_order", false) && image.size() == 2) {
    const auto columns = static_cast<double>(image[1]);
    const Operand row = emitter.with_number(Op::kFloorDiv, place, columns);
    const Operand column = emitter.with_number(Op::kMod, place, columns);
    place = emitter.emit(
        Op::kAdd, {emitter.with_number(Op::kMul, column, static_cast<double>(image[0])), row});
  }
  TENON_TRY(const ValueId size, emitter.from_elements({DType::kInt64, {}}, {area}));
  const Operand plane =
      emitter.emit(Op::kMul, {emitter.reshape(indices(emitter, planes), {planes, 1, 1}), size});
  return emitter.reshape(emitter.emit(Op::kAdd, {place, plane}), result);
}

/// The elements at the places that a pool's maxima had, zeros elsewhere.
Result<void> import_max_unpool(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  TENON_TRY(const ValueId places, node.input(1));
  TENON_TRY(const Window window, window_of(node, x, {}));
  std::vector<Dim> dims = emitter.shape(x);
  for (size_t i = 0; i < window.size(); ++i) {
    const int64_t rest =
        window.kernel[i] - window.strides[i] - window.pads[i] - window.pads[window.size() + i];
    dims[i + 2] = emitter.dims().add(emitter.dims().mul(dims[i + 2], window.strides[i]), rest);
  }
  const Dim count = emitter.dims().product(emitter.shape(x));
  const Operand zeros =
      emitter.expand(emitter.number(0, emitter.dtype(x)), {emitter.dims().product(dims)});
  const Operand flat = emitter.emit(
      Op::kScatterElements, {zeros, emitter.reshape(places, {count}), emitter.reshape(x, {count})},
      {{"axis", int64_t{0}}, {"reduction", std::string("none")}});
  Operand result = emitter.reshape(flat, dims);
  if (node.has_input(2)) {
    TENON_TRY(const std::vector<Dim> target, node.dims_input(2, "sizes"));
    if (target.size() != dims.size()) return node.bad("its sizes do not belong to its operand");
    std::vector<Dim> after;
    for (size_t i = 0; i < dims.size(); ++i) {
      after.push_back(emitter.dims().sub(target[i], dims[i]));
    }
    result = emitter.emit(Op::kPad, {result, emitter.number(0, emitter.dtype(x))},
                          {{"before", std::vector<Dim>(dims.size(), 0)},
                           {"after", std::move(after)},
                           {"mode", std::string("constant")}});
  }
  return node.finish(std::move(result));
}

/// Images as sums of the patches that are the columns of x [batch, channels * taps, patches].
Result<void> import_col2im(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(const ValueId x, node.input(0));
  TENON_TRY(const std::vector<int64_t> image, node.integers_input(1, "sizes"));
  TENON_TRY(const std::vector<int64_t> kernel, node.integers_input(2, "sizes"));
  const std::vector<Dim> dims = emitter.shape(x);
  const size_t axes = image.size();
  const std::vector<int64_t> ones(axes, 1);
  const Window window{kernel, node.integers("strides").value_or(ones),
                      node.integers("dilations").value_or(ones),
                      node.integers("pads").value_or(std::vector<int64_t>(2 * axes, 0))};
  if (axes == 0 || kernel.size() != axes || dims.size() != 3 || window.strides.size() != axes ||
      window.dilations.size() != axes || window.pads.size() != 2 * axes) {
    return node.bad("its sizes do not belong to each other");
  }
  std::vector<int64_t> positions;
  for (size_t i = 0; i < axes; ++i) {
    if (window.strides[i] < 1 || window.dilations[i] < 1 || kernel[i] < 1 || image[i] < 1 ||
        kernel[i] > kMostPlaces || window.dilations[i] > kMostPlaces) {
      return node.bad("its window has sizes out of range");
    }
    const int64_t room = image[i] + window.pads[i] + window.pads[axes + i] - window.extent(i);
    if (room < 0) return node.bad("its window is larger than the image");
    positions.push_back(room / window.strides[i] + 1);
  }
  TENON_TRY(std::vector<Dim> places, places_of(node, window, image, positions));
  const int64_t area = ir::checked_product(image).value_or(kMostPlaces + 1);
  const int64_t taps = ir::checked_product(kernel).value_or(0);
  const int64_t patches = ir::checked_product(positions).value_or(0);
  if (area > kMostPlaces) return node.unsupported("Col2Im to images of that size");
  const auto channels = emitter.dims().exact_div(dims[1], taps);
  if (!channels || !dims[2].is(patches)) return node.bad("x does not have the image's patches");
  // What lies outside is summed in one element more, which is cut off.
  for (Dim& place : places) place = place.is(-1) ? Dim(area) : place;
  const Dim planes = emitter.dims().mul(dims[0], *channels);
  const Operand patch_first =
      emitter.transpose(emitter.reshape(x, {planes, taps, patches}), {0, 2, 1});
  const std::vector<Dim> rows = {planes, patches * taps};
  const Operand sums = emitter.emit(
      Op::kScatterElements,
      {emitter.expand(emitter.number(0, emitter.dtype(x)), {planes, area + 1}),
       emitter.expand(emitter.reshape(emitter.from_dims(std::move(places)), {1, patches * taps}),
                      rows),
       emitter.reshape(patch_first, rows)},
      {{"axis", int64_t{1}}, {"reduction", std::string("add")}});
  std::vector<Dim> result = {dims[0], *channels};
  result.insert(result.end(), image.begin(), image.end());
  return node.finish(emitter.reshape(emitter.slice(sums, 1, 0, area), std::move(result)));
}

}  // namespace tenon::import::onnx
