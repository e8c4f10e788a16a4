#include "ir/dim.h"

#include <algorithm>
#include <numeric>

namespace tenon::ir {
namespace {

using Terms = std::vector<Term>;

int64_t checked_add(int64_t a, int64_t b) {
  int64_t sum;
  TENON_CHECK(!__builtin_add_overflow(a, b, &sum), "a sum of sizes within 64 bits");
  return sum;
}

int64_t checked_mul(int64_t a, int64_t b) {
  int64_t result;
  TENON_CHECK(!__builtin_mul_overflow(a, b, &result), "a product of sizes within 64 bits");
  return result;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  TENON_CHECK(b != 0, "a divisor other than 0");
  if (b == -1) return checked_mul(a, -1);
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

int64_t floor_remainder(int64_t a, int64_t b) {
  TENON_CHECK(b != 0, "a divisor other than 0");
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// Graded lexicographic order, largest first: a monomial order, as `exact_div` needs.
bool comes_before(const Term& a, const Term& b) {
  if (a.atoms.size() != b.atoms.size()) return a.atoms.size() > b.atoms.size();
  return a.atoms < b.atoms;
}

std::vector<uint32_t> merged(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> all;
  std::ranges::merge(a, b, std::back_inserter(all));
  return all;
}

void append_product(Terms& out, const Terms& a, const Terms& b) {
  for (const Term& x : a) {
    for (const Term& y : b) {
      out.push_back({checked_mul(x.coefficient, y.coefficient), merged(x.atoms, y.atoms)});
    }
  }
}

/// term / divisor where the divisor's coefficient and atoms all divide out.
std::optional<Term> term_quotient(const Term& term, const Term& divisor) {
  if (floor_remainder(term.coefficient, divisor.coefficient) != 0 ||
      !std::ranges::includes(term.atoms, divisor.atoms)) {
    return std::nullopt;
  }
  Term quotient{floor_quotient(term.coefficient, divisor.coefficient), {}};
  std::ranges::set_difference(term.atoms, divisor.atoms, std::back_inserter(quotient.atoms));
  return quotient;
}

}  // namespace

/// a = divisor * scale * quotient + scale * rest + offset with 0 <= offset < scale, and as much in
/// `quotient` as the terms show.
struct Dims::Split {
  Dim quotient, rest, divisor;
  int64_t scale = 1;
  int64_t offset = 0;
};

uint32_t Dims::intern(Atom atom) {
  const auto [entry, is_new] =
      atom_index_.try_emplace(std::move(atom), static_cast<uint32_t>(atoms_.size()));
  if (is_new) atoms_.push_back(entry->first);
  return entry->second;
}

Dim Dims::from_terms(Terms terms) {
  std::ranges::sort(terms, comes_before);
  Terms sum;
  for (Term& term : terms) {
    if (!sum.empty() && sum.back().atoms == term.atoms) {
      sum.back().coefficient = checked_add(sum.back().coefficient, term.coefficient);
    } else {
      sum.push_back(std::move(term));
    }
  }
  std::erase_if(sum, [](const Term& term) { return term.coefficient == 0; });
  if (sum.empty()) return 0;
  if (sum.front().atoms.empty()) return sum.front().coefficient;
  const auto [entry, is_new] = expression_index_.try_emplace(std::move(sum), expressions_.size());
  if (is_new) expressions_.push_back(entry->first);
  return Dim::expression(entry->second);
}

Dim Dims::atom_dim(AtomKind kind, Dim a, Dim b) {
  return from_terms({{1, {intern({kind, {}, a, b})}}});
}

Terms Dims::terms(Dim dim) const {
  if (dim.is_constant()) return {{dim.value(), {}}};
  return expressions_[static_cast<size_t>(dim.value_)];
}

Dim Dims::symbol(std::string_view name) {
  return from_terms({{1, {intern({AtomKind::kSymbol, std::string(name), {}, {}})}}});
}

Dim Dims::add(Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return checked_add(a.value(), b.value());
  Terms sum = terms(a);
  std::ranges::copy(terms(b), std::back_inserter(sum));
  return from_terms(std::move(sum));
}

Dim Dims::sub(Dim a, Dim b) { return add(a, mul(b, -1)); }

Dim Dims::mul(Dim a, Dim b) {
  if (a.is_constant() && b.is_constant()) return checked_mul(a.value(), b.value());
  Terms all;
  append_product(all, terms(a), terms(b));
  return from_terms(std::move(all));
}

Dim Dims::product(std::span<const Dim> dims) {
  Dim all = 1;
  for (Dim dim : dims) all = mul(all, dim);
  return all;
}

std::optional<Dim> Dims::exact_div(Dim a, Dim b) {
  if (b.is(0)) return std::nullopt;
  const Terms divisor = terms(b);
  Terms quotient;
  while (!a.is(0)) {
    const std::optional<Term> next = term_quotient(terms(a).front(), divisor.front());
    if (!next) return std::nullopt;
    quotient.push_back(*next);
    a = sub(a, mul(from_terms({*next}), b));
  }
  return from_terms(std::move(quotient));
}

Dims::Split Dims::split(Dim a, Dim b) {
  const Terms divisor = terms(b);
  if (divisor.size() > 1) return {.quotient = 0, .rest = a, .divisor = b};
  Terms quotient, rest;
  if (!b.is_constant()) {
    for (const Term& term : terms(a)) {
      const auto part = term_quotient(term, divisor.front());
      (part ? quotient : rest).push_back(part.value_or(term));
    }
    return {.quotient = from_terms(quotient), .rest = from_terms(rest), .divisor = b};
  }
  int64_t scale = b.value();
  int64_t constant = 0;
  for (const Term& term : terms(a)) {
    const int64_t coefficient = floor_remainder(term.coefficient, b.value());
    quotient.push_back({floor_quotient(term.coefficient, b.value()), term.atoms});
    if (term.atoms.empty()) {
      constant = coefficient;
    } else {
      rest.push_back({coefficient, term.atoms});
      scale = std::gcd(scale, coefficient);
    }
  }
  for (Term& term : rest) term.coefficient /= scale;
  rest.push_back({constant / scale, {}});
  return {.quotient = from_terms(quotient),
          .rest = from_terms(rest),
          .divisor = b.value() / scale,
          .scale = scale,
          .offset = constant % scale};
}

/// floor_div(floor_div(x, n) + c, b) as floor_div(x + n*c, n*b), where `a` is of that form; so a
/// chain of strided convolutions has one division.
Dim Dims::rest_quotient(Dim a, int64_t b) {
  const Terms sum = terms(a);
  const bool is_quotient = sum.size() <= 2 && sum[0].coefficient == 1 && sum[0].atoms.size() == 1 &&
                           (sum.size() == 1 || sum[1].atoms.empty());
  if (is_quotient) {
    const Atom inner = atoms_[sum[0].atoms[0]];
    if (inner.kind == AtomKind::kFloorDiv && inner.b.is_constant()) {
      const Dim constant = sum.size() == 2 ? sum[1].coefficient : 0;
      return floor_div(add(inner.a, mul(inner.b, constant)), mul(inner.b, b));
    }
  }
  return atom_dim(AtomKind::kFloorDiv, a, b);
}

Dim Dims::floor_div(Dim a, Dim b) {
  TENON_CHECK(!b.is(0), "a divisor other than 0");
  if (b.is_constant() && b.value() < 0) return floor_div(mul(a, -1), mul(b, -1));
  if (const auto exact = exact_div(a, b)) return *exact;
  const Split parts = split(a, b);
  if (parts.rest.is(0)) return parts.quotient;
  return add(parts.quotient, parts.divisor.is_constant()
                                 ? rest_quotient(parts.rest, parts.divisor.value())
                                 : atom_dim(AtomKind::kFloorDiv, parts.rest, parts.divisor));
}

Dim Dims::ceil_div(Dim a, Dim b) {
  if (b.is_constant() && b.value() > 0) return floor_div(add(a, b.value() - 1), b);
  return mul(floor_div(mul(a, -1), b), -1);
}

Dim Dims::mod(Dim a, Dim b) {
  TENON_CHECK(!b.is(0), "a divisor other than 0");
  if (b.is_constant() && b.value() < 0) return mul(mod(mul(a, -1), mul(b, -1)), -1);
  if (exact_div(a, b)) return 0;
  const Split parts = split(a, b);
  if (parts.rest.is(0)) return parts.offset;
  return add(mul(atom_dim(AtomKind::kMod, parts.rest, parts.divisor), parts.scale), parts.offset);
}

Dim Dims::min(Dim a, Dim b) { return extreme(AtomKind::kMin, a, b); }
Dim Dims::max(Dim a, Dim b) { return extreme(AtomKind::kMax, a, b); }

Dim Dims::extreme(AtomKind kind, Dim a, Dim b) {
  const bool is_min = kind == AtomKind::kMin;
  if (a.is_constant() && b.is_constant()) return (a.value() < b.value()) == is_min ? a : b;
  const Dim difference = sub(b, a);
  if (never_negative(difference)) return is_min ? a : b;
  if (never_negative(mul(difference, -1))) return is_min ? b : a;
  if (to_string(b) < to_string(a)) std::swap(a, b);
  return atom_dim(kind, a, b);
}

bool Dims::never_negative(Dim dim) const {
  const auto atom_never_negative = [&](uint32_t index) {
    const Atom& atom = atoms_[index];
    const bool positive_divisor = atom.b.is_constant() && atom.b.value() > 0;
    switch (atom.kind) {
      case AtomKind::kSymbol: return true;
      case AtomKind::kFloorDiv: return positive_divisor && never_negative(atom.a);
      case AtomKind::kMod: return positive_divisor;
      case AtomKind::kMin: return never_negative(atom.a) && never_negative(atom.b);
      case AtomKind::kMax: return never_negative(atom.a) || never_negative(atom.b);
    }
    std::unreachable();
  };
  // The least value that each term can have; a symbol with a limit bounds a negative term.
  int64_t least = 0;
  for (const Term& term : terms(dim)) {
    int64_t least_atoms = term.atoms.empty() ? 1 : 0;
    if (!term.atoms.empty() && term.coefficient < 0) {
      const Atom& atom = atoms_[term.atoms[0]];
      const auto limit = limits_.find(atom.symbol);
      const bool limited = atom.kind == AtomKind::kSymbol && limit != limits_.end();
      if (term.atoms.size() > 1 || !limited) return false;
      least_atoms = limit->second;
    } else if (!std::ranges::all_of(term.atoms, atom_never_negative)) {
      return false;
    }
    int64_t least_term;
    if (__builtin_mul_overflow(term.coefficient, least_atoms, &least_term) ||
        __builtin_add_overflow(least, least_term, &least)) {
      return false;
    }
  }
  return least >= 0;
}

void Dims::limit(std::string_view symbol, int64_t largest) {
  auto [entry, fresh] = limits_.try_emplace(std::string(symbol), largest);
  if (!fresh) entry->second = std::min(entry->second, largest);
}

void Dims::read(std::string_view symbol, Dim largest) {
  read_symbols_.insert_or_assign(std::string(symbol), largest);
  if (largest.is_constant()) limit(symbol, largest.value());
}

bool Dims::is_read(Dim dim) const {
  return !read_symbols_.empty() && std::ranges::any_of(symbols(dim), [this](const auto& symbol) {
    return read_symbols_.contains(symbol);
  });
}

std::optional<Dim> Dims::unify(Dim a, Dim b) {
  if (a == b) return a;
  // Limits may have come after an expression was made: min(s, 512) is s once s is limited.
  const auto limited = [&](Dim whole, Dim symbol) {
    const std::vector<Term> whole_terms = terms(whole);
    if (whole_terms.size() != 1 || whole_terms[0].atoms.size() != 1) return false;
    if (whole_terms[0].coefficient != 1) return false;
    const Atom& atom = atoms_[whole_terms[0].atoms[0]];
    if (atom.kind != AtomKind::kMin) return false;
    const Dim bound = atom.a == symbol ? atom.b : atom.a;
    const std::vector<std::string> names = symbols(symbol);
    if ((atom.a != symbol && atom.b != symbol) || !bound.is_constant()) return false;
    if (names.size() != 1 || to_string(symbol) != names[0]) return false;
    limit(names[0], bound.value());
    return true;
  };
  if (limited(a, b)) return b;
  if (limited(b, a)) return a;
  return std::nullopt;
}

int64_t Dims::evaluate(Dim dim, const std::map<std::string, int64_t>& symbols) const {
  const auto atom_value = [&](const Atom& atom) -> int64_t {
    if (atom.kind == AtomKind::kSymbol) {
      const auto entry = symbols.find(atom.symbol);
      TENON_CHECK(entry != symbols.end(), "a value for symbol '" + atom.symbol + "'");
      return entry->second;
    }
    const int64_t a = evaluate(atom.a, symbols);
    const int64_t b = evaluate(atom.b, symbols);
    switch (atom.kind) {
      case AtomKind::kFloorDiv: return floor_quotient(a, b);
      case AtomKind::kMod: return floor_remainder(a, b);
      case AtomKind::kMin: return std::min(a, b);
      case AtomKind::kMax: return std::max(a, b);
      case AtomKind::kSymbol: break;
    }
    std::unreachable();
  };
  int64_t sum = 0;
  for (const Term& term : terms(dim)) {
    int64_t value = term.coefficient;
    for (uint32_t atom : term.atoms) value = checked_mul(value, atom_value(atoms_[atom]));
    sum = checked_add(sum, value);
  }
  return sum;
}

Dim Dims::substitute(Dim dim, const std::map<std::string, Dim>& symbols) {
  const auto atom_dim_of = [&](uint32_t index) -> Dim {
    const Atom atom = atoms_[index];
    if (atom.kind == AtomKind::kSymbol) {
      const auto entry = symbols.find(atom.symbol);
      return entry == symbols.end() ? symbol(atom.symbol) : entry->second;
    }
    const Dim a = substitute(atom.a, symbols);
    const Dim b = substitute(atom.b, symbols);
    switch (atom.kind) {
      case AtomKind::kFloorDiv: return floor_div(a, b);
      case AtomKind::kMod: return mod(a, b);
      case AtomKind::kMin: return min(a, b);
      case AtomKind::kMax: return max(a, b);
      case AtomKind::kSymbol: break;
    }
    std::unreachable();
  };
  Dim sum = 0;
  for (const Term& term : terms(dim)) {
    Dim value = term.coefficient;
    for (uint32_t atom : term.atoms) value = mul(value, atom_dim_of(atom));
    sum = add(sum, value);
  }
  return sum;
}

std::vector<std::string> Dims::symbols(Dim dim) const {
  std::vector<std::string> names;
  const auto add_new = [&](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const Term& term : terms(dim)) {
    for (uint32_t index : term.atoms) {
      const Atom& atom = atoms_[index];
      if (atom.kind == AtomKind::kSymbol) {
        add_new(atom.symbol);
      } else {
        std::ranges::for_each(symbols(atom.a), add_new);
        std::ranges::for_each(symbols(atom.b), add_new);
      }
    }
  }
  return names;
}

std::optional<int64_t> checked_product(std::span<const int64_t> factors) {
  if (std::ranges::any_of(factors, [](int64_t factor) { return factor < 0; })) return std::nullopt;
  if (std::ranges::find(factors, 0) != factors.end()) return 0;
  int64_t product = 1;
  for (int64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) return std::nullopt;
  }
  return product;
}

}  // namespace tenon::ir
