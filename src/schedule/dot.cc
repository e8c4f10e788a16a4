// A row times a matrix of so few columns that they would not fill a vector: each column lies by
// itself, packed in panels of one, and its product with the row is summed along vectors of both.
#include <algorithm>

#include "schedule/families.h"

namespace tenon::schedule {
namespace {

using ir::E;
using ir::LoopScope;
using ir::Module;
using ir::Node;

constexpr int kA = 0, kB = 1;
constexpr int kMostColumns = 12;  // their sums and the row's vector fit 16 registers

bool is_row(const ir::TensorType& result) {
  return std::all_of(result.dims.begin(), result.dims.end() - 1,
                     [](ir::Dim dim) { return dim.is(1); });
}

bool applies(const Module& module, const Node& node, const Target& target) {
  if (node.op != ir::Op::kMatMul || node.attrs.integer_or("packed", 0) != 1) return false;
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  return result.dtype == ir::DType::kFloat32 && target.lanes(4) > 1 && is_row(result) &&
         module.value(node.inputs[kA]).type.dims.back().is_constant();
}

OperandLayout operand_layout(const Module& module, const Node& node, int operand) {
  OperandLayout layout;
  if (operand == kA)
    layout.unit_axis = static_cast<int>(module.value(node.inputs[kA]).type.rank()) - 1;
  return layout;
}

class Loops {
 public:
  explicit Loops(LoopScope& scope)
      : scope_(scope),
        b_(scope.builder()),
        a_(scope.view(kA)),
        w_(scope.view(kB)),
        lanes_(scope.target().lanes(4)),
        depth_(scope.operand_type(kA).dims.back().value()) {}

  void run() {
    b_.tasks(b_.integer(1));
    const int64_t count = scope_.result_type(0).dims.back().value();
    constexpr int64_t kChains = 8;  // keep the multipliers busy
    int64_t copies = 1;
    while (count * copies * 2 <= kChains) copies *= 2;
    const ir::VectorType type{ir::DType::kFloat32, static_cast<uint16_t>(lanes_)};
    std::vector<ir::R> sums;
    for (int64_t i = 0; i < count * copies; ++i)
      sums.push_back(b_.let_register("sum", b_.literal(0, type)));
    const auto add = [&](E k, int64_t copy, E mask) {
      const E x = b_.let("x", b_.load(a_.buffer, a_.offset + k, lanes_, mask));
      for (int64_t c = 0; c < count; ++c) {
        const E column = w_.offset + w_.strides[w_.strides.size() - 3] * c;
        const ir::R& sum = sums[copy * count + c];
        b_.assign(sum, b_.fma(x, b_.load(w_.buffer, column + k, lanes_, mask), sum));
      }
    };
    const int64_t step = copies * lanes_, whole = depth_ / step * step;
    b_.loop("k", b_.integer(0), b_.integer(whole), step, [&](E k) {
      for (int64_t copy = 0; copy < copies; ++copy) add(k + copy * lanes_, copy, {});
    });
    for (int64_t k = whole; k < depth_; k += lanes_) {
      E mask;
      if (depth_ - k < lanes_)
        mask = b_.ramp(b_.integer(0), 1, lanes_) < b_.broadcast(b_.integer(depth_ - k), lanes_);
      add(b_.integer(k), 0, mask);
    }
    std::vector<E> index(scope_.result_type(0).rank(), b_.integer(0));
    for (int64_t c = 0; c < count; ++c) {
      E sum = sums[c];
      for (int64_t copy = 1; copy < copies; ++copy) sum = sum + sums[copy * count + c];
      index.back() = b_.integer(c);
      scope_.store(0, index, b_.let("dot", b_.reduce(ir::ExprKind::kReduceAdd, sum)));
    }
  }

 private:
  LoopScope& scope_;
  ir::LoopBuilder& b_;
  const ir::View a_, w_;
  const int lanes_;
  const int64_t depth_;
};

void loops(LoopScope& scope) { Loops(scope).run(); }

}  // namespace

int dot_width(const Module& module, const Node& node, const Target& target) {
  const ir::TensorType& result = module.value(node.outputs[0]).type;
  const ir::Dim columns = result.dims.back(),
                depth = module.value(node.inputs[kA]).type.dims.back();
  const int lanes = target.lanes(4);
  if (!is_row(result) || !columns.is_constant() || !depth.is_constant()) return 0;
  const int64_t padded = (columns.value() + lanes - 1) / lanes * lanes;
  const bool few = columns.value() <= kMostColumns && 4 * columns.value() <= 3 * padded;
  return few && depth.value() >= 4 * lanes ? 1 : 0;
}

const Recipe& dot_recipe() {
  static const Recipe recipe = {"dot", applies, operand_layout, false, loops};
  return recipe;
}

}  // namespace tenon::schedule
