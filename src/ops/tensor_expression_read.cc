#include "ops/tensor_expression.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "ir/loop_expression_parser.h"
#include "ir/loop_syntax.h"
#include "ops/index_range.h"
#include "ops/loops.h"
#include "ops/shape.h"
#include "ops/shape_rule.h"

namespace tenon::ops {
namespace {

using ir::Dim;
using ir::DType;
using ir::E;
using ir::ExprKind;
using ir::Token;
using ir::Tokens;

/// Of a definition: longer ones could exhaust the stack.
constexpr size_t kMostTokens = 4096;
constexpr size_t kMostNames = 64;

constexpr ir::VectorType kIndex = {DType::kInt64, 1};

struct Kind {
  std::string_view name;
  ExprKind step;
  ExprKind bool_step;  ///< kSelect: bools have none
};
constexpr std::array kKinds = {
    Kind{"sum", ExprKind::kAdd, ExprKind::kSelect}, Kind{"prod", ExprKind::kMul, ExprKind::kSelect},
    Kind{"min", ExprKind::kMin, ExprKind::kAnd}, Kind{"max", ExprKind::kMax, ExprKind::kOr}};

E first_of(ir::LoopBuilder& builder, ExprKind step, DType dtype) {
  switch (step) {
    case ExprKind::kAdd: return builder.literal(0, {dtype});
    case ExprKind::kMul: return builder.literal(1, {dtype});
    case ExprKind::kMax:
    case ExprKind::kOr: return lowest(builder, dtype);
    default: return highest(builder, dtype);
  }
}

class Reader final : public ir::ExpressionScope {
 public:
  /// `tokens` are those of the output's expression.
  Reader(const CustomOperator& custom, const CustomOperator::Output& output,
         std::span<const double> numbers, std::span<const ir::TensorType> operands, Tokens& tokens)
      : custom_(custom), output_(output), numbers_(numbers), operands_(operands), tokens_(tokens) {}

  std::expected<void, std::string> name_sizes_and_indices();
  /// Throws ir::SyntaxError.
  void read_value();
  std::unique_ptr<TensorExpression> finish() { return std::move(made_); }

  std::optional<E> value(std::string_view name) const override;
  std::optional<DType> dtype(std::string_view) const override { return std::nullopt; }
  std::optional<ir::BufferId> buffer(std::string_view) const override { return std::nullopt; }
  std::optional<E> own_form() override;

 private:
  bool is_known(std::string_view name) const;
  const E* find(std::string_view name) const;
  E integer();
  E read(size_t operand);
  E reduction(const Kind& kind);
  TensorExpression::Counter counter();
  E leaf(std::variant<TensorExpression::Read, TensorExpression::Reduction> leaf, DType dtype);

