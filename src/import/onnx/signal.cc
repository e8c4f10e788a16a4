// Signals: windows, Fourier transforms and mel filters. Sizes are known, so the transform along an
// axis is a product with a constant matrix.
#include <cmath>
#include <numbers>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;

namespace {

/// The longest transform that is written out as a matrix.
constexpr int64_t kLongest = 4096;

/// Elements of a constant [rows, columns].
Emitter::Operand matrix(Emitter& emitter, int64_t rows, int64_t columns, DType dtype,
                        const std::function<double(int64_t row, int64_t column)>& element) {
  std::vector<double> elements;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) elements.push_back(element(row, column));
  }
  return emitter.reshape(emitter.numbers(elements, dtype), {rows, columns});
}

/// A size of a signal: a number, in bounds.
Result<int64_t> size_of_signal(NodeContext& node, Dim size) {
  if (!size.is_constant()) {
    return node.unsupported(fmt::format("{} of open size", node.op_type()));
  }
  if (size.value() < 1 || size.value() > kLongest) {
    return node.unsupported(
        fmt::format("{} of {} samples; the most are {}", node.op_type(), size.value(), kLongest));
  }
  return size.value();
}

/// Cosines weighted by these coefficients.
Result<void> import_window(NodeContext& node, const std::vector<double>& coefficients) {
  TENON_TRY(int64_t count, node.integer_input(0, "sizes"));
  TENON_TRY(int64_t size, size_of_signal(node, count));
  TENON_TRY(DType dtype, node.dtype("output_datatype", DType::kFloat32));
  const bool is_periodic = node.flag("periodic", true);
  const double period = static_cast<double>(is_periodic ? size : std::max<int64_t>(size - 1, 1));
  std::vector<double> elements;
  for (int64_t i = 0; i < size; ++i) {
    double sum = 0;
    for (size_t k = 0; k < coefficients.size(); ++k) {
      sum += coefficients[k] * std::cos(2 * std::numbers::pi * static_cast<double>(k) *
                                        static_cast<double>(i) / period);
    }
    elements.push_back(sum);
  }
  return node.finish(node.emitter().numbers(elements, dtype));
}

}  // namespace

Result<void> import_hann_window(NodeContext& node) { return import_window(node, {0.5, -0.5}); }
Result<void> import_hamming_window(NodeContext& node) {
  return import_window(node, {25.0 / 46, -21.0 / 46});
}
Result<void> import_blackman_window(NodeContext& node) {
  return import_window(node, {0.42, -0.5, 0.08});
}

Result<void> import_mel_weight_matrix(NodeContext& node) {
  TENON_TRY(int64_t bins, node.integer_input(0, "sizes"));
  TENON_TRY(int64_t length, node.integer_input(1, "sizes"));
  TENON_TRY(int64_t rate, node.integer_input(2, "rates"));
  TENON_TRY(std::vector<double> lower, node.numbers_input(3, "edges"));
  TENON_TRY(std::vector<double> upper, node.numbers_input(4, "edges"));
  TENON_TRY(DType dtype, node.dtype("output_datatype", DType::kFloat32));
  TENON_TRY_DO(size_of_signal(node, bins));
  TENON_TRY_DO(size_of_signal(node, length));
  if (lower.size() != 1 || upper.size() != 1 || rate < 1) return node.bad("needs scalars");
  const auto to_mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = to_mel(lower[0]);
  const double step = (to_mel(upper[0]) - low) / static_cast<double>(bins + 2);
  // The spectrum's bin of each filter's edge or centre.
  std::vector<double> edges;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double mel = low + step * static_cast<double>(i);
    const double hertz = 700 * (std::pow(10, mel / 2595) - 1);
    edges.push_back(
        std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate)));
  }
  const auto weight = [&](int64_t row, int64_t column) {
    const auto at = static_cast<size_t>(column);
    const auto bin = static_cast<double>(row);
    const double left = edges[at];
    const double centre = edges[at + 1];
    const double right = edges[at + 2];
    if (bin == centre) return 1.0;
    if (bin >= left && bin < centre) return (bin - left) / (centre - left);
    if (bin > centre && bin < right) return (right - bin) / (right - centre);
    return 0.0;
  };
  return node.finish(matrix(node.emitter(), length / 2 + 1, bins, dtype, weight));
}

