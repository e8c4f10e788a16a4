#include "passes/loop/let_common.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "passes/loop/effects.h"
#include "passes/loop/rewriter.h"

namespace tenon::passes {

using namespace ir;

namespace {

/// An expression between two changes of what it reads: the statement of the block, counted from 1,
/// that changed it last, or 0.
struct Version {
  ExprId expr;
  size_t since;
  bool operator==(const Version&) const = default;
};

struct VersionHash {
  size_t operator()(const Version& v) const { return v.expr.index * 0x9e3779b97f4a7c15 + v.since; }
};

/// A block whose statements are being read or written.
struct Frame {
  std::unordered_map<Place, size_t, PlaceHash> changed;  // by which statement last, from 1
  std::unordered_map<Version, int, VersionHash> uses;    // by statements and by operands
  std::unordered_set<Version, VersionHash> invariants;   // of loops in this block
  std::unordered_map<StatementId, std::vector<ExprId>> invariants_of;
  std::unordered_map<Version, E, VersionHash> named;
  StatementId at;
};

class LetCommon : public Rewriter {
 public:
  explicit LetCommon(const Function& from) : Rewriter(from), effects_(from) {}

 protected:
  void statements(BlockId block) override;
  void statement(StatementId id) override;
  E get(ExprId id) override;

 private:
  /// Expressions that were looked at where loads may move, and where they may not.
  using Seen = std::unordered_set<ExprId>[2];

  void count_uses(StatementId id);
  void count_use(ExprId id);
  bool find_invariants(StatementId loop, BlockId block, bool is_certain, Seen& seen);
  void find_invariants(StatementId loop, ExprId id, bool is_certain, Seen& seen);
  bool surely_runs(const Statement& loop) const;
  bool is_free(const Expr& expr) const;
  bool is_fixed(E value) const;
  Version version(const Frame& frame, ExprId id);
  std::optional<E> known(ExprId id);
  bool wants_name(const Version& v) const;
  void let(const Statement& s);
  void pass(StatementId id, size_t position);

  Effects effects_;
  std::vector<Frame> frames_;  // innermost last
};

// First how often each expression is used, then the statements, with a let before the first use.
void LetCommon::statements(BlockId block) {
  frames_.emplace_back();
  const std::vector<StatementId>& all = from_.block(block).statements;
  for (size_t i = 0; i < all.size(); ++i) {
    count_uses(all[i]);
    pass(all[i], i);
  }
  frames_.back().changed.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    frames_.back().at = all[i];
    statement(all[i]);
    pass(all[i], i);
  }
  frames_.pop_back();
}

/// Notes what the statement at this position changes. What names one value is not read before it.
void LetCommon::pass(StatementId id, size_t position) {
  for (Place place : effects_.sets(id)) {
    const bool changes = place.is_buffer() || from_.variable(place.variable()).is_register;
    if (changes) frames_.back().changed[place] = position + 1;
  }
}

void LetCommon::count_uses(StatementId id) {
  const Statement& s = from_.statement(id);
  for (ExprId root : {s.index, s.value, s.mask}) {
    if (root) count_use(root);
  }
  if (s.kind != StatementKind::kFor) return;
  Seen seen;
  find_invariants(id, s.body, surely_runs(s), seen);
}

void LetCommon::count_use(ExprId id) {
  const Expr& expr = from_.expr(id);
  if (!is_free(expr)) {
    if (known(id)) return;
    if (++frames_.back().uses[version(frames_.back(), id)] > 1) return;
  }
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (operand) count_use(operand);
  }
}

bool LetCommon::surely_runs(const Statement& loop) const {
  const Expr &begin = from_.expr(loop.index), &end = from_.expr(loop.value);
  return is_constant(begin) && is_constant(end) && begin.bits < end.bits;
}

