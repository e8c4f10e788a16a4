#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ir/loop_expression_parser.h"
#include "ir/loop_syntax.h"
#include "ir/loop_text.h"
#include "ir/verify.h"

namespace tenon::ir {
namespace {

constexpr VectorType kIndex = {DType::kInt64, 1};
constexpr VectorType kCondition = {DType::kBool, 1};
constexpr int kMaxDepth = 200;

constexpr std::array kBufferKinds = {
    std::pair{"in", BufferKind::kInput}, std::pair{"out", BufferKind::kOutput},
    std::pair{"inout", BufferKind::kInOut}, std::pair{"scratch", BufferKind::kScratch}};

/// The names in scope, innermost last.
class Names : public ExpressionScope {
 public:
  std::optional<E> value(std::string_view name) const override {
    for (const auto& [known, value] : values) {
      if (known == name) return value;
    }
    return std::nullopt;
  }
  std::optional<DType> dtype(std::string_view) const override { return std::nullopt; }
  std::optional<BufferId> buffer(std::string_view name) const override {
    for (const auto& [known, buffer] : buffers) {
      if (known == name) return buffer;
    }
    return std::nullopt;
  }

  std::vector<std::pair<std::string_view, E>> values;
  std::vector<std::pair<std::string_view, BufferId>> buffers;
};

class FunctionParser {
 public:
  explicit FunctionParser(std::string_view text) : tokens_(text) {
    tokens_.expect("func");
    builder_.emplace(std::string(tokens_.expect_name("the function's name").text));
    builder_->keep_as_written();
    expressions_.emplace(tokens_, *builder_, names_);
  }

  Function parse() {
    tokens_.expect("(");
    if (tokens_.peek().text != ";") {
      do {
        std::string_view name = new_name();
        names_.values.emplace_back(name, builder_->param(std::string(name)));
      } while (tokens_.take(","));
    }
    tokens_.expect(";");
    if (tokens_.peek().text != ")") {
      do {
        buffer();
      } while (tokens_.take(","));
    }
    tokens_.expect(")");
    tokens_.expect("tasks");
    E count = expressions_->typed(kIndex);
    if (tokens_.take("rounds")) builder_->rounds(expressions_->typed(kIndex));
    tokens_.expect("as");
    std::string_view task = new_name();
    names_.values.emplace_back(task, builder_->tasks(count, std::string(task)));
    block();
    if (tokens_.peek().kind != TokenKind::kEnd) Tokens::fail(tokens_.peek(), "expected the end");
    return builder_->finish();
  }

 private:
  std::string_view new_name() {
    Token at = tokens_.expect_name("a name");
    if (is_reserved(at.text)) Tokens::fail(at, "a reserved word cannot be a name");
    if (names_.value(at.text)) Tokens::fail(at, "the name is in use");
    return at.text;
  }

  void buffer() {
    Token word = tokens_.expect_name("in, out, inout or scratch");
    const auto* kind =
        std::ranges::find(kBufferKinds, word.text, [](auto& row) { return row.first; });
    if (kind == kBufferKinds.end()) Tokens::fail(word, "expected in, out, inout or scratch");
    Token name = tokens_.expect_name("the buffer's name");
    if (names_.buffer(name.text)) Tokens::fail(name, "the name is in use");
    tokens_.expect(":");
    VectorType element = type();
    if (element.lanes != 1) Tokens::fail(name, "a buffer's elements are scalars");
    E extent = {};
    if (tokens_.take("[")) {
      extent = expressions_->typed(kIndex);
      tokens_.expect("]");
    }
    names_.buffers.emplace_back(
        name.text, builder_->buffer(std::string(name.text), element.dtype, kind->second, extent));
  }

  VectorType type() {
    Token at = tokens_.expect_name("a type");
    auto known = parse_vector_type(at.text);
    if (!known) Tokens::fail(at, "no such type");
    return *known;
  }

  void block() {
    if (++depth_ > kMaxDepth) Tokens::fail(tokens_.peek(), "blocks are nested too deeply");
    tokens_.expect("{");
    size_t outer = names_.values.size(), outer_registers = registers_.size();
    while (!tokens_.take("}")) statement();
    names_.values.resize(outer);
    registers_.resize(outer_registers);
    --depth_;
  }

  void statement() {
    Token at = tokens_.expect_name("a statement");
    std::string_view word = at.text;
    if (word == "let" || word == "reg") return let(word == "reg");
    if (word == "expr") return name_expression();
    if (word == "store") return store();
    if (word == "for") return loop(LoopKind::kSerial);
    if (word == "vector") {
      tokens_.expect("for");
      return loop(LoopKind::kVector);
    }
    if (word == "if") return if_then();
    if (word == "prefetch") return prefetch();
    if (word == "check") return check();
    assign(at);
  }

