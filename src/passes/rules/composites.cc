#include <algorithm>

#include "base/contains.h"
#include "ir/element.h"
#include "passes/rules/tables.h"

namespace tenon::passes {
namespace {

using ir::Dim;

/// Whether the axes $a are the last ones of x; $n is their number.
bool are_last_axes(Match& m) {
  const auto rank = static_cast<int64_t>(m.type("x").rank());
  const std::vector<int64_t>& axes = m.integers("a");
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!contains(axes, rank - 1 - static_cast<int64_t>(i))) return false;
  }
  return m.set("n", static_cast<int64_t>(axes.size()));
}

/// Whether the one axis of $a is given; $k is it.
bool is_one_axis(Match& m) {
  return m.integers("a").size() == 1 && m.set("k", m.integers("a").front());
}

/// Whether the value `name` has exactly the dims `own`, apart from leading ones; $t is those.
bool has_dims(Match& m, const char* name, std::vector<Dim> own) {
  const std::vector<Dim>& dims = m.type(name).dims;
  if (dims.size() < own.size()) return false;
  const auto rest = dims.end() - static_cast<ptrdiff_t>(own.size());
  return std::all_of(dims.begin(), rest, [](Dim dim) { return dim.is(1); }) &&
         std::equal(rest, dims.end(), own.begin()) && m.set("t", std::move(own));
}

/// Whether w is one number for each of the $n last axes of x.
bool is_per_element(Match& m) {
  const std::vector<Dim>& dims = m.type("x").dims;
  return has_dims(m, "w", {dims.end() - m.integer("n"), dims.end()});
}

/// Whether w is one number for each channel of x, and not for something else by broadcasting.
bool is_per_channel(Match& m) {
  const std::vector<Dim>& x = m.type("x").dims;
  std::vector<Dim> own(x.size() - 1, 1);
  own.front() = x[1];
  return has_dims(m, "w", own) && m.set("t", std::vector<Dim>{x[1]});
}

bool all_are(const Match& m, const char* name, double number) {
  const ir::Data* data = m.module().constant(m.value(name));
  if (data == nullptr) return false;
  const size_t step = static_cast<size_t>(ir::size_of(data->type.dtype));
  for (size_t at = 0; at < data->bytes.size(); at += step) {
    if (ir::element_number(data->type.dtype, data->bytes.data() + at) != number) return false;
  }
  return true;
}

/// Whether an instance norm of x as [N, groups, ...] is a group norm of x.
bool is_group_norm(Match& m) {
  const std::vector<Dim>&x = m.type("x").dims, &grouped = m.type("v").dims;
  const int64_t groups = m.integer("g");
  return x.size() >= 2 && x[0] == grouped[0] && grouped[1].is(groups) && x[1].is_constant() &&
         x[1].value() % groups == 0 && all_are(m, "s", 1) && all_are(m, "b", 0);
}

/// Whether the pools' windows each hold an element, so that padding is never their largest.
bool holds_elements(Match& m) {
  const std::vector<int64_t>&kernel = m.integers("k"), &pads = m.integers("p");
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] >= kernel[i % kernel.size()]) return false;
  }
  return std::ranges::count(m.integers("d"), 1) == std::ssize(kernel);
}

/// Whether a convolution joins channels alone, and whole windows of its results are averaged.
bool joins_channels(Match& m) {
  const auto all_are = [&](const char* name, int64_t number) {
    const std::vector<int64_t>& list = m.integers(name);
    return std::ranges::count(list, number) == std::ssize(list);
  };
  const std::vector<Dim>& filter = m.type("w").dims;
  return std::all_of(filter.begin() + 2, filter.end(), [](Dim dim) { return dim.is(1); }) &&
         all_are("s", 1) && all_are("p", 0) && all_are("q", 0) &&
         std::ranges::none_of(m.integers("t"), [](int64_t step) { return step == 1; });
}

// As an operand of others.
#define CUBE "(mul(mul(x, x), x) | pow(x, 3))"
#define GELU_ERF "add(erf((mul(x, 0.70710678118654752) | div(x, 1.4142135623730951))), 1)"
#define TANH_SCALE "0.79788456080286536"
#define TANH_SLOPE "add((mul(mul(x, x), 0.044715) | mul(mul(x, 0.044715), x)), 1)"
#define GELU_TANH                                                                             \
  "add(tanh((mul(add(x, mul(" CUBE ", 0.044715)), " TANH_SCALE ") | mul(mul(x, " TANH_SLOPE   \
  "), " TANH_SCALE ") | mul(mul(x, " TANH_SCALE "), " TANH_SLOPE ") | mul(x, mul(" TANH_SLOPE \
  ", " TANH_SCALE ")))), 1)"
#define WINDOW "{kernel = $k, strides = $s, pads = $p, dilations = $d, ceil = $c}"
#define AVERAGE \
  "{kernel = $k, strides = $t, pads = $q, dilations = $e, ceil = false, count_pads = $n}"
#define JOIN "{strides = $s, pads = $p, dilations = $d, groups = $g}"
#define CENTRED "sub(x, reduce(x) {kind = \"mean\", axes = $a, keep = true})"
#define MEAN_SQUARE(d) \
  "add(reduce(mul(" d ", " d ")) {kind = \"mean\", axes = $a, keep = true}, $e)"