  const CustomOperator& custom_;
  const CustomOperator::Output& output_;
  std::span<const double> numbers_;
  std::span<const ir::TensorType> operands_;
  Tokens& tokens_;
  std::unique_ptr<TensorExpression> made_ = std::make_unique<TensorExpression>();
  ir::LoopBuilder& builder_ = made_->builder;
  ir::ExpressionParser parser_{tokens_, builder_, *this};
  ir::Dims dims_;  // of the definition, sizes that are not numbers being symbols
  IndexRanges ranges_{builder_.function(), dims_};
  std::vector<std::vector<Dim>> shapes_;  // of the operands
  DType result_ = DType::kFloat32;
  std::vector<std::pair<std::string, E>> names_;  // sizes and indices, innermost last
};

bool Reader::is_known(std::string_view name) const {
  return find(name) || std::ranges::count(custom_.operands, name, &CustomOperator::Operand::name);
}

const E* Reader::find(std::string_view name) const {
  const auto found = std::ranges::find(names_, name, [](const auto& row) { return row.first; });
  return found == names_.end() ? nullptr : &found->second;
}

std::expected<void, std::string> Reader::name_sizes_and_indices() {
  ShapeRule rule(dims_, custom_, numbers_);
  for (size_t operand = 0; operand < operands_.size(); ++operand) {
    std::vector<Dim>& shape = shapes_.emplace_back(operands_[operand].dims);
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (!shape[axis].is_constant())
        shape[axis] = dims_.symbol(fmt::format("{}.{}", operand, axis));
    }
    TENON_TRY_DO(rule.name_sizes({operands_[operand].dtype, shape}));
  }
  TENON_TRY(const ir::TensorType result, rule.type(output_.type));
  result_ = result.dtype;
  if (result.rank() != output_.indices.size()) {
    return wrong("{}[{}]: {} indices of a result of {} axes", output_.type,
                 fmt::join(output_.indices, ", "), output_.indices.size(), result.rank());
  }
  for (const ShapeRule::Size& size : rule.sizes()) {
    if (is_known(size.name)) return wrong("'{}' is a size and an operand", size.name);
    if (size.dim.is_constant()) {
      names_.emplace_back(size.name, builder_.integer(size.dim.value()));
      continue;
    }
    const E parameter = builder_.param(size.name);
    ranges_.set(parameter.id, {size.dim, size.dim});
    names_.emplace_back(size.name, parameter);
    made_->sizes.push_back({parameter, size.operand, size.axis});
  }
  for (size_t axis = 0; axis < result.rank(); ++axis) {
    const std::string& name = output_.indices[axis];
    if (is_known(name)) return wrong("'{}' is an index and something else, too", name);
    made_->indices.push_back(builder_.param(name));
    ranges_.set_counter(made_->indices.back().id, result.dims[axis]);
    names_.emplace_back(name, made_->indices.back());
  }
  for (size_t operand = 0; operand < operands_.size(); ++operand) {
    TENON_TRY(ir::TensorType type, rule.type(custom_.operands[operand].type));
    shapes_[operand] = std::move(type.dims);
  }
  return {};
}

void Reader::read_value() {
  if (tokens_.peek(kMostTokens).kind != ir::TokenKind::kEnd) {
    Tokens::fail(tokens_.peek(), fmt::format("an expression of more than {} words", kMostTokens));
  }
  const Token start = tokens_.peek();
  made_->value = parser_.typed({ir::compute_type(result_), 1});
  if (tokens_.peek().kind != ir::TokenKind::kEnd) Tokens::fail(tokens_.peek(), "expected the end");
  if (std::ranges::any_of(builder_.function().exprs,
                          [](const ir::Expr& expr) { return expr.type.lanes != 1; })) {
    Tokens::fail(start, "an expression with vectors");
  }
}

std::optional<E> Reader::value(std::string_view name) const {
  if (!name.starts_with('$')) return std::nullopt;
  const auto found =
      std::ranges::find(custom_.attributes, name.substr(1), &CustomOperator::Attribute::name);
  if (found == custom_.attributes.end()) return std::nullopt;
  return made_->builder.number(numbers_[found - custom_.attributes.begin()], {DType::kFloat64});
}

std::optional<E> Reader::own_form() {
  const Token at = tokens_.peek();
  if (tokens_.peek(1).text == "(") {
    const auto* kind = std::ranges::find(kKinds, at.text, &Kind::name);
    if (kind == kKinds.end()) return std::nullopt;
    // min(k < n) x[k] beside min(a, b): bools have no minimum.
    const bool is_only_reduction = at.text == "sum" || at.text == "prod";
    if (!is_only_reduction && tokens_.peek(3).text != "<") return std::nullopt;
    return reduction(*kind);
  }
  const auto operand = std::ranges::find(custom_.operands, at.text, &CustomOperator::Operand::name);
  if (operand != custom_.operands.end()) return read(operand - custom_.operands.begin());
  const E* known = find(at.text);
  if (!known) return std::nullopt;
  tokens_.next();
  return *known;
}

/// An integer of any type, as i64.
E Reader::integer() {
  const Token at = tokens_.peek();
  const E e = parser_.expression(kIndex);
  if (!ir::is_integer(e.type().dtype)) {
    Tokens::fail(at, fmt::format("{} where an integer is needed", ir::to_string(e.type())));
  }
  return builder_.cast(e, DType::kInt64);
}

E Reader::read(size_t operand) {
  const Token at = tokens_.next();
  TensorExpression::Read read;
  read.operand = operand;
  const std::vector<Dim>& shape = shapes_[operand];
  if (tokens_.take("[") && !tokens_.take("]")) {
    do {
      read.index.push_back(integer());
    } while (tokens_.take(","));
    tokens_.expect("]");
  }
  if (read.index.size() != shape.size()) {
    Tokens::fail(at, fmt::format("{} indices for {} axes", read.index.size(), shape.size()));
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    read.inside.push_back(ranges_.inside(read.index[axis].id, shape[axis]));
  }
  return leaf(std::move(read), ir::compute_type(operands_[operand].dtype));
}

TensorExpression::Counter Reader::counter() {
  const Token name = tokens_.expect_name("an index");
  if (is_known(name.text)) Tokens::fail(name, "the name is in use");
  if (names_.size() == kMostNames) Tokens::fail(name, "too many names");
  tokens_.expect("<");
  const E end = integer();
  const std::optional<Dim> high = ranges_.of(end.id).high;
  const E parameter = builder_.param(std::string(name.text));
  ranges_.set_counter(parameter.id, high);
  names_.emplace_back(std::string(name.text), parameter);
  return {.parameter = parameter, .end = end, .is_bounded = high.has_value()};
}

E Reader::reduction(const Kind& kind) {
  const Token at = tokens_.next();
  TensorExpression::Reduction made;
  made.step = kind.step;
  const size_t outer = names_.size();
  tokens_.expect("(");
  do {
    made.counters.push_back(counter());
  } while (tokens_.take(","));
  tokens_.expect(")");
  const auto inner = static_cast<ptrdiff_t>(made_->leaves.size());
  made.body = parser_.expression({}, ir::find_infix("*")->precedence);
  made.is_innermost = std::none_of(
      made_->leaves.begin() + inner, made_->leaves.end(),
      [](const auto& leaf) { return std::holds_alternative<TensorExpression::Reduction>(leaf); });
  names_.resize(outer);
  const DType dtype = made.body.type().dtype;
  if (dtype == DType::kBool) made.step = kind.bool_step;
  if (made.step == ExprKind::kSelect || ir::compute_type(dtype) != dtype) {
    Tokens::fail(at, fmt::format("a {} of {}", kind.name, ir::to_string(dtype)));
  }
  made.first = first_of(builder_, made.step, dtype);
  return leaf(std::move(made), dtype);
}

E Reader::leaf(std::variant<TensorExpression::Read, TensorExpression::Reduction> leaf,
               DType dtype) {
  made_->leaves.push_back(std::move(leaf));
  return builder_.load(builder_.buffer("leaf", dtype, ir::BufferKind::kInput), builder_.integer(0));
}

}  // namespace