namespace {

/// How a transform is asked for.
struct Transform {
  int64_t length;
  bool inverse;
  bool one_sided;
};

/// The transform of x [..., samples, parts] (parts: real, or real and imaginary) along the samples:
/// [..., frequencies, 2]; the inverse of a one-sided spectrum is [..., samples, 1].
Emitter::Operand transform(NodeContext& node, ValueId x, const Transform& how) {
  Emitter& emitter = node.emitter();
  const std::vector<Dim> dims = emitter.shape(x);
  const auto last = static_cast<int64_t>(dims.size()) - 1;
  const DType dtype = emitter.dtype(x);
  const bool is_complex = dims.back().is(2);
  if (!is_complex && !dims.back().is(1)) return node.bad("the last axis is not of 1 or 2 parts");
  const bool to_real = how.inverse && how.one_sided;
  const int64_t half = how.length / 2 + 1;
  TENON_TRY(const int64_t given, size_of_signal(node, dims[static_cast<size_t>(last) - 1]));
  const int64_t taken = std::min(given, to_real ? half : how.length);
  const int64_t results = how.one_sided && !how.inverse ? half : how.length;
  const auto angle = [&](int64_t sample, int64_t result) {
    const auto turns = static_cast<double>((sample * result) % how.length);
    const double sign = how.inverse ? 1 : -1;
    return sign * 2 * std::numbers::pi * turns / static_cast<double>(how.length);
  };
  // In a one-sided spectrum a frequency stands for its negative too.
  const auto weight = [&](int64_t sample) {
    const double scale = how.inverse ? 1.0 / static_cast<double>(how.length) : 1;
    const bool is_own_negative = sample == 0 || 2 * sample == how.length;
    return to_real && !is_own_negative ? 2 * scale : scale;
  };
  const Emitter::Operand cosines =
      matrix(emitter, taken, results, dtype,
             [&](int64_t s, int64_t r) { return weight(s) * std::cos(angle(s, r)); });
  const Emitter::Operand sines = matrix(emitter, taken, results, dtype, [&](int64_t s, int64_t r) {
    return weight(s) * std::sin(angle(s, r));
  });
  const Emitter::Operand cut = emitter.slice(x, last - 1, 0, taken);
  std::vector<Dim> row(dims.begin(), dims.end() - 1);
  row.back() = taken;
  const auto part = [&](int64_t i) {
    return emitter.reshape(emitter.slice(cut, last, i, i + 1), row);
  };
  const auto product = [&](const Emitter::Operand& a, const Emitter::Operand& b) {
    return emitter.emit(Op::kMatMul, {a, b});
  };
  std::vector<Dim> column(dims.begin(), dims.end() - 1);
  column.back() = results;
  column.emplace_back(1);
  Emitter::Operand real = product(part(0), cosines);
  Emitter::Operand imaginary = product(part(0), sines);
  if (is_complex) {
    real = emitter.emit(Op::kSub, {real, product(part(1), sines)});
    imaginary = emitter.emit(Op::kAdd, {imaginary, product(part(1), cosines)});
  }
  real = emitter.reshape(real, column);
  if (to_real) return real;
  return emitter.concat({real, emitter.reshape(imaginary, column)}, last);
}

}  // namespace

Result<void> import_dft(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId x, node.input(0));
  const int64_t rank = emitter.rank(x);
  if (rank < 2) return node.bad("a signal has an axis of samples and one of parts");
  int64_t given = node.opset() < 20 ? node.integer("axis", 1) : -2;
  if (node.opset() >= 20 && node.has_input(2)) {
    TENON_TRY(given, node.integer_input(2, "axes"));
  }
  TENON_TRY(int64_t axis, node.axis(given, rank));
  if (axis == rank - 1) return node.bad("transforms the axis of parts");
  Transform how{0, node.flag("inverse", false), node.flag("onesided", false)};
  const Dim samples = emitter.shape(x)[static_cast<size_t>(axis)];
  TENON_TRY(how.length, size_of_signal(node, samples));
  if (how.inverse && how.one_sided) how.length = 2 * (how.length - 1);
  if (node.has_input(1)) {
    TENON_TRY(how.length, node.integer_input(1, "lengths"));
  }
  TENON_TRY_DO(size_of_signal(node, how.length));
  std::vector<int64_t> perm = axes_from(0, rank);
  std::swap(perm[static_cast<size_t>(axis)], perm[static_cast<size_t>(rank) - 2]);
  TENON_TRY(ValueId turned, emitter.transpose(x, perm));
  return node.finish(emitter.transpose(transform(node, turned, how), perm));
}

/// The transforms of windows of a signal: [batch, frames, frequencies, 2].
Result<void> import_stft(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(ValueId signal, node.input(0));
  TENON_TRY(int64_t step, node.integer_input(1, "steps"));
  std::vector<Dim> dims = emitter.shape(signal);
  if (dims.size() == 2) dims.emplace_back(1);
  if (dims.size() != 3 || step < 1) return node.bad("takes [batch, samples, parts] and a step");
  Dim length = dims[1];
  if (node.has_input(2)) length = emitter.shape(node.optional_input(2)).front();
  if (node.has_input(3)) {
    TENON_TRY(length, node.integer_input(3, "lengths"));
  }
  TENON_TRY(int64_t size, size_of_signal(node, length));
  ir::Dims& all = emitter.dims();
  const Dim frames = all.add(all.floor_div(all.sub(dims[1], size), step), 1);
  const Emitter::Operand starts = emitter.with_number(
      Op::kMul, emitter.reshape(indices(emitter, frames), {frames, 1}), static_cast<double>(step));
  const Emitter::Operand places = emitter.emit(Op::kAdd, {starts, indices(emitter, size)});
  TENON_TRY(ValueId cut, emitter.emit(Op::kGather, {emitter.reshape(signal, dims), places},
                                      {{"axis", int64_t{1}}}));
  if (node.has_input(2)) {
    const Emitter::Operand window = emitter.reshape(node.optional_input(2), {size, 1});
    TENON_TRY(cut, emitter.emit(Op::kMul, {cut, window}));
  }
  return node.finish(transform(node, cut, {size, false, node.flag("onesided", true)}));
}

}  // namespace tenon::import::onnx
