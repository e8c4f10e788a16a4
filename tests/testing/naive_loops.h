// Runs an operator's naive loops by the loop interpreter, for several placements of its operands
// and results, and compares with reference evaluation.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/target.h"
#include "interp/loop.h"
#include "ir/loop_scope.h"
#include "ir/verify.h"
#include "testing/evaluate.h"

namespace tenon::testing {

/// How all tensors of a run lie in memory.
enum class Placing {
  kRowMajor,
  kChannelsLast,  ///< axis 1 innermost
  kReversed,      ///< axis 0 innermost
  kSymbolic,      ///< row-major, every extent and stride being a parameter
};

/// One tensor in memory: each step along an axis passes over one element more than there are, so
/// that wrong strides show.
struct PlacedTensor {
  ir::TensorType type;
  std::vector<int> order;  ///< axes from outermost to innermost
  std::vector<int64_t> strides;
  int64_t size = 1;
  ops::Tensor memory;
  ir::BufferId buffer;

  PlacedTensor(const ops::Tensor& shape_of, Placing placing)
      : type{shape_of.dtype(), {shape_of.shape().begin(), shape_of.shape().end()}},
        order(type.rank()),
        strides(type.rank()) {
    std::iota(order.begin(), order.end(), 0);
    if (placing == Placing::kChannelsLast && order.size() > 1) {
      std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    }
    if (placing == Placing::kReversed) std::ranges::reverse(order);
    for (size_t i = order.size(); i-- > 0;) {
      strides[order[i]] = size;
      size = size * shape_of.shape()[order[i]] + 1;
    }
    memory = ops::Tensor(type.dtype, {size});
    std::memset(memory.bytes(), 0xCD, memory.byte_count());
  }

  /// Copies between memory and a dense tensor.
  void exchange(ops::Tensor& dense, bool to_memory) {
    const int64_t element = ir::size_of(type.dtype);
    for (int64_t i = 0; i < dense.count(); ++i) {
      int64_t rest = i, at = 0;
      for (size_t axis = type.rank(); axis-- > 0;) {
        at += rest % dense.shape()[axis] * strides[axis];
        rest /= dense.shape()[axis];
      }
      std::byte *inside = memory.bytes() + at * element, *outside = dense.bytes() + i * element;
      std::memcpy(to_memory ? inside : outside, to_memory ? outside : inside, element);
    }
  }
};

/// The scope of a node whose operands and results lie in memory.
class PlacedScope final : public ir::LoopScope {
 public:
  PlacedScope(const ir::Attrs& attrs, std::deque<PlacedTensor>& operands,
              std::deque<PlacedTensor>& results, bool symbolic)
      : builder_("naive"),
        attrs_(attrs),
        operands_(operands),
        results_(results),
        symbolic_(symbolic) {
    for (PlacedTensor& operand : operands_) add_buffer(operand, ir::BufferKind::kInput);
    for (PlacedTensor& result : results_) add_buffer(result, ir::BufferKind::kOutput);
  }

  ir::LoopBuilder& builder() override { return builder_; }
  const Target& target() const override { return target_; }
  const ir::Attrs& attrs() const override { return attrs_; }
  bool has_operand(int operand) const override {
    return operand < static_cast<int>(operands_.size());
  }
  const ir::TensorType& operand_type(int operand) const override { return operands_[operand].type; }
  const ir::TensorType& result_type(int result) const override { return results_[result].type; }
  ir::E dim(ir::Dim dim) override { return number(dim.value()); }

  ir::E load(int operand, std::span<const ir::E> index, ir::Lanes lanes) override {
    const PlacedTensor& tensor = operands_[operand];
    const ir::E element = builder_.load(tensor.buffer, address(tensor, index), 1, lanes.mask);
    return builder_.let("x", builder_.cast(element, ir::compute_type(tensor.type.dtype)));
  }

  void store(int result, std::span<const ir::E> index, ir::E value, ir::Lanes) override {
    const PlacedTensor& tensor = results_[result];
    EXPECT_EQ(value.type().dtype, ir::compute_type(tensor.type.dtype));
    builder_.store(tensor.buffer, address(tensor, index), builder_.cast(value, tensor.type.dtype));
  }

