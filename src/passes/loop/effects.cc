#include "passes/loop/effects.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

namespace {

void append(Places& to, const Places& places) { to.insert(to.end(), places.begin(), places.end()); }

void sort(Places& places) {
  std::ranges::sort(places);
  places.erase(std::ranges::unique(places).begin(), places.end());
}

}  // namespace

const Places& Effects::reads(ExprId id) {
  std::optional<Places>& known = reads_[id.index];
  if (known) return *known;
  const Expr& expr = function_.expr(id);
  Places places;
  if (expr.kind == ExprKind::kVariable) {
    places.emplace_back(VariableId(static_cast<size_t>(expr.bits)));
  }
  if (expr.buffer) places.emplace_back(expr.buffer);
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (operand) append(places, reads(operand));
  }
  sort(places);
  return known.emplace(std::move(places));
}

const Places& Effects::sets(StatementId id) {
  std::optional<Places>& known = sets_[id.index];
  if (known) return *known;
  const Statement& s = function_.statement(id);
  Places places;
  if (s.variable) places.emplace_back(s.variable);
  if (s.kind == StatementKind::kStore) places.emplace_back(s.buffer);
  for (BlockId block : {s.body, s.other}) {
    if (!block) continue;
    for (StatementId inner : function_.block(block).statements) append(places, sets(inner));
  }
  sort(places);
  return known.emplace(std::move(places));
}

bool Effects::can_change(StatementId statement, ExprId id) {
  const Places& set = sets(statement);
  return std::ranges::any_of(reads(id),
                             [&](Place place) { return std::ranges::binary_search(set, place); });
}

}  // namespace tenon::passes
