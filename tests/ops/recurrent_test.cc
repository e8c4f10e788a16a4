#include <gtest/gtest.h>

#include "testing/naive_loops.h"

namespace tenon {
namespace {

using ir::DType;
using ir::Op;
using ops::Tensor;
using testing::check;

constexpr int64_t kSteps = 3, kBatch = 2, kInputs = 4, kHidden = 5;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Numbers of about 1 in absolute value, so that no gate saturates.
Tensor small(DType dtype, std::vector<int64_t> shape, uint32_t seed) {
  const Tensor whole = testing::random_tensor(DType::kFloat64, shape, seed, 8);
  return testing::generate(dtype, shape, [&](int64_t i) { return whole.number(i) / 8; });
}

/// A layer's operands, its state, and the products that every cell needs, in double.
struct Layer {
  Op op;
  int64_t gates;
  DType dtype;
  bool reverse = false, linear_before_reset = false, relu = false, initial = true, bias = true;

  std::vector<Tensor> operands() const {
    const int64_t width = gates * kHidden;
    std::vector<Tensor> all = {small(dtype, {kSteps, kBatch, kInputs}, 1),
                               small(dtype, {width, kInputs}, 2),
                               small(dtype, {width, kHidden}, 3)};
    if (bias) all.push_back(small(dtype, {2 * width}, 4));
    if (bias && initial) all.push_back(small(dtype, {kBatch, kHidden}, 5));
    if (bias && initial && op == Op::kLstm) all.push_back(small(dtype, {kBatch, kHidden}, 6));
    return all;
  }

  ir::Attrs attrs() const {
    ir::Attrs attrs = {{"hidden", kHidden}, {"reverse", reverse}};
    if (op == Op::kGru) attrs.set("linear_before_reset", linear_before_reset);
    if (op == Op::kRnn) attrs.set("activation", std::string(relu ? "Relu" : "Tanh"));
    return attrs;
  }

  /// The results by the equations, one unit at a time.
  std::vector<Tensor> expected() const {
    const std::vector<Tensor> in = operands();
    std::vector<Tensor> out = {Tensor(dtype, {kSteps, kBatch, kHidden}),
                               Tensor(dtype, {kBatch, kHidden})};
    if (op == Op::kLstm) out.emplace_back(dtype, std::vector<int64_t>{kBatch, kHidden});
    for (int64_t n = 0; n < kBatch; ++n) {
      std::vector<double> h(kHidden), c(kHidden);
      for (int64_t j = 0; j < kHidden; ++j) {
        if (in.size() > 4) h[j] = in[4].number(n * kHidden + j);
        if (in.size() > 5) c[j] = in[5].number(n * kHidden + j);
      }
      for (int64_t step = 0; step < kSteps; ++step) {
        const int64_t time = reverse ? kSteps - 1 - step : step;
        const auto from_x = [&](int64_t row) {
          double sum = bias ? in[3].number(row) : 0;
          for (int64_t i = 0; i < kInputs; ++i) {
            sum +=
                in[1].number(row * kInputs + i) * in[0].number((time * kBatch + n) * kInputs + i);
          }
          return sum;
        };
        const auto from_h = [&](int64_t row, const std::vector<double>& state) {
          double sum = bias ? in[3].number(gates * kHidden + row) : 0;
          for (int64_t j = 0; j < kHidden; ++j) sum += in[2].number(row * kHidden + j) * state[j];
          return sum;
        };
        const std::vector<double> last = h;
        const auto gate = [&](int64_t g, int64_t j) {
          return from_x(g * kHidden + j) + from_h(g * kHidden + j, last);
        };
        std::vector<double> reset(kHidden);
        if (op == Op::kGru) {
          for (int64_t j = 0; j < kHidden; ++j) reset[j] = sigmoid(gate(1, j)) * last[j];
        }
        for (int64_t j = 0; j < kHidden; ++j) {
          if (op == Op::kLstm) {
            c[j] = sigmoid(gate(2, j)) * c[j] + sigmoid(gate(0, j)) * std::tanh(gate(3, j));
            h[j] = sigmoid(gate(1, j)) * std::tanh(c[j]);
          } else if (op == Op::kGru) {
            const int64_t row = 2 * kHidden + j;
            const double addend =
                linear_before_reset ? sigmoid(gate(1, j)) * from_h(row, last) : from_h(row, reset);
            const double z = sigmoid(gate(0, j));
            h[j] = (1 - z) * std::tanh(from_x(row) + addend) + z * last[j];
          } else {
            h[j] = relu ? std::max(gate(0, j), 0.0) : std::tanh(gate(0, j));
          }
          out[0].set_number((time * kBatch + n) * kHidden + j, h[j]);
        }
      }
      for (int64_t j = 0; j < kHidden; ++j) {
        out[1].set_number(n * kHidden + j, h[j]);
        if (op == Op::kLstm) out[2].set_number(n * kHidden + j, c[j]);
      }
    }
    return out;
  }
};

void check_layer(const Layer& layer, double tolerance) {
  check(layer.op, layer.operands(), layer.attrs(), layer.expected(), tolerance);
}

constexpr std::pair<DType, double> kDTypes[] = {
    {DType::kFloat32, 1e-5}, {DType::kFloat64, 1e-12}, {DType::kBFloat16, 2e-2}};

TEST(Recurrent, Lstm) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    check_layer({.op = Op::kLstm, .gates = 4, .dtype = dtype}, tolerance);
    check_layer({.op = Op::kLstm, .gates = 4, .dtype = dtype, .reverse = true}, tolerance);
    check_layer({.op = Op::kLstm, .gates = 4, .dtype = dtype, .initial = false}, tolerance);
    check_layer({.op = Op::kLstm, .gates = 4, .dtype = dtype, .bias = false}, tolerance);
  }
}

TEST(Recurrent, Gru) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    for (bool linear : {false, true}) {
      check_layer({.op = Op::kGru, .gates = 3, .dtype = dtype, .linear_before_reset = linear},
                  tolerance);
      check_layer({.op = Op::kGru,
                   .gates = 3,
                   .dtype = dtype,
                   .reverse = true,
                   .linear_before_reset = linear,
                   .initial = false},
                  tolerance);
    }
  }
}

TEST(Recurrent, Rnn) {
  for (const auto& [dtype, tolerance] : kDTypes) {
    for (bool relu : {false, true}) {
      check_layer({.op = Op::kRnn, .gates = 1, .dtype = dtype, .reverse = relu, .relu = relu},
                  tolerance);
    }
  }
}

TEST(Recurrent, SaysWhatIsWrong) {
  Layer layer{.op = Op::kLstm, .gates = 4, .dtype = DType::kFloat32};
  std::vector<Tensor> operands = layer.operands();
  operands[2] = Tensor(DType::kFloat32, {20, 4});
  EXPECT_EQ(testing::error_of(Op::kLstm, operands, layer.attrs()),
            "r must be f32 [20, 5] for 5 hidden units, not f32[20, 4]");
  const ir::Attrs sine = {
      {"hidden", kHidden}, {"reverse", false}, {"activation", std::string("Sin")}};
  EXPECT_EQ(testing::error_of(Op::kRnn, operands, sine), "activation Sin is neither Tanh nor Relu");
}

}  // namespace
}  // namespace tenon
