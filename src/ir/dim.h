// Sizes: a dim is a number or an expression over named symbols. Expressions are interned in a
// `Dims` table and kept in one normal form (a sum of products over atoms, divisions pulled apart as
// far as they are exact), so dims that the form shows to be equal have equal ids. Symbols stand for
// sizes: they are never negative.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"

namespace tenon::ir {

/// A number, or a handle of an expression in the module's `Dims`.
class Dim {
 public:
  constexpr Dim() = default;
  constexpr Dim(int64_t value) : value_(value) {}  // NOLINT: a number is a dim

  constexpr bool is_constant() const { return !symbolic_; }
  /// The number; only for a constant.
  constexpr int64_t value() const { return value_; }
  constexpr bool is(int64_t value) const { return !symbolic_ && value_ == value; }
  constexpr auto operator<=>(const Dim&) const = default;

 private:
  friend class Dims;
  static constexpr Dim expression(size_t index) {
    Dim dim(static_cast<int64_t>(index));
    dim.symbolic_ = true;
    return dim;
  }
  int64_t value_ = 0;
  bool symbolic_ = false;
};

/// An atom of the normal form. A symbol has a name; the others have two dims as arguments.
enum class AtomKind : uint8_t { kSymbol, kFloorDiv, kMod, kMin, kMax };

struct Atom {
  AtomKind kind;
  std::string symbol;  ///< for kSymbol
  Dim a, b;            ///< for the others
  auto operator<=>(const Atom&) const = default;
};

/// coefficient * atoms[0] * atoms[1] * ..., the atoms as sorted indices; no atoms: a constant.
struct Term {
  int64_t coefficient;
  std::vector<uint32_t> atoms;
  auto operator<=>(const Term&) const = default;
};

/// The table that owns dim expressions. Division rounds towards minus infinity; mod has the
/// divisor's sign. Numbers are 64-bit; arithmetic on constants that overflows is an internal error,
/// so check sizes from files first with `checked_product`.
class Dims {
 public:
  Dim symbol(std::string_view name);

  Dim add(Dim a, Dim b);
  Dim sub(Dim a, Dim b);
  Dim mul(Dim a, Dim b);
  Dim floor_div(Dim a, Dim b);
  Dim ceil_div(Dim a, Dim b);
  Dim mod(Dim a, Dim b);
  Dim min(Dim a, Dim b);
  Dim max(Dim a, Dim b);
  Dim product(std::span<const Dim> dims);

  /// One size for two that must be equal for the model to make sense. Where this only needs a
  /// symbol to stay below a number (s against min(s, 512)) that becomes a limit; nothing when it
  /// needs more.
  std::optional<Dim> unify(Dim a, Dim b);
  /// The largest value of symbols that have one: inputs are checked against it.
  const std::map<std::string, int64_t, std::less<>>& limits() const { return limits_; }
  void limit(std::string_view symbol, int64_t largest);

  /// Says that `symbol` is a size that the model's data decides (Module::read_sizes): at most
  /// `largest`, a dim over symbols known before.
  void read(std::string_view symbol, Dim largest);
  /// The most that symbols of that kind can be.
  const std::map<std::string, Dim, std::less<>>& read_symbols() const { return read_symbols_; }
  /// Whether a symbol of that kind is in `dim`.
  bool is_read(Dim dim) const;

  /// a / b where that is exact for every value of the symbols, as far as the normal form shows it.
  std::optional<Dim> exact_div(Dim a, Dim b);

  /// The value under the symbols' values; an unbound symbol is an internal error.
  int64_t evaluate(Dim dim, const std::map<std::string, int64_t>& symbols) const;

  /// `dim` with symbols replaced by dims.
  Dim substitute(Dim dim, const std::map<std::string, Dim>& symbols);

  /// Whether `dim` is known to be at least 0 whatever the symbols are.
  bool never_negative(Dim dim) const;

  /// Text that `parse` reads back: "4*batch + 1", "floor_div(n, 2)". It does not depend on the
  /// order in which the table came to know the symbols. A symbol that is no identifier prints in
  /// quotes.
  std::string to_string(Dim dim) const;
  Result<Dim> parse(std::string_view text);

  /// The normal form of a dim: terms of higher degree first, atoms ascending, the constant term
  /// last; one constant term for a number.
  std::vector<Term> terms(Dim dim) const;
  const Atom& atom(uint32_t index) const { return atoms_[index]; }

  /// Names of the symbols in `dim`, in order of first use.
  std::vector<std::string> symbols(Dim dim) const;

 private:
  struct Split;

  uint32_t intern(Atom atom);
  Dim from_terms(std::vector<Term> terms);
  Dim atom_dim(AtomKind kind, Dim a, Dim b);
  Dim extreme(AtomKind kind, Dim a, Dim b);
  Split split(Dim a, Dim b);
  Dim rest_quotient(Dim a, int64_t b);

  std::map<std::string, int64_t, std::less<>> limits_;
  std::map<std::string, Dim, std::less<>> read_symbols_;
  std::vector<Atom> atoms_;
  std::vector<std::vector<Term>> expressions_;
  std::map<Atom, uint32_t> atom_index_;
  std::map<std::vector<Term>, size_t> expression_index_;
};

/// The product of non-negative numbers, or nothing when it overflows or a factor is negative.
std::optional<int64_t> checked_product(std::span<const int64_t> factors);

}  // namespace tenon::ir
