// What vectorising a loop asks of it: how each expression of its body changes from one iteration to
// the next, which registers it reduces into, and whether widening is possible at all.
#pragma once

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/loop.h"

namespace tenon::passes {

enum class Form : uint8_t {
  kUniform,  ///< the same in every iteration
  kLinear,   ///< an i64 that grows by a uniform stride
  kVarying,
};

/// A register from outside the loop that every iteration updates as `r = r op x` (or by fma).
struct Reduction {
  ir::VariableId variable;
  ir::ExprKind op;  ///< add, mul, min or max
};

class VectorAnalysis {
 public:
  /// `loop` is a `for` of `function`; both outlive this.
  VectorAnalysis(const ir::Function& function, const ir::Statement& loop);

  /// Whether the loop may be widened: no store to one element by all iterations, no branch, inner
  /// bound or check that differs between them, registers only as reductions, scalars only.
  bool can_widen() const { return can_widen_; }

  Form form(ir::ExprId id) const;
  bool is_counter(ir::VariableId id) const { return id == counter_; }
  Form form(ir::VariableId id) const;
  /// The value of a `let` of linear form.
  ir::ExprId definition(ir::VariableId id) const { return definitions_.at(id); }

  const std::vector<Reduction>& reductions() const { return reductions_; }
  bool is_reduction(ir::VariableId id) const;

  /// The element type that lanes are counted by: the narrowest float that is computed with, f16 and
  /// bf16 counting as f32; without floats the widest type that is loaded, stored or reduced.
  std::optional<ir::DType> lane_type() const { return lane_type_; }

  bool has_math() const { return has_math_; }
  bool has_inner_loop() const { return has_inner_loop_; }
  /// Whether masked vectors of everything that is accessed exist in hardware: 4 or 8 bytes each.
  bool is_maskable() const { return is_maskable_; }
  /// Distinct expressions that become vectors.
  size_t size() const { return size_; }

 private:
  void collect_variables(ir::BlockId block);
  bool settle_forms(ir::BlockId block);
  void examine(ir::BlockId block);
  void examine(const ir::Statement& statement);
  void examine_value(ir::ExprId id);
  void examine_access(ir::BufferId buffer, Form index);
  void count_lanes_by(ir::DType dtype);
  std::optional<ir::ExprKind> reduction_op(const ir::Statement& assign) const;
  bool reads_reduction(ir::ExprId id) const;
  bool set(ir::VariableId id, Form form);

  const ir::Function& function_;
  ir::VariableId counter_;
  std::unordered_map<ir::VariableId, Form>
      variables_;  // that the loop sets; all others are uniform
  std::unordered_map<ir::VariableId, ir::ExprId> definitions_;
  std::unordered_set<ir::VariableId> inner_registers_;
  std::vector<Reduction> reductions_;
  std::unordered_set<ir::ExprId> seen_;
  mutable std::unordered_map<ir::ExprId, Form> forms_;  // for the variables' forms of now
  mutable std::unordered_map<ir::ExprId, bool> reads_reduction_;
  bool can_widen_ = true;
  bool has_math_ = false, has_inner_loop_ = false, is_maskable_ = true;
  std::optional<ir::DType> lane_type_;
  size_t size_ = 0;
};

}  // namespace tenon::passes
