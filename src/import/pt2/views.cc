#include "import/pt2/views.h"

#include <utility>

#include "import/build.h"
#include "import/elements.h"

namespace tenon::import::pt2 {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using Operand = Emitter::Operand;

View alias_view() {
  return {.read = [](Operand base) { return base; },
          .write = [](const Operand&, Operand part) { return part; }};
}

View reshape_view(Emitter& emitter, const std::vector<Dim>& from, const std::vector<Dim>& dims) {
  return {
      .read = [&emitter, dims](Operand base) { return emitter.reshape(std::move(base), dims); },
      .write = [&emitter, from](const Operand&,
                                Operand part) { return emitter.reshape(std::move(part), from); }};
}

View transpose_view(Emitter& emitter, std::vector<int64_t> perm) {
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  }
  return {
      .read = [&emitter, perm](Operand base) { return emitter.transpose(std::move(base), perm); },
      .write = [&emitter, inverse](
                   const Operand&,
                   Operand part) { return emitter.transpose(std::move(part), inverse); }};
}

View slice_view(Emitter& emitter, const std::vector<Dim>& from, int64_t axis, Dim start, Dim end,
                int64_t step) {
  const Dim whole = from[static_cast<size_t>(axis)];
  ir::Dims& dims = emitter.dims();
  if (start.is_constant() && start.value() < 0) start = larger(dims, dims.add(start, whole), 0);
  return {
      .read = [=, &emitter](
                  Operand base) { return emitter.slice(std::move(base), axis, start, end, step); },
      .write = [=, &emitter](const Operand& base, const Operand& part) -> Operand {
        TENON_TRY(const ValueId whole_value, base);
        TENON_TRY(const ValueId part_value, part);
        return replace_slice(emitter, whole_value, part_value, axis, start, step);
      }};
}

View chain(const View& first, const View& second) {
  const bool certain = first.certain && second.certain;
  return {
      .read = [first, second](Operand base) { return second.read(first.read(std::move(base))); },
      .write =
          [first, second](const Operand& base, Operand part) {
            return first.write(base, second.write(first.read(base), std::move(part)));
          },
      .certain = certain};
}

Operand replace_slice(Emitter& emitter, ValueId base, ValueId part, int64_t axis, Dim start,
                      int64_t step) {
  const auto at = static_cast<size_t>(axis);
  ir::Dims& dims = emitter.dims();
  const Dim whole = emitter.shape(base)[at], count = emitter.shape(part)[at];
  if (count == whole) return part;
  if (step == 1) {
    std::vector<Operand> parts;
    if (!start.is(0)) parts.push_back(emitter.slice(base, axis, 0, start));
    parts.emplace_back(part);
    const Dim end = dims.add(start, count);
    if (end != whole) parts.push_back(emitter.slice(base, axis, end, whole));
    return emitter.concat(parts, axis);
  }
  const Operand places = emitter.emit(Op::kRange,
                                      {emitter.from_elements({DType::kInt64, {}}, {start}),
                                       emitter.number(static_cast<double>(step), DType::kInt64)},
                                      {{"size", std::vector<Dim>{count}}});
  std::vector<Dim> column(emitter.shape(part).size(), 1);
  column[at] = count;
  return emitter.emit(
      Op::kScatterElements,
      {base, emitter.expand(emitter.reshape(places, column), emitter.shape(part)), part},
      {{"axis", axis}, {"reduction", std::string("none")}});
}

}  // namespace tenon::import::pt2