constexpr Rule kRules[] = {
    // Exponentials.
    {"reciprocal(add(exp(neg(x)), 1))", "sigmoid(x)"},
    {"div(x, add(exp(neg(x)), 1))", "silu(x)"},
    {"mul(x, sigmoid(x))", "silu(x)"},
    {"mul(x, sigmoid(mul(x, $a)))", "quick_gelu(x) {alpha = $a}"},
    {"log(add(exp(x), 1))", "softplus(x)"},
    {"log1p(exp(x))", "softplus(x)"},
    {"mul(x, tanh(softplus(x)))", "mish(x)"},

    // GELU.
    {"mul(mul(x, 0.5), " GELU_ERF ")", "gelu(x)"},
    {"mul(mul(x, " GELU_ERF "), 0.5)", "gelu(x)"},
    {"mul(x, mul(" GELU_ERF ", 0.5))", "gelu(x)"},
    {"mul(mul(x, 0.5), " GELU_TANH ")", "gelu_tanh(x)"},
    {"mul(mul(x, " GELU_TANH "), 0.5)", "gelu_tanh(x)"},
    {"mul(x, mul(" GELU_TANH ", 0.5))", "gelu_tanh(x)"},

    // Lines with bends.
    {"div(clip(add(x, 3), 0, 6), 6)", "hard_sigmoid(x) {alpha = 0.16666666666666667, beta = 0.5}"},
    {"mul(clip(add(x, 3), 0, 6), 0.16666666666666667)",
     "hard_sigmoid(x) {alpha = 0.16666666666666667, beta = 0.5}"},
    {"clip(add(mul(x, $a), $b), 0, 1)", "hard_sigmoid(x) {alpha = $a, beta = $b}"},
    {"mul(x, hard_sigmoid(x) {alpha = $a, beta = 0.5})", "hard_swish(x)",
     [](Match& m) { return static_cast<float>(m.number("a")) == 1.0F / 6; }},
    {"div(mul(x, clip(add(x, 3), 0, 6)), 6)", "hard_swish(x)"},
    {"mul(mul(x, clip(add(x, 3), 0, 6)), 0.16666666666666667)", "hard_swish(x)"},

    // Normalisation.
    {"div(exp(d:sub(x, reduce(x) {kind = \"max\", axes = $a, keep = true})),"
     " reduce(exp(d)) {kind = \"sum\", axes = $a, keep = true})",
     "softmax(x) {axis = $k, log = false}", is_one_axis},
    {"div(exp(x), reduce(exp(x)) {kind = \"sum\", axes = $a, keep = true})",
     "softmax(x) {axis = $k, log = false}", is_one_axis},
    {"div(d:" CENTRED ", sqrt(" MEAN_SQUARE("d") "))", "layer_norm(x) {axes = $n, epsilon = $e}",
     are_last_axes},
    {"mul(d:" CENTRED ", rsqrt(" MEAN_SQUARE("d") "))", "layer_norm(x) {axes = $n, epsilon = $e}",
     are_last_axes},
    {"div(x, sqrt(" MEAN_SQUARE("x") "))", "rms_norm(x) {axes = $n, epsilon = $e}", are_last_axes},
    {"mul(x, rsqrt(" MEAN_SQUARE("x") "))", "rms_norm(x) {axes = $n, epsilon = $e}", are_last_axes},
    {"reshape(group_norm(v:reshape(x), s, b) {groups = $g, epsilon = $e})",
     "group_norm(x) {groups = $g, epsilon = $e}", is_group_norm},

    // Less work behind a pool than before it.
    {"max_pool(relu(x)) " WINDOW, "relu(max_pool(x) " WINDOW ")", holds_elements},
    {"max_pool(clip(x, $a, $b)) " WINDOW, "clip(max_pool(x) " WINDOW ", $a, $b)", holds_elements},
    {"average_pool(conv(x, w, c?) " JOIN ") " AVERAGE,
     "conv(average_pool(x) " AVERAGE ", w, c?) " JOIN, joins_channels},

    // What scales and shifts a normalised value.
    {"mul(layer_norm(x) {axes = $n, epsilon = $e}, w)",
     "layer_norm(x, reshape(w) {dims = $t}) {axes = $n, epsilon = $e}", is_per_element},
    {"add(layer_norm(x, s?) {axes = $n, epsilon = $e}, w)",
     "layer_norm(x, s, reshape(w) {dims = $t}) {axes = $n, epsilon = $e}", is_per_element},
    {"mul(rms_norm(x) {axes = $n, epsilon = $e}, w)",
     "rms_norm(x, reshape(w) {dims = $t}) {axes = $n, epsilon = $e}", is_per_element},
    {"mul(group_norm(x) {groups = $g, epsilon = $e}, w)",
     "group_norm(x, reshape(w) {dims = $t}) {groups = $g, epsilon = $e}", is_per_channel},
    {"add(group_norm(x, s?) {groups = $g, epsilon = $e}, w)",
     "group_norm(x, s, reshape(w) {dims = $t}) {groups = $g, epsilon = $e}", is_per_channel},
};

}  // namespace

std::span<const Rule> composite_rules() { return kRules; }

}  // namespace tenon::passes