std::expected<std::unique_ptr<TensorExpression>, std::string> read_tensor_expression(
    const CustomOperator& custom, const CustomOperator::Output& output,
    std::span<const double> numbers, std::span<const ir::TensorType> operands) {
  try {
    // Blanks before it, so that columns are those of the definition.
    const std::string text = std::string(output.at, ' ') + output.expression;
    Tokens tokens(text);
    Reader reader(custom, output, numbers, operands, tokens);
    TENON_TRY_DO(reader.name_sizes_and_indices());
    reader.read_value();
    return reader.finish();
  } catch (const ir::SyntaxError& error) {
    return wrong("line {}, column {}: {}", error.line, error.column, error.message);
  }
}

std::expected<void, std::string> check_tensor_expression(const CustomOperator& custom) {
  std::vector<double> numbers;
  for (const auto& attribute : custom.attributes) {
    numbers.push_back(attribute.otherwise.value_or(1));
  }
  ir::Dims dims;
  std::vector<ir::TensorType> operands;
  for (const CustomOperator::Operand& operand : custom.operands) {
    TENON_TRY(ir::TensorType type, ShapeRule(dims, custom, numbers).read(operand.type));
    for (Dim& dim : type.dims) dim = dims.symbol("any");
    operands.push_back(std::move(type));
  }
  for (const CustomOperator::Output& output : custom.outputs) {
    TENON_TRY_DO(read_tensor_expression(custom, output, numbers, operands));
  }
  return {};
}

}  // namespace tenon::ops
