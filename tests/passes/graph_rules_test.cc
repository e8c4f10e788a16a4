// The tables of rules against reference evaluation: random graphs are made from each pattern until
// the rule has fired often enough, and both sides must agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "interp/graph.h"
#include "ir/verify.h"
#include "ops/op.h"
#include "passes/rules/tables.h"
#include "testing/graph.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using ir::DType;
using ir::Op;
using ir::ValueId;
using ops::Tensor;
using Kind = Pattern::Kind;
using List = std::vector<Dim>;
using Integers = std::vector<int64_t>;

/// A graph that a pattern describes, with random shapes, attributes and operands. An operator that
/// refuses what was drawn for it gives none.
class Instance {
 public:
  Instance(const Pattern& pattern, uint32_t seed) : random_(seed) {
    constexpr DType kDTypes[] = {DType::kFloat32, DType::kFloat32, DType::kFloat64, DType::kInt64,
                                 DType::kBool};
    dtype_ = kDTypes[below(std::size(kDTypes))];
    for (int64_t i = 0, rank = below(5); i < rank; ++i) shape_.push_back(Dim(1 + below(4)));
    const std::optional<ValueId> result = value(pattern, Op::kCopy, 0, {});
    if (!result || !*result) return;
    module.graph.outputs = {*result};
    module.graph.output_names = {"y"};
    ir::clean_up(module);
    complete_ = true;
  }
  bool complete() const { return complete_; }

  ir::Module module;
  std::vector<Tensor> inputs;

