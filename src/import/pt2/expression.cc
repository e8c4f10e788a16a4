#include "import/pt2/expression.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <vector>

namespace tenon::import::pt2 {

using ir::Dim;

namespace {

constexpr int kDeepest = 64;
/// Numbers beyond it are no sizes; products of a few below it stay within 64 bits.
constexpr int64_t kLargest = int64_t{1} << 40;

/// A quotient of sizes: sympy writes n / 2 as Mul(Rational(1, 2), n), to be rounded further out.
struct Quotient {
  Dim over;
  Dim under = 1;
};

class Parser {
 public:
  Parser(std::string_view text, ir::Dims& dims,
         const std::function<Dim(const std::string&)>& symbol)
      : text_(text), rest_(text), dims_(dims), symbol_(symbol) {}

  Result<Dim> parse() {
    TENON_TRY(const Quotient result, expression(0));
    skip_spaces();
    if (!rest_.empty()) return bad();
    return whole(result);
  }

 private:
  std::unexpected<Error> bad() const {
    return fail(ErrorKind::kBadModel, fmt::format("'{}' is no size", text_));
  }
  std::unexpected<Error> unsupported(std::string_view function) const {
    return fail(ErrorKind::kUnsupported, fmt::format("{} in the size '{}'", function, text_));
  }

  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  bool take(char expected) {
    skip_spaces();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_word() {
    skip_spaces();
    size_t end = 0;
    while (end < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[end])) != 0 ||
                                  rest_[end] == '_' || (end == 0 && rest_[end] == '-'))) {
      ++end;
    }
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }

  Result<int64_t> number(std::string_view word) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value > kLargest ||
        value < -kLargest) {
      return bad();
    }
    return value;
  }

  Result<Dim> whole(const Quotient& quotient) {
    if (quotient.under.is(1)) return quotient.over;
    const auto exact = dims_.exact_div(quotient.over, quotient.under);
    return exact ? *exact : dims_.floor_div(quotient.over, quotient.under);
  }

  /// a * b, unless it is a number beyond what a size can be.
  Result<Dim> product(Dim a, Dim b) {
    int64_t result = 0;
    if (a.is_constant() && b.is_constant() &&
        (__builtin_mul_overflow(a.value(), b.value(), &result) || result > kLargest ||
         result < -kLargest)) {
      return bad();
    }
    return dims_.mul(a, b);
  }

  /// Symbol('s0', positive=True, integer=True), after its name.
  Result<Quotient> symbol() {
    if (!take('\'')) return bad();
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return bad();
    const std::string name(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    const size_t close = rest_.find(')');
    if (name.empty() || close == std::string_view::npos) return bad();
    rest_.remove_prefix(close + 1);
    return Quotient{symbol_(name)};
  }

  Result<Quotient> expression(int depth) {
    if (depth > kDeepest) return bad();
    const std::string word(take_word());
    if (word.empty()) return bad();
    if (!take('(')) {
      if (std::isdigit(static_cast<unsigned char>(word.front())) != 0 || word.front() == '-') {
        TENON_TRY(const int64_t value, number(word));
        return Quotient{value};
      }
      return Quotient{symbol_(word)};
    }
    if (word == "Symbol") return symbol();
    std::vector<Quotient> arguments;
    while (!take(')')) {
      if (!arguments.empty() && !take(',')) return bad();
      TENON_TRY(Quotient argument, expression(depth + 1));
      arguments.push_back(argument);
    }
    return apply(word, arguments);
  }

  Result<Quotient> apply(const std::string& function, const std::vector<Quotient>& arguments) {
    if (arguments.empty()) return bad();
    if (function == "Mul") return multiply(arguments);
    if (function == "IntTrueDiv" || function == "Rational") return divide(arguments);
    if (function == "CeilToInt" && arguments.size() == 1) {
      return Quotient{dims_.ceil_div(arguments[0].over, arguments[0].under)};
    }
    std::vector<Dim> operands;
    for (const Quotient& argument : arguments) {
      TENON_TRY(Dim operand, whole(argument));
      operands.push_back(operand);
    }
    if (function == "Integer" || function == "FloorToInt" || function == "TruncToInt" ||
        function == "ToFloat") {
      return operands.size() == 1 ? Result<Quotient>(Quotient{operands[0]}) : bad();
    }
    if (function == "Pow") return power(operands);
    Dim result = operands[0];
    for (size_t i = 1; i < operands.size(); ++i) {
      if (function == "Add") {
        result = dims_.add(result, operands[i]);
      } else if (function == "Max") {
        result = dims_.max(result, operands[i]);
      } else if (function == "Min") {
        result = dims_.min(result, operands[i]);
      } else if (operands.size() == 2 && !operands[1].is(0) &&
                 (function == "FloorDiv" || function == "CleanDiv")) {
        result = dims_.floor_div(result, operands[1]);
      } else if (operands.size() == 2 && !operands[1].is(0) &&
                 (function == "Mod" || function == "PythonMod")) {
        result = dims_.mod(result, operands[1]);
      } else {
        return unsupported(function);
      }
    }
    return operands.size() == 1 ? unsupported(function) : Result<Quotient>(Quotient{result});
  }

  Result<Quotient> multiply(const std::vector<Quotient>& arguments) {
    Quotient result{1};
    for (const Quotient& argument : arguments) {
      TENON_TRY(result.over, product(result.over, argument.over));
      TENON_TRY(result.under, product(result.under, argument.under));
    }
    return result;
  }

  Result<Quotient> divide(const std::vector<Quotient>& arguments) {
    if (arguments.size() != 2) return bad();
    TENON_TRY(const Dim under, whole(arguments[1]));
    if (under.is(0)) return bad();
    TENON_TRY(const Dim joint, product(arguments[0].under, under));
    return Quotient{arguments[0].over, joint};
  }

  Result<Quotient> power(const std::vector<Dim>& operands) {
    if (operands.size() != 2 || !operands[1].is_constant() || operands[1].value() < 0 ||
        operands[1].value() > 8) {
      return unsupported("Pow");
    }
    Dim result = 1;
    for (int64_t i = 0; i < operands[1].value(); ++i) {
      TENON_TRY(result, product(result, operands[0]));
    }
    return Quotient{result};
  }

  std::string_view text_, rest_;
  ir::Dims& dims_;
  const std::function<Dim(const std::string&)>& symbol_;
};

}  // namespace

Result<Dim> parse_expression(std::string_view text, ir::Dims& dims,
                             const std::function<Dim(const std::string&)>& symbol) {
  return Parser(text, dims, symbol).parse();
}

}  // namespace tenon::import::pt2