  void let(bool is_register) {
    std::string_view name = new_name();
    tokens_.expect(":");
    VectorType type = this->type();
    tokens_.expect("=");
    E value = expressions_->typed(type);
    if (is_register) {
      registers_.emplace_back(name, builder_->let_register(std::string(name), value));
      names_.values.emplace_back(name, registers_.back().second);
    } else {
      names_.values.emplace_back(name, builder_->let(std::string(name), value));
    }
  }

  void name_expression() {
    std::string_view name = new_name();
    tokens_.expect("=");
    names_.values.emplace_back(name, expressions_->expression());
  }

  void assign(const Token& at) {
    auto found = std::ranges::find(registers_, at.text, [](auto& row) { return row.first; });
    if (found == registers_.end()) Tokens::fail(at, "no such statement or register");
    tokens_.expect("=");
    builder_->assign(found->second, expressions_->typed(found->second.value.type()));
  }

  void store() {
    Token at = tokens_.peek();
    auto [buffer, index] = place();
    E mask = expressions_->mask();
    tokens_.expect("=");
    VectorType scalar = {builder_->function().buffer(buffer).dtype, 1};
    E value = expressions_->expression(scalar);
    if (value.type().dtype != scalar.dtype) Tokens::fail(at, "a value of another dtype for");
    builder_->store(buffer, index, value, mask);
  }

  std::pair<BufferId, E> place() {
    BufferId buffer = expressions_->open_place();
    E index = expressions_->typed(kIndex);
    tokens_.expect("]");
    return {buffer, index};
  }

  void loop(LoopKind kind) {
    std::string_view name = new_name();
    tokens_.expect("=");
    E begin = expressions_->typed(kIndex);
    tokens_.expect("to");
    E end = expressions_->typed(kIndex);
    Token at = tokens_.peek();
    int64_t step = tokens_.take("step") ? expressions_->integer() : 1;
    if (step <= 0) Tokens::fail(at, "expected a positive step");
    auto body = [&](E counter) {
      names_.values.emplace_back(name, counter);
      block();
      names_.values.pop_back();
    };
    builder_->loop(std::string(name), begin, end, step, body, kind);
  }

  void if_then() {
    E condition = expressions_->typed(kCondition);
    // The builder wants to know whether there is an else block before it is read.
    std::function<void()> otherwise;
    if (tokens_.peek(tokens_.matching_brace() + 1).text == "else") {
      otherwise = [&] {
        tokens_.expect("else");
        block();
      };
    }
    builder_->if_then(condition, [&] { block(); }, otherwise);
  }

  void prefetch() {
    bool write = tokens_.peek(1).text != "[" && tokens_.take("write");
    auto [buffer, index] = place();
    builder_->prefetch(buffer, index, write);
  }

  void check() {
    E condition = expressions_->typed(kCondition);
    tokens_.expect("code");
    Token at = tokens_.peek();
    int64_t code = expressions_->integer();
    if (code != static_cast<int>(code)) Tokens::fail(at, "expected a 32-bit status");
    builder_->check(condition, static_cast<int>(code));
  }

  Tokens tokens_;
  std::optional<LoopBuilder> builder_;
  Names names_;
  std::vector<std::pair<std::string_view, R>> registers_;
  std::optional<ExpressionParser> expressions_;
  int depth_ = 0;
};

/// The names of a scalar expression, as the caller gives them.
class GivenNames : public ExpressionScope {
 public:
  explicit GivenNames(const ExpressionNames& names) : names_(names) {}
  std::optional<E> value(std::string_view name) const override {
    return names_.value ? names_.value(name) : std::nullopt;
  }
  std::optional<DType> dtype(std::string_view name) const override {
    return names_.dtype ? names_.dtype(name) : std::nullopt;
  }
  std::optional<BufferId> buffer(std::string_view) const override { return std::nullopt; }

 private:
  const ExpressionNames& names_;
};

std::unexpected<Error> fail(const SyntaxError& error) {
  return tenon::fail(ErrorKind::kBadModel, fmt::format("line {}, column {}: {}", error.line,
                                                       error.column, error.message));
}

}  // namespace

Result<Function> parse_function(std::string_view text) {
  try {
    Function function = FunctionParser(text).parse();
    if (std::string wrong = verify(function); !wrong.empty()) {
      return tenon::fail(ErrorKind::kBadModel, "the function is not well formed: " + wrong);
    }
    return function;
  } catch (const SyntaxError& error) {
    return fail(error);
  }
}

Result<E> parse_expression(std::string_view text, LoopBuilder& builder,
                           const ExpressionNames& names) {
  try {
    Tokens tokens(text);
    GivenNames scope(names);
    E value = ExpressionParser(tokens, builder, scope).expression();
    if (tokens.peek().kind != TokenKind::kEnd) Tokens::fail(tokens.peek(), "expected the end");
    return value;
  } catch (const SyntaxError& error) {
    return fail(error);
  }
}

}  // namespace tenon::ir