/// `is_certain`: the loop surely runs what is reached from here on, so that loads may happen before
/// it. No statement behind a check is certain: the result is whether the block has none.
bool LetCommon::find_invariants(StatementId loop, BlockId block, bool is_certain, Seen& seen) {
  bool has_no_check = true;
  for (StatementId id : from_.block(block).statements) {
    const Statement& s = from_.statement(id);
    for (ExprId root : {s.index, s.value, s.mask}) {
      if (root) find_invariants(loop, root, is_certain, seen);
    }
    bool inner = is_certain && s.kind == StatementKind::kFor && surely_runs(s);
    bool has_check = s.kind == StatementKind::kCheck;
    for (BlockId body : {s.body, s.other}) {
      if (body && !find_invariants(loop, body, inner, seen)) has_check = true;
    }
    if (has_check) is_certain = has_no_check = false;
  }
  return has_no_check;
}

void LetCommon::find_invariants(StatementId loop, ExprId id, bool is_certain, Seen& seen) {
  if (!seen[is_certain].insert(id).second) return;
  const Expr& expr = from_.expr(id);
  bool may_move = is_certain || !effects_.loads(id);
  if (!is_free(expr) && may_move && !effects_.can_change(loop, id)) {
    if (known(id)) return;
    Frame& frame = frames_.back();
    frame.invariants_of[loop].push_back(id);
    if (frame.invariants.insert(version(frame, id)).second) count_use(id);
    return;
  }
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (operand) find_invariants(loop, operand, is_certain, seen);
  }
}

bool LetCommon::is_free(const Expr& expr) const {
  if (arity(expr.kind) == 0) return true;
  bool is_displacement = expr.kind == ExprKind::kAdd && is_constant(from_.expr(expr.b));
  return is_displacement && expr.type == VectorType{};
}

Version LetCommon::version(const Frame& frame, ExprId id) {
  size_t since = 0;
  for (Place place : effects_.reads(id)) {
    if (auto found = frame.changed.find(place); found != frame.changed.end()) {
      since = std::max(since, found->second);
    }
  }
  return {id, since};
}

/// The name that an expression has here. One from an enclosing block holds as long as nothing in
/// the statement there that encloses this block changes it.
std::optional<E> LetCommon::known(ExprId id) {
  for (size_t i = frames_.size(); i-- > 0;) {
    const Frame& frame = frames_[i];
    bool is_outer = i + 1 < frames_.size();
    if (is_outer && effects_.can_change(frame.at, id)) return std::nullopt;
    auto found = frame.named.find(version(frame, id));
    if (found != frame.named.end()) return found->second;
  }
  return std::nullopt;
}

bool LetCommon::wants_name(const Version& v) const {
  const Frame& frame = frames_.back();
  auto uses = frame.uses.find(v);
  return frame.invariants.contains(v) || (uses != frame.uses.end() && uses->second > 1);
}

E LetCommon::get(ExprId id) {
  const Expr& expr = from_.expr(id);
  if (frames_.empty() || is_free(expr)) return rebuild(expr);
  if (auto name = known(id)) return *name;
  Version v = version(frames_.back(), id);
  if (!wants_name(v)) return rebuild(expr);
  E value = rebuild(expr);
  if (!is_fixed(value)) value = builder_.let("common", value);
  return frames_.back().named[v] = value;
}

void LetCommon::statement(StatementId id) {
  const Statement& s = from_.statement(id);
  if (s.kind == StatementKind::kLet && !from_.variable(s.variable).is_register) return let(s);
  for (ExprId invariant : frames_.back().invariants_of[id]) get(invariant);
  Rewriter::statement(id);
}

/// A let gives its own name to a value that is used again, and none to one that has a name.
void LetCommon::let(const Statement& s) {
  const Expr& expr = from_.expr(s.value);
  auto name = is_free(expr) ? std::nullopt : known(s.value);
  E value = name ? *name : rebuild(expr);
  if (!is_fixed(value)) value = builder_.let(from_.variable(s.variable).name, value);
  if (!is_free(expr)) frames_.back().named[version(frames_.back(), s.value)] = value;
  bind(s.variable, value);
}

/// Whether the value stays the same without being named.
bool LetCommon::is_fixed(E value) const {
  const Function& to = builder_.function();
  const Expr& expr = to.expr(value.id);
  if (expr.kind != ExprKind::kVariable) return arity(expr.kind) == 0;
  return !to.variable(VariableId(static_cast<size_t>(expr.bits))).is_register;
}

}  // namespace

void let_common(Function& function, const LetCommonOptions&) {
  function = LetCommon(function).run();
}

}  // namespace tenon::passes
