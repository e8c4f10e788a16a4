// What expressions read and what statements set: variables and buffers.
#pragma once

#include <optional>
#include <vector>

#include "ir/loop.h"

namespace tenon::passes {

/// A variable or a buffer.
class Place {
 public:
  explicit Place(ir::VariableId id) : code_(id.index) {}
  explicit Place(ir::BufferId id) : code_(kFirstBuffer + id.index) {}
  auto operator<=>(const Place&) const = default;
  size_t hash() const { return code_; }
  bool is_buffer() const { return code_ >= kFirstBuffer; }
  /// Of a variable.
  ir::VariableId variable() const { return ir::VariableId(code_); }

 private:
  static constexpr uint64_t kFirstBuffer = uint64_t{1} << 32;
  uint64_t code_;
};

struct PlaceHash {
  size_t operator()(Place place) const { return place.hash(); }
};

/// In order, variables first, each once.
using Places = std::vector<Place>;

/// Answers for one function, which must not change meanwhile.
class Effects {
 public:
  explicit Effects(const ir::Function& function)
      : function_(function), reads_(function.exprs.size()), sets_(function.statements.size()) {}

  /// Every variable and every buffer that the expression's value depends on.
  const Places& reads(ir::ExprId id);

  /// Every variable that the statement or one in its blocks declares or assigns, and every buffer
  /// that they store to.
  const Places& sets(ir::StatementId id);

  bool loads(ir::ExprId id) { return !reads(id).empty() && reads(id).back().is_buffer(); }

  /// Whether running the statement can change the expression's value.
  bool can_change(ir::StatementId statement, ir::ExprId id);

 private:
  const ir::Function& function_;
  std::vector<std::optional<Places>> reads_, sets_;  // by expression, by statement
};

}  // namespace tenon::passes