  ir::E load_result(int, std::span<const ir::E>, ir::Lanes) override {
    ADD_FAILURE() << "naive loops read no results";
    return {};
  }
  ir::View view(int) override {
    ADD_FAILURE() << "naive loops do not ask where an operand lies";
    return {};
  }
  ir::View result_view(int) override {
    ADD_FAILURE() << "naive loops do not ask where a result lies";
    return {};
  }
  bool adjacent(int, int) const override { return false; }
  std::vector<int> memory_order(int result) const override { return results_[result].order; }
  std::vector<int> operand_order(int operand) const override { return operands_[operand].order; }

  const std::vector<int64_t>& param_values() const { return param_values_; }

 private:
  void add_buffer(PlacedTensor& tensor, ir::BufferKind kind) {
    const std::string name = fmt::format("b{}", builder_.function().buffers.size());
    tensor.buffer = builder_.buffer(name, tensor.type.dtype, kind, builder_.integer(tensor.size));
  }

  ir::E number(int64_t value) {
    if (!symbolic_) return builder_.integer(value);
    auto [known, fresh] = params_.try_emplace(value);
    if (fresh) {
      known->second = builder_.param(fmt::format("p{}", value));
      param_values_.push_back(value);
    }
    return known->second;
  }

  ir::E address(const PlacedTensor& tensor, std::span<const ir::E> index) {
    EXPECT_EQ(index.size(), tensor.type.rank());
    ir::E sum = builder_.integer(0);
    for (size_t axis = 0; axis < index.size(); ++axis) {
      sum = sum + index[axis] * number(tensor.strides[axis]);
    }
    return sum;
  }

