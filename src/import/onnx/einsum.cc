// Einsum: its operands are brought together two at a time, each step a product of matrices.
#include <algorithm>
#include <set>

#include "import/onnx/operators.h"
#include "import/onnx/shared.h"

namespace tenon::import::onnx {

using ir::Dim;
using ir::Op;
using ir::ValueId;

namespace {

/// The axes of "..." have labels below 'A', the last one the highest.
constexpr char kLastEllipsis = '@';
constexpr int64_t kMostEllipsis = 32;

/// A tensor with one letter per axis.
struct Labelled {
  ValueId value;
  std::string labels;
};

struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

std::string ellipsis_labels(int64_t count) {
  std::string labels;
  for (int64_t i = count; i-- > 0;) labels += static_cast<char>(kLastEllipsis - i);
  return labels;
}

/// One operand's or the result's letters, with `ellipsis` axes for "...".
Result<std::string> expand_term(const NodeContext& node, std::string_view term, int64_t ellipsis) {
  std::string labels;
  while (!term.empty()) {
    if (term.starts_with("...")) {
      labels += ellipsis_labels(ellipsis);
      term.remove_prefix(3);
      continue;
    }
    if (!std::isalpha(static_cast<unsigned char>(term.front()))) {
      return node.bad(fmt::format("'{}' in an equation", term.front()));
    }
    labels += term.front();
    term.remove_prefix(1);
  }
  return labels;
}

Result<Equation> parse_equation(const NodeContext& node, std::string text,
                                const std::vector<int64_t>& ranks) {
  std::erase(text, ' ');
  const size_t arrow = text.find("->");
  std::string_view left = std::string_view(text).substr(0, arrow);
  Equation equation;
  int64_t widest = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const int64_t rank = ranks[i];
    const size_t end = left.find(',');
    const std::string_view term = left.substr(0, end);
    if (end == std::string_view::npos && i + 1 < ranks.size()) {
      return node.bad("an equation with fewer terms than operands");
    }
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    const bool has_ellipsis = term.find("...") != std::string_view::npos;
    const int64_t ellipsis = has_ellipsis ? rank - (static_cast<int64_t>(term.size()) - 3) : 0;
    if (ellipsis < 0 || ellipsis > kMostEllipsis)
      return node.bad("'...' for a negative number of axes");
    TENON_TRY(std::string labels, expand_term(node, term, ellipsis));
    if (static_cast<int64_t>(labels.size()) != rank) {
      return node.bad(fmt::format("a term '{}' for {} axes", term, rank));
    }
    widest = std::max(widest, ellipsis);
    equation.operands.push_back(std::move(labels));
  }
  if (!left.empty()) return node.bad("an equation with more terms than operands");
  if (arrow != std::string::npos) {
    TENON_TRY(equation.result, expand_term(node, std::string_view(text).substr(arrow + 2), widest));
    return equation;
  }
  // Without a result: the axes of "...", then every letter that occurs once, in order.
  std::string all;
  for (const std::string& labels : equation.operands) all += labels;
  equation.result = ellipsis_labels(widest);
  for (char label : std::set<char>(all.begin(), all.end())) {
    if (label > kLastEllipsis && std::ranges::count(all, label) == 1) equation.result += label;
  }
  return equation;
}

/// Takes the diagonal over a letter that occurs twice, until none does.
Result<Labelled> take_diagonals(Emitter& emitter, Labelled x) {
  for (size_t i = 0; i < x.labels.size(); ++i) {
    const size_t twin = x.labels.find(x.labels[i], i + 1);
    if (twin == std::string::npos) continue;
    // With both axes last and merged, the diagonal is every (extent + 1)-th element.
    const std::vector<Dim> dims = emitter.shape(x.value);
    const Dim extent = dims[i];
    std::vector<int64_t> perm;
    std::vector<Dim> rest;
    std::string labels;
    for (size_t k = 0; k < dims.size(); ++k) {
      if (k == i || k == twin) continue;
      perm.push_back(static_cast<int64_t>(k));
      rest.push_back(dims[k]);
      labels += x.labels[k];
    }
    if (!extent.is_constant() || extent != dims[twin]) {
      return fail(ErrorKind::kUnsupported, "Einsum with a diagonal of open size", emitter.where());
    }
    perm.push_back(static_cast<int64_t>(i));
    perm.push_back(static_cast<int64_t>(twin));
    const Dim area = emitter.dims().mul(extent, extent);
    rest.push_back(area);
    const auto last = static_cast<int64_t>(rest.size()) - 1;
    TENON_TRY(x.value, emitter.slice(emitter.reshape(emitter.transpose(x.value, perm), rest), last,
                                     0, area, extent.value() + 1));
    x.labels = labels + x.labels[i];
    return take_diagonals(emitter, std::move(x));
  }
  return x;
}

/// Sums over the axes whose letters are not in `kept`.
Result<Labelled> sum_out(Emitter& emitter, Labelled x, const std::string& kept) {
  std::vector<int64_t> axes;
  std::string labels;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (kept.find(x.labels[i]) == std::string::npos) {
      axes.push_back(static_cast<int64_t>(i));
    } else {
      labels += x.labels[i];
    }
  }
  if (axes.empty()) return x;
  TENON_TRY(x.value, emitter.reduce(x.value, "sum", std::move(axes), false));
  x.labels = labels;
  return x;
}