 private:
  int64_t below(int64_t limit) {
    return std::uniform_int_distribution<int64_t>(0, limit - 1)(random_);
  }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return *(list.begin() + below(std::ssize(list)));
  }
  const List& dims(ValueId value) const { return module.value(value).type.dims; }

  std::optional<ValueId> value(const Pattern& pattern, Op reader, size_t operand,
                               const std::vector<ValueId>& before) {
    switch (pattern.kind) {
      case Kind::kAbsent: return ValueId();
      case Kind::kEither:
        return value(pattern.parts[below(std::ssize(pattern.parts))], reader, operand, before);
      case Kind::kNumber: return scalar(pattern.number, before);
      case Kind::kVariable: {
        const double number = one_of({2.0, 0.5, -4.0, 3.0, 0.0, -0.0, 1.0, 1e-5});
        const auto& known = variables_.try_emplace(pattern.name, number).first->second;
        const double* bound = std::get_if<double>(&known);
        return bound ? std::optional(scalar(*bound, before)) : std::nullopt;
      }
      case Kind::kValue: {
        if (const auto found = values_.find(pattern.name); found != values_.end()) {
          return found->second;
        }
        if (pattern.optional && below(2) == 0) return values_[pattern.name] = ValueId();
        return values_[pattern.name] = leaf(reader, operand, before);
      }
      case Kind::kNode: return node(pattern);
    }
    return std::nullopt;
  }

  std::optional<ValueId> node(const Pattern& pattern) {
    std::vector<ValueId> operands;
    for (const Pattern& part : pattern.parts) {
      const auto made = value(part, pattern.op, operands.size(), operands);
      if (!made) return std::nullopt;
      operands.push_back(*made);
    }
    if (pattern.parts.size() == 2 && below(2) == 0 && ir::info(pattern.op).elementwise) {
      // Only legal where it means the same; the rule then has to find it.
      constexpr Op kEither[] = {Op::kAdd, Op::kMul, Op::kMin, Op::kMax, Op::kAnd, Op::kOr};
      if (std::ranges::find(kEither, pattern.op) != std::end(kEither)) {
        std::swap(operands[0], operands[1]);
      }
    }
    ir::Attrs attrs;
    for (const auto& row : ir::info(pattern.op).attributes) {
      const auto named = std::ranges::find(pattern.attributes, row.name, &Pattern::Attribute::name);
      if (named == pattern.attributes.end()) {
        if (!row.optional) attrs.set(row.name, attribute(pattern.op, row.name, operands));
      } else if (named->variable.empty()) {
        attrs.set(row.name, named->literal);
      } else {
        auto found = variables_.find(named->variable);
        if (found == variables_.end()) {
          found =
              variables_.emplace(named->variable, attribute(pattern.op, row.name, operands)).first;
        }
        attrs.set(row.name, found->second);
      }
    }
    Result<ValueId> made = ops::add(module, pattern.op, operands, attrs, ir::OriginId());
    if (!made) return std::nullopt;
    if (!pattern.name.empty()) values_[pattern.name] = *made;
    return *made;
  }

  ValueId scalar(double number, const std::vector<ValueId>& before) {
    DType dtype = dtype_;
    for (ValueId other : before) {
      if (other) dtype = module.value(other).type.dtype;
    }
    Tensor tensor(dtype, below(4) == 0 ? Integers{1} : Integers{});
    tensor.set_number(0, number);
    return ops::add_constant(module, tensor, ir::OriginId());
  }

  /// An operand that the pattern says nothing of: an input, or a constant of ones or zeros.
  ValueId leaf(Op reader, size_t operand, const std::vector<ValueId>& before) {
    DType dtype = dtype_;
    List shape = shape_;
    const bool first = before.empty() || !before[0];
    if (reader == Op::kConv && operand == 1) {
      shape = {1 + below(3), dims(before[0]).size() > 1 ? dims(before[0])[1] : 1};
      while (shape.size() < dims(before[0]).size()) shape.push_back(1 + below(2));
    } else if (reader == Op::kConv && operand == 2) {
      shape = {dims(before[1])[0]};
    } else if (reader == Op::kGroupNorm && operand > 0) {
      shape = {dims(before[0]).size() > 1 ? dims(before[0])[1] : 1};
      if (below(2) == 0) {
        Tensor same(dtype, {shape[0].value()});
        for (int64_t i = 0; i < same.count(); ++i) same.set_number(i, operand == 1 ? 1 : 0);
        return ops::add_constant(module, same, ir::OriginId());
      }
    } else if ((reader == Op::kLayerNorm || reader == Op::kRmsNorm) && operand > 0) {
      shape = {dims(before[0]).empty() ? 1 : dims(before[0]).back()};
    } else if (reader == Op::kWhere && operand == 0) {
      dtype = DType::kBool;
    } else if (!first && below(2) == 0) {
      shape = broadcasting(dims(before[0]));
    } else if (reader == Op::kMul || reader == Op::kAdd) {
      if (!first) shape = dims(before[0]);
    }
    Integers sizes;
    for (Dim dim : shape) sizes.push_back(dim.value());
    Tensor tensor(dtype, sizes);
    std::normal_distribution<double> normal(0, 2);
    const bool positive = below(2) == 0;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      const double number = dtype == DType::kBool ? double(below(2)) : normal(random_);
      tensor.set_number(i, positive ? std::abs(number) + 0.25 : number);
    }
    if (dtype == DType::kBool) {
      for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_number(i, double(below(2)));
    }
    inputs.push_back(tensor);
    return module.add_input({dtype, shape}, "x" + std::to_string(inputs.size()));
  }

  /// The last axes of a shape, some of them 1.
  List broadcasting(List shape) {
    shape.erase(shape.begin(), shape.begin() + below(std::ssize(shape) + 1));
    for (Dim& dim : shape) {
      if (below(3) == 0) dim = 1;
    }
    return shape;
  }

  ir::AttrValue attribute(Op op, std::string_view name, const std::vector<ValueId>& operands) {
    const List x = operands.empty() ? List() : dims(operands[0]);
    const auto rank = std::ssize(x);
    const bool plain = below(3) == 0;  // what changes nothing, where there is such a thing
    if (name == "dims") return sizes(op, x, plain);
    if (name == "perm") {
      Integers perm(rank);
      std::iota(perm.begin(), perm.end(), 0);
      if (!plain) std::ranges::shuffle(perm, random_);
      return perm;
    }
    if (name == "starts" || name == "before" || name == "after" || name == "repeats") {
      List list(rank, name == "repeats" ? 1 : 0);
      if (!plain && rank > 0) list[below(rank)] = below(3);
      return list;
    }
    if (name == "steps") {
      Integers steps(rank, 1);
      if (!plain && rank > 0) steps[below(rank)] = one_of<int64_t>({2, -1, 1});
      return steps;
    }
    if (name == "axes" && (op == Op::kLayerNorm || op == Op::kRmsNorm)) return int64_t{1};
    if (name == "axes") {
      Integers axes;
      for (int64_t i = rank - 1; i >= 0 && below(3) > 0; --i) axes.insert(axes.begin(), i);
      if (axes.empty() && rank > 0) axes = {below(rank)};
      return axes;
    }
    if (name == "axis") return rank == 0 ? int64_t{0} : below(rank);
    if (name == "to") {
      return one_of(
          {dtype_, DType::kFloat32, DType::kFloat64, DType::kInt64, DType::kInt8, DType::kFloat16});
    }
    if (name == "kind") return std::string(one_of({"mean", "sum", "max"}));
    if (name == "mode") return std::string("constant");
    if (name == "strides" && (op == Op::kMaxPool || op == Op::kAveragePool))
      return Integers(std::max<int64_t>(rank - 2, 0), 1 + below(2));
    if (name == "kernel" || name == "strides" || name == "dilations") {
      Integers list(std::max<int64_t>(rank - 2, 0), 1);
      for (size_t i = 0; i < list.size() && name == "kernel"; ++i) {
        if (!plain) list[i] = x[i + 2].value();
      }
      return list;
    }
    if (name == "pads") return Integers(2 * std::max<int64_t>(rank - 2, 0), plain ? 0 : below(2));
    if (name == "groups") return one_of<int64_t>({1, 2, 3});
    if (name == "epsilon") return 1e-5;
    if (name == "alpha") return 1.0 / 6;
    return below(2) == 0;
  }

  ir::AttrValue sizes(Op op, List x, bool plain) {
    if (op == Op::kSlice) {
      for (Dim& dim : x) {
        if (!plain && dim.value() > 1 && below(2) == 0) dim = 1 + below(dim.value());
      }
    } else if (op == Op::kExpand) {
      for (Dim& dim : x) {
        if (!plain && dim.is(1)) dim = 1 + below(3);
      }
      if (!plain && below(2) == 0) x.insert(x.begin(), 2);
    } else if (!plain) {
      if (below(3) == 0) return shape_;
      const int64_t count = ir::TensorType{DType::kFloat32, x}.element_count();
      Integers divisors;
      for (int64_t d = 1; d <= count; ++d) {
        if (count % d == 0) divisors.push_back(d);
      }
      const int64_t d = divisors[below(std::ssize(divisors))];
      x = x.size() > 1 && below(2) == 0 ? List{x[0], d, Dim(count / x[0].value() / d)}
                                        : List{d, Dim(count / d)};
    }
    return x;
  }

  std::mt19937 random_;
  DType dtype_;
  List shape_;
  std::map<std::string, ValueId> values_;
  std::map<std::string, ir::AttrValue> variables_;
  bool complete_ = false;
};