  ir::LoopBuilder builder_;
  Target target_ = *find_target("x86-64-v3");
  const ir::Attrs& attrs_;
  std::deque<PlacedTensor>& operands_;
  std::deque<PlacedTensor>& results_;
  bool symbolic_;
  std::map<int64_t, ir::E> params_;
  std::vector<int64_t> param_values_;
};

/// The value of a number of tasks.
inline int64_t evaluate(const ir::Function& function, ir::ExprId id,
                        std::span<const int64_t> params) {
  const ir::Expr& expr = function.expr(id);
  if (expr.kind == ir::ExprKind::kInteger) return expr.bits;
  if (expr.kind == ir::ExprKind::kParam) return params[expr.bits];
  TENON_CHECK(ir::arity(expr.kind) == 2, "a number of tasks is made by two-operand arithmetic");
  const int64_t a = evaluate(function, expr.a, params), b = evaluate(function, expr.b, params);
  switch (expr.kind) {
    case ir::ExprKind::kAdd: return a + b;
    case ir::ExprKind::kSub: return a - b;
    case ir::ExprKind::kMul: return a * b;
    case ir::ExprKind::kDiv: return a / b;
    case ir::ExprKind::kMin: return std::min(a, b);
    case ir::ExprKind::kMax: return std::max(a, b);
    default: internal_error("arithmetic of a number of tasks", __FILE__, __LINE__);
  }
}

/// Whether a block holds a loop that is to become vectors.
inline bool has_vector_loop(const ir::Function& function, ir::BlockId id) {
  if (!id) return false;
  return std::ranges::any_of(function.block(id).statements, [&](ir::StatementId statement) {
    const ir::Statement& s = function.statement(statement);
    return s.loop == ir::LoopKind::kVector || has_vector_loop(function, s.body) ||
           has_vector_loop(function, s.other);
  });
}

/// The results of the naive loops; `shapes` are tensors of the results' types.
inline std::vector<ops::Tensor> run_loops(ir::Op op, const std::vector<ops::Tensor>& tensors,
                                          const ir::Attrs& attrs,
                                          const std::vector<ops::Tensor>& shapes, Placing placing) {
  std::deque<PlacedTensor> operands, results;
  for (ops::Tensor tensor : tensors) {
    operands.emplace_back(tensor, placing).exchange(tensor, true);
  }
  for (const ops::Tensor& shape : shapes) results.emplace_back(shape, placing);
  PlacedScope scope(attrs, operands, results, placing == Placing::kSymbolic);
  ops::operator_of(op).to_loops(scope);
  const ir::Function function = scope.builder().finish();
  EXPECT_EQ(ir::verify(function), "") << ir::to_string(function);
  for (const ir::Statement& s : function.statements) {
    EXPECT_FALSE(s.loop == ir::LoopKind::kVector && has_vector_loop(function, s.body))
        << "vector loops hold no others: " << ir::to_string(function);
  }
  std::vector<void*> buffers;
  for (PlacedTensor& operand : operands) buffers.push_back(operand.memory.bytes());
  for (PlacedTensor& result : results) buffers.push_back(result.memory.bytes());
  const int64_t tasks = evaluate(function, function.task_count, scope.param_values());
  const Result<int32_t> code = interp::run(function, buffers, scope.param_values(), 0, tasks);
  EXPECT_TRUE(code && *code == 0) << (code ? "" : code.error().text()) << ir::to_string(function);
  std::vector<ops::Tensor> dense;
  for (size_t i = 0; i < shapes.size(); ++i) {
    dense.emplace_back(shapes[i].dtype(), shapes[i].shape());
    results[i].exchange(dense[i], false);
  }
  return dense;
}

/// The status of the naive loops of an operator with one result of this shape.
inline int32_t status_of(ir::Op op, const std::vector<ops::Tensor>& tensors, const ir::Attrs& attrs,
                         const ops::Tensor& result) {
  std::deque<PlacedTensor> operands, results;
  for (ops::Tensor dense : tensors) {
    operands.emplace_back(dense, Placing::kRowMajor).exchange(dense, true);
  }
  results.emplace_back(result, Placing::kRowMajor);
  PlacedScope scope(attrs, operands, results, false);
  ops::operator_of(op).to_loops(scope);
  const ir::Function function = scope.builder().finish();
  std::vector<void*> buffers;
  for (PlacedTensor& operand : operands) buffers.push_back(operand.memory.bytes());
  buffers.push_back(results[0].memory.bytes());
  const int64_t tasks = evaluate(function, function.task_count, {});
  return interp::run(function, buffers, {}, 0, tasks).value();
}

/// Whether a and b differ by at most `tolerance` times the larger of 1 and |b|.
inline bool close(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

/// Fails the test where elements differ by more than the tolerance.
inline void expect_close(const ops::Tensor& actual, const ops::Tensor& expected, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(actual.shape(), expected.shape()) << what;
  ASSERT_EQ(actual.dtype(), expected.dtype()) << what;
  int shown = 0;
  for (int64_t i = 0; i < actual.count() && shown < 5; ++i) {
    if (close(actual.number(i), expected.number(i), tolerance)) continue;
    ADD_FAILURE() << what << ": element " << i << " is " << actual.number(i) << ", not "
                  << expected.number(i);
    ++shown;
  }
}

/// Checks reference evaluation against `expected`, one tensor per result, and naive loops in every
/// placing against reference evaluation.
inline void check(ir::Op op, const std::vector<ops::Tensor>& tensors, const ir::Attrs& attrs,
                  const std::vector<ops::Tensor>& expected, double tolerance = 0) {
  const auto results = try_evaluate(op, tensors, attrs);
  ASSERT_TRUE(results) << results.error();
  ASSERT_EQ(results->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    expect_close((*results)[i], expected[i], tolerance, "evaluation");
  }
  constexpr std::pair<Placing, const char*> kPlacings[] = {
      {Placing::kRowMajor, "row-major loops"},
      {Placing::kChannelsLast, "channels-last loops"},
      {Placing::kReversed, "reversed loops"},
      {Placing::kSymbolic, "symbolic loops"}};
  for (const auto& [placing, name] : kPlacings) {
    const std::vector<ops::Tensor> loops = run_loops(op, tensors, attrs, *results, placing);
    ASSERT_EQ(loops.size(), results->size());
    for (size_t i = 0; i < loops.size(); ++i) {
      expect_close(loops[i], (*results)[i], tolerance, name);
    }
  }
}

/// Whole numbers from -range to range (from 0 for what is unsigned): sums of products are exact.
inline ops::Tensor random_tensor(ir::DType dtype, std::vector<int64_t> shape, uint32_t seed = 1,
                                 int range = 4) {
  std::mt19937 random(seed);
  const bool has_negative = ir::is_float(dtype) || ir::is_signed(dtype);
  const int top = dtype == ir::DType::kBool ? 1 : range;
  ops::Tensor result(dtype, std::move(shape));
  for (int64_t i = 0; i < result.count(); ++i) {
    const int width = has_negative ? 2 * top + 1 : top + 1;
    result.set_number(i, static_cast<int>(random() % width) - (has_negative ? top : 0));
  }
  return result;
}

/// A tensor whose element i in row-major order is value(i).
inline ops::Tensor generate(ir::DType dtype, std::vector<int64_t> shape,
                            const std::function<double(int64_t)>& value) {
  ops::Tensor result(dtype, std::move(shape));
  for (int64_t i = 0; i < result.count(); ++i) result.set_number(i, value(i));
  return result;
}

}  // namespace tenon::testing
