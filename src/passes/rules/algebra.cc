#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ir/element.h"
#include "passes/rules/tables.h"

namespace tenon::passes {
namespace {

using ir::Dim;
using Integers = std::vector<int64_t>;
using List = std::vector<Dim>;

bool of_floats(Match& m) { return ir::is_float(m.result_type().dtype); }
bool of_bools(Match& m) { return m.result_type().dtype == ir::DType::kBool; }
bool of_integers(Match& m) { return !of_floats(m); }

bool all_are(const List& dims, int64_t number) {
  return std::ranges::all_of(dims, [=](Dim dim) { return dim.is(number); });
}
bool all_are(const Integers& list, int64_t number) {
  return std::ranges::count(list, number) == std::ssize(list);
}

/// Whether 1 / number is exact.
bool is_power_of_two(double number) {
  int exponent = 0;
  return std::abs(std::frexp(number, &exponent)) == 0.5 && std::abs(exponent) < 14;
}

/// Whether every value of `from` is one of `to`.
bool holds_all(ir::DType from, ir::DType to) {
  const auto digits = [](ir::DType dtype) {
    return ir::visit_dtype(dtype, []<class T>(std::type_identity<T>) {
      return std::is_same_v<T, _Float16>       ? 11
             : std::is_same_v<T, ir::BFloat16> ? 8
                                               : std::numeric_limits<T>::digits;
    });
  };
  if (from == to || from == ir::DType::kBool) return true;
  if (ir::is_float(from))
    return to == ir::DType::kFloat64 || (to == ir::DType::kFloat32 && digits(from) < 24);
  if (to == ir::DType::kBool || digits(from) > digits(to)) return false;
  return ir::is_float(to) || !ir::is_signed(from) || ir::is_signed(to);
}

/// Whether the axes of a transpose that are not 1 keep their order.
bool moves_only_ones(Match& m) {
  Integers moved;
  for (int64_t axis : m.integers("p")) {
    if (!m.type("x").dims[axis].is(1)) moved.push_back(axis);
  }
  return std::ranges::is_sorted(moved) && m.set("d", m.result_type().dims);
}

/// The transpose of a reshape for the reshape of a transpose, where that only takes and puts axes
/// of 1: an axis of 1 goes along with the axis behind it.
bool take_ones_first(Match& m) {
  const List &x = m.type("x").dims, &to = m.result_type().dims;
  const Integers& perm = m.integers("p");
  Integers from;  // the axis of x for each axis of the result
  size_t next = 0;
  const auto skip_ones = [&] {
    while (next < perm.size() && x[perm[next]].is(1)) ++next;
  };
  for (Dim dim : to) {
    skip_ones();
    const bool moves = next < perm.size() && !dim.is(1);
    if (moves ? x[perm[next]] != dim : !dim.is(1)) return false;
    from.push_back(next < perm.size() ? perm[next] : std::ssize(x));
    if (moves) ++next;
  }
  skip_ones();
  if (next < perm.size()) return false;
  Integers order(to.size()), back(to.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int64_t axis) { return from[axis]; });
  List dims;
  for (size_t i = 0; i < order.size(); ++i) {
    back[order[i]] = static_cast<int64_t>(i);
    dims.push_back(to[order[i]]);
  }
  return m.set("d", dims) && m.set("q", back);
}

bool compose_transposes(Match& m) {
  Integers both;
  for (int64_t axis : m.integers("q")) both.push_back(m.integers("p")[axis]);
  return m.set("r", both);
}

bool compose_slices(Match& m) {
  List starts;
  Integers steps;
  for (size_t i = 0; i < m.list("b").size(); ++i) {
    const int64_t step = m.integers("s")[i];
    starts.push_back(m.dims().add(m.list("a")[i], m.dims().mul(m.list("b")[i], step)));
    steps.push_back(step * m.integers("t")[i]);
  }
  return m.set("u", starts) && m.set("v", steps);
}

/// A gather of one known element as a slice.
bool slice_at(Match& m) {
  const ir::TensorType& x = m.type("x");
  const auto axis = static_cast<size_t>(m.integer("k"));
  if (!x.dims[axis].is_constant()) return false;
  const int64_t extent = x.dims[axis].value();
  auto index = static_cast<int64_t>(m.number("i"));
  if (index < -extent || index >= extent) return false;
  List starts(x.rank(), 0), dims = x.dims;
  starts[axis] = index < 0 ? index + extent : index;
  dims[axis] = 1;
  return m.set("a", starts) && m.set("s", Integers(x.rank(), 1)) && m.set("d", dims) &&
         m.set("r", m.result_type().dims);
}

bool reduces_ones(Match& m) {
  return std::ranges::all_of(m.integers("a"),
                             [&](int64_t axis) { return m.type("x").dims[axis].is(1); }) &&
         m.set("d", m.result_type().dims);
}

/// A window that is one element large and stands on each.
bool is_each_element(Match& m) {
  return all_are(m.integers("k"), 1) && all_are(m.integers("s"), 1) && all_are(m.integers("p"), 0);
}

/// A window over everything, without padding.
bool is_whole_window(Match& m) {
  const List& dims = m.type("x").dims;
  Integers axes;
  for (size_t i = 2; i < dims.size(); ++i) {
    if (!dims[i].is(m.integers("k")[i - 2]) || !m.result_type().dims[i].is(1)) return false;
    axes.push_back(static_cast<int64_t>(i));
  }
  return all_are(m.integers("p"), 0) && m.set("a", axes);
}

/// The pads of a window that sees padding of the operand's spatial axes.
bool merge_pads(Match& m) {
  const List &before = m.list("b"), &after = m.list("a");
  Integers pads = m.integers("p");
  for (size_t i = 0; i < before.size(); ++i) {
    if (!before[i].is_constant() || !after[i].is_constant()) return false;
    const int64_t low = before[i].value(), high = after[i].value();
    if (low < 0 || high < 0 || (i < 2 && low + high > 0)) return false;
    if (i < 2) continue;
    pads[i - 2] += low;
    pads[i - 2 + before.size() - 2] += high;
  }
  return m.set("q", pads);
}

constexpr Rule kRules[] = {
    // Neutral elements. A float keeps the sign of its zero only when -0 is added.
    {"add(x, 0)", "x", of_integers},
    {"add(x, $c)", "x", [](Match& m) { return m.number("c") == 0 && std::signbit(m.number("c")); }},
    {"sub(x, $c)", "x",
     [](Match& m) { return m.number("c") == 0 && !std::signbit(m.number("c")); }},
    {"mul(x, 1)", "x"},
    {"div(x, 1)", "x"},
    {"pow(x, 1)", "x"},
    {"and(x, 1)", "x", of_bools},
    {"or(x, 0)", "x"},

    // Cheaper operators.
    {"mul(x, -1)", "neg(x)"},
    {"div(x, $c)", "mul(x, $r)",
     [](Match& m) {
       return of_floats(m) && is_power_of_two(m.number("c")) && m.set("r", 1 / m.number("c"));
     }},
    {"mul(mul(x, $a), $b)", "mul(x, $c)",
     [](Match& m) {
       const double product = m.number("a") * m.number("b");
       return of_floats(m) && std::abs(product) > 0x1p-14 && std::abs(product) < 0x1p14 &&
              m.set("c", product);
     }},
    {"pow(x, 2)", "mul(x, x)"},
    {"pow(x, 3)", "mul(mul(x, x), x)"},
    {"pow(x, 0.5)", "sqrt(x)", of_floats},
    {"pow(x, -0.5)", "rsqrt(x)", of_floats},
    {"pow(x, -1)", "reciprocal(x)", of_floats},
    {"div(1, x)", "reciprocal(x)", of_floats},
    {"reciprocal(sqrt(x))", "rsqrt(x)"},
    {"add(x, neg(y))", "sub(x, y)"},
    {"sub(x, neg(y))", "add(x, y)"},
    {"neg(neg(x))", "x"},
    {"abs(abs(x))", "abs(x)"},
    {"abs(neg(x))", "abs(x)"},
    {"relu(r:relu(x))", "r"},

    // Bounds.
    {"max(x, 0)", "relu(x)"},
    {"min(max(x, $a), $b)", "clip(x, $a, $b)"},
    {"max(min(x, $b), $a)", "clip(x, $a, $b)",
     [](Match& m) { return m.number("a") <= m.number("b"); }},
    {"clip(x, 0, inf)", "relu(x)"},

    // Choices.
    {"not(not(x))", "x"},
    {"not(equal(a, b))", "not_equal(a, b)"},
    {"not(not_equal(a, b))", "equal(a, b)"},
    {"where(c, x, x)", "x"},
    {"where(1, a, b)", "a"},
    {"where(0, a, b)", "b"},
    {"where(not(c), a, b)", "where(c, b, a)"},

    // Dtypes.
    {"cast(x)", "x"},
    {"cast(c:cast(x)) {to = $t}", "cast(x) {to = $t}",
     [](Match& m) { return holds_all(m.type("x").dtype, m.type("c").dtype); }},

    // Movement that moves nothing, and moves after moves.
    {"reshape(x)", "x"},
    {"expand(x)", "x"},
    {"tile(x)", "x"},
    {"concat(x)", "x"},
    {"transpose(x) {perm = $p}", "x",
     [](Match& m) { return std::ranges::is_sorted(m.integers("p")); }},
    {"slice(x) {steps = $s}", "x", [](Match& m) { return all_are(m.integers("s"), 1); }},
    {"pad(x, v?) {before = $b, after = $a}", "x",
     [](Match& m) { return all_are(m.list("b"), 0) && all_are(m.list("a"), 0); }},
    {"reshape(reshape(x)) {dims = $d}", "reshape(x) {dims = $d}"},
    {"expand(expand(x)) {dims = $d}", "expand(x) {dims = $d}"},
    {"transpose(transpose(x) {perm = $p}) {perm = $q}", "transpose(x) {perm = $r}",
     compose_transposes},
    {"reshape(transpose(x) {perm = $p})", "transpose(reshape(x) {dims = $d}) {perm = $q}",
     take_ones_first},
    {"slice(slice(x) {starts = $a, steps = $s}) {starts = $b, steps = $t, dims = $d}",
     "slice(x) {starts = $u, steps = $v, dims = $d}", compose_slices},
    {"transpose(x) {perm = $p}", "reshape(x) {dims = $d}", moves_only_ones},
    {"gather(x, $i) {axis = $k}",
     "reshape(slice(x) {starts = $a, steps = $s, dims = $d}) {dims = $r}", slice_at},

    // What broadcasts by itself need not be expanded.
    {"add(expand(x), y)", "add(x, y)"},
    {"sub(expand(x), y)", "sub(x, y)"},
    {"sub(x, expand(y))", "sub(x, y)"},
    {"mul(expand(x), y)", "mul(x, y)"},
    {"div(expand(x), y)", "div(x, y)"},
    {"div(x, expand(y))", "div(x, y)"},
    {"where(expand(c), a, b)", "where(c, a, b)"},
    {"where(c, expand(a), b)", "where(c, a, b)"},
    {"where(c, a, expand(b))", "where(c, a, b)"},

    // Windows and reductions.
    {"reduce(x) {axes = $a, kind = \"mean\"}", "reshape(x) {dims = $d}", reduces_ones},
    {"reduce(x) {axes = $a, kind = \"sum\"}", "reshape(x) {dims = $d}", reduces_ones},
    {"reduce(x) {axes = $a, kind = \"max\"}", "reshape(x) {dims = $d}", reduces_ones},
    {"max_pool(x) {kernel = $k, strides = $s, pads = $p}", "x", is_each_element},
    {"average_pool(x) {kernel = $k, strides = $s, pads = $p}", "x", is_each_element},
    {"average_pool(x) {kernel = $k, pads = $p}",
     "reduce(x) {kind = \"mean\", axes = $a, keep = true}", is_whole_window},
    {"conv(pad(x, (_ | 0)) {before = $b, after = $a, mode = \"constant\"}, w, c?)"
     " {strides = $s, pads = $p, dilations = $d, groups = $g}",
     "conv(x, w, c?) {strides = $s, pads = $q, dilations = $d, groups = $g}", merge_pads},
};

}  // namespace

std::span<const Rule> algebra_rules() { return kRules; }

}  // namespace tenon::passes