/// Empty when the tensors have equal type and elements up to rounding; else what differs.
std::string difference(const Tensor& got, const Tensor& expected) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape()) return "another type";
  double largest = 1;
  for (int64_t i = 0; i < expected.count(); ++i) {
    if (std::isfinite(expected.number(i))) {
      largest = std::max(largest, std::abs(expected.number(i)));
    }
  }
  const double tolerance = expected.dtype() == DType::kFloat16 ? 4e-3 : 1e-5;
  for (int64_t i = 0; i < expected.count(); ++i) {
    const double a = got.number(i), b = expected.number(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (ir::is_float(got.dtype()) && std::abs(a - b) <= tolerance * largest) continue;
    return std::to_string(a) + " instead of " + std::to_string(b);
  }
  return {};
}

struct Outcome {
  int fired = 0;
  std::string problem;
};

/// Tries a rule on graphs made from its pattern.
Outcome fuzz(const Rule& rule, int wanted) {
  const Pattern pattern = parse_pattern(rule.from);
  const RuleSet rules({&rule, 1});
  Outcome outcome;
  for (uint32_t seed = 0; seed < 20'000 && outcome.fired < wanted; ++seed) {
    Instance instance(pattern, seed);
    if (!instance.complete()) continue;
    const auto expected = interp::run(instance.module, instance.inputs);
    if (!expected) continue;
    const std::string before = ir::to_string(instance.module);
    if (rewrite(instance.module, rules) == 0) continue;
    ++outcome.fired;
    std::string problem = ir::verify(instance.module);
    if (problem.empty()) {
      const auto got = interp::run(instance.module, instance.inputs);
      problem = got ? difference(got->front(), expected->front()) : got.error().text();
    }
    if (problem.empty()) continue;
    outcome.problem = problem + "\n" + before + "became\n" + ir::to_string(instance.module);
    break;
  }
  return outcome;
}