/// The axes in the order of `labels`, all of which the tensor has.
Emitter::Operand ordered(Emitter& emitter, const Labelled& x, const std::string& labels) {
  std::vector<int64_t> perm;
  for (char label : labels) perm.push_back(static_cast<int64_t>(x.labels.find(label)));
  return emitter.transpose(x.value, std::move(perm));
}

/// Letters by where they occur, and their extents.
struct Roles {
  std::string batch, left, right, summed;
  std::vector<std::pair<char, Dim>> extents;

  Dim extent(char label) const {
    return std::ranges::find(extents, label, &std::pair<char, Dim>::first)->second;
  }
  std::vector<Dim> dims(const std::string& labels) const {
    std::vector<Dim> result;
    for (char label : labels) result.push_back(extent(label));
    return result;
  }
};

Roles roles_of(Emitter& emitter, const Labelled& a, const Labelled& b, const std::string& kept) {
  Roles roles;
  for (const Labelled* x : {&a, &b}) {
    const std::vector<Dim> dims = emitter.shape(x->value);
    for (size_t i = 0; i < dims.size(); ++i) {
      const auto known =
          std::ranges::find(roles.extents, x->labels[i], &std::pair<char, Dim>::first);
      if (known == roles.extents.end()) {
        roles.extents.emplace_back(x->labels[i], dims[i]);
      } else if (known->second.is(1)) {
        known->second = dims[i];
      }
    }
  }
  for (const auto& [label, extent] : roles.extents) {
    const bool in_a = a.labels.find(label) != std::string::npos;
    const bool in_b = b.labels.find(label) != std::string::npos;
    const bool is_kept = kept.find(label) != std::string::npos;
    std::string& role = !in_b     ? roles.left
                        : !in_a   ? roles.right
                        : is_kept ? roles.batch
                                  : roles.summed;
    role += label;
  }
  return roles;
}

/// Sums of products of a and b over the letters that only they have.
Result<Labelled> contract(Emitter& emitter, const Labelled& a, const Labelled& b,
                          const std::string& kept) {
  const Roles roles = roles_of(emitter, a, b, kept);
  ir::Dims& dims = emitter.dims();
  // Letters in the order batch, rows, columns make both operands matrices.
  const auto matrix = [&](const Labelled& x, const std::string& rows, const std::string& columns) {
    const std::string order = roles.batch + rows + columns;
    std::vector<Dim> flat = roles.dims(roles.batch);
    flat.push_back(dims.product(roles.dims(rows)));
    flat.push_back(dims.product(roles.dims(columns)));
    return emitter.reshape(emitter.expand(ordered(emitter, x, order), roles.dims(order)), flat);
  };
  const std::string order = roles.batch + roles.left + roles.right;
  const Op op = roles.summed.empty() ? Op::kMul : Op::kMatMul;
  const Emitter::Operand product =
      emitter.emit(op, {matrix(a, roles.left, roles.summed), matrix(b, roles.summed, roles.right)});
  TENON_TRY(ValueId value, emitter.reshape(product, roles.dims(order)));
  return Labelled{value, order};
}

}  // namespace

Result<void> import_einsum(NodeContext& node) {
  Emitter& emitter = node.emitter();
  TENON_TRY(std::vector<Emitter::Operand> operands, node.all_inputs());
  std::vector<int64_t> ranks;
  for (const Emitter::Operand& operand : operands) ranks.push_back(emitter.rank(*operand));
  TENON_TRY(Equation equation, parse_equation(node, node.text("equation", ""), ranks));

  std::optional<Labelled> result;
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string needed = equation.result;
    for (size_t k = i + 1; k < operands.size(); ++k) needed += equation.operands[k];
    TENON_TRY(Labelled next, take_diagonals(emitter, {*operands[i], equation.operands[i]}));
    TENON_TRY(next, sum_out(emitter, std::move(next), needed + (result ? result->labels : "")));
    if (result) {
      TENON_TRY(result, contract(emitter, *result, next, needed));
    } else {
      result = std::move(next);
    }
    TENON_TRY(result, sum_out(emitter, *std::move(result), needed));
  }
  for (char label : equation.result) {
    if (std::ranges::count(equation.result, label) != 1 ||
        result->labels.find(label) == std::string::npos) {
      return node.bad(fmt::format("an equation whose result has an extra '{}'", label));
    }
  }
  return node.finish(ordered(emitter, *result, equation.result));
}

}  // namespace tenon::import::onnx
