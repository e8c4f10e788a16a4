// What expressions read and what statements set: variables and buffers.
#pragma once

#include <unordered_map>
#include <unordered_set>
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

 private:
  static constexpr uint64_t kFirstBuffer = uint64_t{1} << 32;
  uint64_t code_;
};

struct PlaceHash {
  size_t operator()(Place place) const { return place.hash(); }
};

using PlaceSet = std::unordered_set<Place, PlaceHash>;

/// Answers for one function, which must not change meanwhile.
class Effects {
 public:
  explicit Effects(const ir::Function& function) : function_(function) {}

  /// Every variable and every buffer that the expression's value depends on, variables first.
  const std::vector<Place>& reads(ir::ExprId id);

  /// Every variable that the statement or one in its blocks declares or assigns, and every buffer
  /// that they store to.
  const PlaceSet& sets(ir::StatementId id);

  bool loads(ir::ExprId id) { return !reads(id).empty() && reads(id).back().is_buffer(); }

  /// Whether running the statement can change the expression's value.
  bool can_change(ir::StatementId statement, ir::ExprId id);

 private:
  const ir::Function& function_;
  std::unordered_map<ir::ExprId, std::vector<Place>> reads_;
  std::unordered_map<ir::StatementId, PlaceSet> sets_;
};

}  // namespace tenon::passes