class EveryRule : public ::testing::TestWithParam<std::span<const Rule>> {};

TEST_P(EveryRule, FiresAndKeepsResults) {
  for (const Rule& rule : GetParam()) {
    const Outcome outcome = fuzz(rule, 20);
    EXPECT_EQ(outcome.problem, "") << rule.from << " -> " << rule.to;
    EXPECT_GE(outcome.fired, 5) << rule.from << " -> " << rule.to;
  }
}

INSTANTIATE_TEST_SUITE_P(Algebra, EveryRule, ::testing::Values(algebra_rules()));
INSTANTIATE_TEST_SUITE_P(Composites, EveryRule, ::testing::Values(composite_rules()));

TEST(Fuzz, CatchesPlantedRules) {
  constexpr Rule kWrong[] = {
      {"add(x, neg(y))", "sub(y, x)"},
      {"slice(x)", "x"},
      {"mul(x, sigmoid(x))", "relu(x)"},
      {"max(min(x, $b), $a)", "clip(x, $a, $b)"},
      {"transpose(transpose(x) {perm = $p}) {perm = $q}", "transpose(x) {perm = $q}"},
      {"cast(cast(x)) {to = $t}", "cast(x) {to = $t}"},
  };
  for (const Rule& rule : kWrong) EXPECT_NE(fuzz(rule, 500).problem, "") << rule.from;
}

TEST(RuleSet, RefusesMalformedText) {
  for (const char* text : {"add(x)", "plus(x, y)", "add(x, y", "add(x, y))", "x",
                           "reduce(x) {axis = $k}", "reduce(x) {keep = 1}"}) {
    const Rule rule = {text, "x"};
    EXPECT_THROW(RuleSet({&rule, 1}), InternalError) << text;
  }
}

TEST(Rewrite, RefusesRulesThatNeverEnd) {
  const Rule rule = {"sub(x, y)", "sub(y, x)"};
  ir::Module module = testing::graph_of(R"(module "m" {
    input %0: f32[2]
    input %1: f32[2]
    %2: f32[2] = sub(%0, %1)
    output %2 "y"
  })");
  EXPECT_THROW(rewrite(module, RuleSet({&rule, 1})), InternalError);
}

TEST(Rewrite, LeavesCompositesWhoseInsideIsRead) {
  const std::string text = R"(module "m" {
  input %0: f32[2]
  %1: f32[2] = sigmoid(%0)
  %2: f32[2] = mul(%0, %1)
  output %1 "gate"
  output %2 "y"
}
)";
  ir::Module module = testing::graph_of(text);
  EXPECT_EQ(rewrite(module, RuleSet(composite_rules()), {.whole = true}), 0u);
  EXPECT_EQ(ir::to_string(module), text);
}

}  // namespace
}  // namespace tenon::passes
