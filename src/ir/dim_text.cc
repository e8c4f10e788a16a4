#include "ir/dim_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace tenon::ir {
namespace {

/// Deeper nesting is refused, so that no text can exhaust the stack.
constexpr int kMaxDepth = 64;

struct Call {
  std::string_view name;
  AtomKind kind;
  Dim (Dims::*make)(Dim, Dim);
};

constexpr std::array kCalls = {
    Call{"floor_div", AtomKind::kFloorDiv, &Dims::floor_div},
    Call{"mod", AtomKind::kMod, &Dims::mod},
    Call{"min", AtomKind::kMin, &Dims::min},
    Call{"max", AtomKind::kMax, &Dims::max},
};

std::string atom_text(const Dims& dims, const Atom& atom) {
  if (atom.kind == AtomKind::kSymbol)
    return is_word(atom.symbol) ? atom.symbol : quoted(atom.symbol);
  const auto call = std::ranges::find(kCalls, atom.kind, &Call::kind);
  return fmt::format("{}({}, {})", call->name, dims.to_string(atom.a), dims.to_string(atom.b));
}

class Parser {
 public:
  Parser(TextCursor& cursor, Dims& dims) : cursor_(cursor), dims_(dims) {}

  Result<Dim> sum() {
    if (++depth_ > kMaxDepth) return cursor_.error("a dim nested too deeply");
    const bool negative = cursor_.accept("-");
    TENON_TRY(Dim total, product());
    if (negative) total = dims_.mul(total, -1);
    while (cursor_.sees("+") || cursor_.sees("-")) {
      const bool minus = cursor_.accept("-");
      if (!minus) cursor_.accept("+");
      TENON_TRY(const Dim next, product());
      total = minus ? dims_.sub(total, next) : dims_.add(total, next);
    }
    --depth_;
    return total;
  }

 private:
  Result<Dim> product() {
    TENON_TRY(Dim total, factor());
    while (cursor_.accept("*")) {
      TENON_TRY(const Dim next, factor());
      total = dims_.mul(total, next);
    }
    return total;
  }

  Result<Dim> factor() {
    if (cursor_.accept("(")) {
      TENON_TRY(const Dim inner, sum());
      TENON_TRY_DO(cursor_.expect(")"));
      return inner;
    }
    if (cursor_.sees_quote()) {
      TENON_TRY(const std::string name, cursor_.quoted_text());
      return dims_.symbol(name);
    }
    if (!cursor_.sees_word()) {
      TENON_TRY(const int64_t number, cursor_.integer());
      return number;
    }
    TENON_TRY(const std::string_view name, cursor_.word());
    const auto call = std::ranges::find(kCalls, name, &Call::name);
    if (call == kCalls.end() || !cursor_.sees("(")) return dims_.symbol(name);
    TENON_TRY_DO(cursor_.expect("("));
    TENON_TRY(const Dim a, sum());
    TENON_TRY_DO(cursor_.expect(","));
    TENON_TRY(const Dim b, sum());
    TENON_TRY_DO(cursor_.expect(")"));
    return (dims_.*call->make)(a, b);
  }

  TextCursor& cursor_;
  Dims& dims_;
  int depth_ = 0;
};

}  // namespace

std::string Dims::to_string(Dim dim) const {
  if (dim.is_constant()) return fmt::to_string(dim.value());
  struct Part {
    int64_t coefficient;
    std::vector<std::string> atoms;
  };
  std::vector<Part> parts;
  for (const Term& term : terms(dim)) {
    Part& part = parts.emplace_back(Part{term.coefficient, {}});
    for (uint32_t atom : term.atoms) part.atoms.push_back(atom_text(*this, atoms_[atom]));
    std::ranges::sort(part.atoms);
  }
  std::ranges::sort(parts, [](const Part& a, const Part& b) {
    if (a.atoms.size() != b.atoms.size()) return a.atoms.size() > b.atoms.size();
    return a.atoms < b.atoms;
  });
  std::string out;
  for (const Part& part : parts) {
    const bool negative = part.coefficient < 0;
    const uint64_t magnitude =
        negative ? -static_cast<uint64_t>(part.coefficient) : part.coefficient;
    out += out.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    if (part.atoms.empty() || magnitude != 1) out += fmt::to_string(magnitude);
    if (!part.atoms.empty() && magnitude != 1) out += '*';
    out += fmt::to_string(fmt::join(part.atoms, "*"));
  }
  return out;
}

Result<Dim> parse_dim(TextCursor& cursor, Dims& dims) {
  const TextCursor start = cursor;
  try {
    return Parser(cursor, dims).sum();
  } catch (const InternalError&) {
    // For dims that come from text, a size beyond 64 bits or a division by 0 is the text's fault.
    return start.error("a dim that overflows 64 bits or divides by 0");
  }
}

Result<Dim> Dims::parse(std::string_view text) {
  TextCursor cursor(text);
  TENON_TRY(const Dim dim, parse_dim(cursor, *this));
  if (!cursor.at_end()) return cursor.error("more text than one dim");
  return dim;
}

}  // namespace tenon::ir
