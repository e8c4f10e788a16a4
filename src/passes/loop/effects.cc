#include "passes/loop/effects.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

const std::vector<Place>& Effects::reads(ExprId id) {
  if (auto found = reads_.find(id); found != reads_.end()) return found->second;
  const Expr& expr = function_.expr(id);
  std::vector<Place> places;
  if (expr.kind == ExprKind::kVariable) {
    places.emplace_back(VariableId(static_cast<size_t>(expr.bits)));
  }
  if (expr.buffer) places.emplace_back(expr.buffer);
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (!operand) continue;
    const std::vector<Place>& more = reads(operand);
    places.insert(places.end(), more.begin(), more.end());
  }
  std::ranges::sort(places);
  places.erase(std::ranges::unique(places).begin(), places.end());
  return reads_[id] = std::move(places);
}

const PlaceSet& Effects::sets(StatementId id) {
  if (auto found = sets_.find(id); found != sets_.end()) return found->second;
  const Statement& s = function_.statement(id);
  PlaceSet places;
  if (s.variable) places.emplace(s.variable);
  if (s.kind == StatementKind::kStore) places.emplace(s.buffer);
  for (BlockId block : {s.body, s.other}) {
    if (!block) continue;
    for (StatementId inner : function_.block(block).statements) {
      const PlaceSet& more = sets(inner);
      places.insert(more.begin(), more.end());
    }
  }
  return sets_[id] = std::move(places);
}

bool Effects::can_change(StatementId statement, ExprId id) {
  const PlaceSet& set = sets(statement);
  return std::ranges::any_of(reads(id), [&](Place place) { return set.contains(place); });
}

}  // namespace tenon::passes
