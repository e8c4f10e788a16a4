// Rebuilds a function through a LoopBuilder, so that what a pass writes folds like everything else.
// A pass derives from it and overrides what it changes; the base class copies.
#pragma once

#include <unordered_map>
#include <vector>

#include "ir/loop_builder.h"

namespace tenon::passes {

class Rewriter {
 public:
  explicit Rewriter(const ir::Function& from);
  virtual ~Rewriter() = default;
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  /// The rebuilt function; call once.
  ir::Function run();

 protected:
  /// Builds the expression anew from `get` of its operands.
  virtual ir::E rebuild(const ir::Expr& expr);

  /// Appends the statement's copy to the block that is open in the builder.
  virtual void statement(ir::StatementId id);

  /// The expression in the new function. The base class rebuilds each once for the variables that
  /// are bound now.
  virtual ir::E get(ir::ExprId id);

  /// As `get`, with none for none.
  ir::E get_if(ir::ExprId id) { return id ? get(id) : ir::E{}; }

  /// What the old variable stands for.
  ir::E variable(ir::VariableId id) const;

  /// From here on the old variable stands for `value`.
  void bind(ir::VariableId variable, ir::E value);
  void bind_register(ir::VariableId variable, ir::R value);

  /// The register that an old one became.
  const ir::R& target(ir::VariableId variable) const { return registers_.at(variable); }

  /// Copies the statements of a block.
  virtual void statements(ir::BlockId block);

  /// Copies a loop, with other bounds, step or kind if wanted.
  void copy_loop(const ir::Statement& loop, ir::E begin, ir::E end, int64_t step,
                 ir::LoopKind kind);

  const ir::Function& from_;
  ir::LoopBuilder builder_;

 private:
  /// An expression that is built, for the variables of this round of bindings.
  struct Built {
    ir::E value;
    uint32_t round = 0;
  };

  std::vector<ir::E> params_;
  std::vector<Built> built_;  // by expression
  uint32_t round_ = 1;
  std::vector<ir::E> variables_;  // none: not bound
  std::unordered_map<ir::VariableId, ir::R> registers_;
};

}  // namespace tenon::passes
