#include "codegen/emit.h"

#include <fmt/format.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/Local.h>
#include <llvm/Transforms/Utils/PromoteMemToReg.h>

#include <map>
#include <optional>
#include <utility>

#include "base/result.h"
#include "codegen/arithmetic.h"
#include "codegen/interleave.h"
#include "codegen/loop_nest.h"
#include "codegen/memory.h"

namespace tenon::codegen {
namespace {

using ir::ExprId;
using ir::ExprKind;
using llvm::BasicBlock;
using llvm::Value;

constexpr int64_t kScratchAlignment = 64;
constexpr int kExtentCode = 2;  // TENON_KERNEL_EXTENT

class Emitter {
 public:
  Emitter(const ir::Function& function, const Target& target, bool checked, llvm::Module& module);
  llvm::Function* run();

 private:
  /// Makes `block` the last one, so that the text reads in the order of the loops.
  void continue_in(BasicBlock* block);
  void remove_unused();
  void emit_entry();
  void emit_task_loop(Value* begin, Value* end);
  void require(Value* ok, int64_t code);

  void emit_block(ir::BlockId block);
  void emit_statement(const ir::Statement& statement);
  void emit_let(const ir::Statement& statement);
  void keep_order();
  void emit_for(const ir::Statement& statement);
  void emit_if(const ir::Statement& statement);
  /// Runs `body(counter)` while begin + i * step < end.
  void emit_loop(Value* begin, Value* end, int64_t step, const char* name,
                 const std::function<void(Value*)>& body);

  Value* value(ExprId id);
  Value* value_or_null(ExprId id) { return id ? value(id) : nullptr; }
  Value* emit_expr(const ir::Expr& expr);
  Value* emit_shuffle(const ir::Expr& expr);
  Value* emit_ramp(const ir::Expr& expr);
  bool is_stable(ExprId id);
  void forget(std::vector<ExprId>& known, size_t keep);

  const ir::Function& function_;
  const Target& target_;
  bool checked_;
  llvm::LLVMContext& context_;
  llvm::Function* kernel_ = nullptr;
  Builder builder_;
  std::optional<LoopNest> nest_;
  std::optional<Memory> memory_;
  std::vector<Value*> params_;
  std::vector<Value*> variables_;  // a register's alloca, else the value
  std::vector<llvm::AllocaInst*> registers_;
  BasicBlock* assigned_in_ = nullptr;     // where a register was assigned last
  int64_t steps_at_once_ = 1;             // of the innermost loop
  std::map<int64_t, BasicBlock*> exits_;  // by return code

  // The value of each expression where it is known. A stable one, that reads neither memory nor
  // registers, stays known to the end of the block that computed it; others to the end of the
  // statement.
  std::vector<Value*> known_;
  std::vector<ExprId> known_in_block_;
  std::vector<ExprId> known_in_statement_;
  std::vector<std::optional<bool>> stable_;
};

Emitter::Emitter(const ir::Function& function, const Target& target, bool checked,
                 llvm::Module& module)
    : function_(function),
      target_(target),
      checked_(checked),
      context_(module.getContext()),
      builder_(context_),
      variables_(function.variables.size()),
      known_(function.exprs.size()),
      stable_(function.exprs.size()) {
  auto* type = llvm::FunctionType::get(
      builder_.getInt32Ty(), {builder_.getPtrTy(), builder_.getInt64Ty(), builder_.getInt64Ty()},
      false);
  kernel_ = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, function.name, module);
  kernel_->setDoesNotThrow();
  std::string width = std::to_string(8 * target.vector_bytes);
  kernel_->addFnAttr("target-cpu", target.cpu);
  kernel_->addFnAttr("target-features", target.features);
  kernel_->addFnAttr("prefer-vector-width", width);
  kernel_->addFnAttr("min-legal-vector-width", width);
  kernel_->addFnAttr("frame-pointer", "none");
  nest_.emplace(builder_, *kernel_);
}

void Emitter::continue_in(BasicBlock* block) {
  block->moveAfter(&kernel_->back());
  builder_.SetInsertPoint(block);
}

llvm::Function* Emitter::run() {
  builder_.SetInsertPoint(nest_->new_block("entry"));
  emit_entry();
  emit_task_loop(kernel_->getArg(1), kernel_->getArg(2));
  builder_.CreateRet(builder_.getInt32(0));
  llvm::DominatorTree dominators(*kernel_);
  llvm::PromoteMemToReg(registers_, dominators);
  remove_unused();
  for (BasicBlock& block : *kernel_) interleave(block);
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  TENON_CHECK(!llvm::verifyFunction(*kernel_, &stream),
              fmt::format("codegen made a broken function of {}: {}", function_.name, problem));
  return kernel_;
}

/// Indices, of which addresses took the terms.
void Emitter::remove_unused() {
  for (BasicBlock& block : llvm::reverse(*kernel_)) {
    for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (llvm::isInstructionTriviallyDead(&instruction)) instruction.eraseFromParent();
    }
  }
}

void Emitter::emit_entry() {
  enum Field { kBuffers, kParams, kScratch, kNextWeights };
  llvm::Type* pointer = builder_.getPtrTy();
  auto* args_type = llvm::StructType::get(context_, {pointer, pointer, pointer, pointer});
  auto fixed_load = [&](llvm::Type* type, Value* address) {
    llvm::LoadInst* load = builder_.CreateLoad(type, address);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
    return load;
  };
  auto field = [&](Field number) {
    return fixed_load(pointer, builder_.CreateStructGEP(args_type, kernel_->getArg(0), number));
  };

  if (!function_.params.empty()) {
    Value* params = field(kParams);
    for (size_t i = 0; i < function_.params.size(); ++i) {
      Value* address = builder_.CreateConstInBoundsGEP1_64(builder_.getInt64Ty(), params, i);
      params_.push_back(fixed_load(builder_.getInt64Ty(), address));
    }
  }

  Value* pointers = function_.buffers.empty() ? nullptr : field(kBuffers);
  Value* scratch = nullptr;
  std::vector<BufferValue> buffers;
  for (const ir::Buffer& buffer : function_.buffers) {
    Value* extent = nullptr;
    if (buffer.extent && (checked_ || buffer.kind == ir::BufferKind::kScratch)) {
      extent = value(buffer.extent);
    }
    Value* address = nullptr;
    if (buffer.kind == ir::BufferKind::kScratch) {
      address = scratch ? scratch : field(kScratch);
      Value* bytes = builder_.CreateMul(extent, builder_.getInt64(ir::size_of(buffer.dtype)));
      Value* rounded =
          builder_.CreateAnd(builder_.CreateAdd(bytes, builder_.getInt64(kScratchAlignment - 1)),
                             builder_.getInt64(-kScratchAlignment));
      scratch = builder_.CreateGEP(builder_.getInt8Ty(), address, rounded);
    } else {
      TENON_CHECK(!scratch, "argument buffers come before scratch buffers");
      address = fixed_load(pointer,
                           builder_.CreateConstInBoundsGEP1_64(pointer, pointers, buffers.size()));
    }
    buffers.push_back({address, checked_ ? extent : nullptr});
  }
  memory_.emplace(builder_, *nest_, function_, target_, std::move(buffers),
                  [this](Value* ok) { require(ok, kExtentCode); });
}

void Emitter::emit_task_loop(Value* begin, Value* end) {
  emit_loop(begin, end, 1, "task", [&](Value* task) {
    variables_[function_.task.index] = task;
    emit_block(function_.body);
  });
}

void Emitter::require(Value* ok, int64_t code) {
  BasicBlock*& exit = exits_[code];
  if (!exit) {
    exit = nest_->new_block("exit");
    llvm::IRBuilderBase::InsertPointGuard guard(builder_);
    builder_.SetInsertPoint(exit);
    builder_.CreateRet(builder_.getInt32(static_cast<uint32_t>(code)));
  }
  BasicBlock* next = nest_->new_block("checked");
  builder_.CreateCondBr(ok, next, exit, llvm::MDBuilder(context_).createBranchWeights(1 << 20, 1));
  builder_.SetInsertPoint(next);
}

void Emitter::forget(std::vector<ExprId>& known, size_t keep) {
  for (; known.size() > keep; known.pop_back()) known_[known.back().index] = nullptr;
}

void Emitter::emit_block(ir::BlockId block) {
  size_t outside = known_in_block_.size();
  for (ir::StatementId id : function_.block(block).statements) {
    emit_statement(function_.statement(id));
    forget(known_in_statement_, 0);
  }
  forget(known_in_block_, outside);
}

void Emitter::emit_statement(const ir::Statement& statement) {
  switch (statement.kind) {
    case ir::StatementKind::kLet: return emit_let(statement);
    case ir::StatementKind::kAssign:
      builder_.CreateStore(value(statement.value), variables_[statement.variable.index]);
      assigned_in_ = builder_.GetInsertBlock();
      return;
    case ir::StatementKind::kStore: {
      Value* index = value(statement.index);
      Value* stored = value(statement.value);
      return memory_->store(statement.buffer, index, stored, value_or_null(statement.mask));
    }
    case ir::StatementKind::kFor: return emit_for(statement);
    case ir::StatementKind::kIf: return emit_if(statement);
    case ir::StatementKind::kPrefetch:
      return memory_->prefetch(statement.buffer, value(statement.index), statement.number != 0);
    case ir::StatementKind::kCheck: return require(value(statement.value), statement.number);
  }
}

void Emitter::emit_let(const ir::Statement& statement) {
  const ir::Variable& variable = function_.variable(statement.variable);
  if (variable.type.lanes > 1 && !is_stable(statement.value)) keep_order();
  Value* first = value(statement.value);
  Value*& place = variables_[statement.variable.index];
  if (!variable.is_register) {
    place = first;
    return;
  }
  BasicBlock& entry = kernel_->getEntryBlock();
  Builder at_entry(&entry, entry.begin());
  registers_.push_back(at_entry.CreateAlloca(value_type(context_, variable.type)));
  place = registers_.back();
  builder_.CreateStore(first, place);
}

/// Where a loop takes several steps at once, starts a block of its own for what follows an
/// assignment. Within a block instruction selection moves loads to those from neighbouring
/// addresses, from one step of a reduction to an earlier one, until accumulators spill.
void Emitter::keep_order() {
  if (steps_at_once_ == 1 || assigned_in_ != builder_.GetInsertBlock()) return;
  BasicBlock* next = nest_->new_block("next");
  builder_.CreateBr(next);
  builder_.SetInsertPoint(next);
}

void Emitter::emit_for(const ir::Statement& statement) {
  Value* begin = value(statement.index);
  Value* end = value(statement.value);
  forget(known_in_statement_, 0);
  const int64_t outside = std::exchange(steps_at_once_, statement.number);
  emit_loop(begin, end, statement.number, "loop", [&](Value* counter) {
    variables_[statement.variable.index] = counter;
    emit_block(statement.body);
  });
  steps_at_once_ = outside;
}

// Bottom-tested behind a guard, the form that LLVM's loop passes want.
void Emitter::emit_loop(Value* begin, Value* end, int64_t step, const char* name,
                        const std::function<void(Value*)>& body) {
  BasicBlock* before = builder_.GetInsertBlock();
  BasicBlock* after = nest_->new_block("after");
  nest_->enter();
  BasicBlock* top = nest_->new_block(name);
  Value* enters = builder_.CreateICmpSLT(begin, end);
  if (auto* constant = llvm::dyn_cast<llvm::ConstantInt>(enters)) {
    builder_.CreateBr(constant->isOne() ? top : after);
    if (constant->isZero()) before = nullptr;
  } else {
    builder_.CreateCondBr(enters, top, after);
  }
  builder_.SetInsertPoint(top);
  llvm::PHINode* counter = builder_.CreatePHI(builder_.getInt64Ty(), 2);
  if (before) counter->addIncoming(begin, before);
  body(counter);
  Value* next = builder_.CreateNSWAdd(counter, builder_.getInt64(step));
  counter->addIncoming(next, builder_.GetInsertBlock());
  builder_.CreateCondBr(builder_.CreateICmpSLT(next, end), top, after);
  nest_->leave();
  continue_in(after);
}

void Emitter::emit_if(const ir::Statement& statement) {
  Value* condition = value(statement.value);
  forget(known_in_statement_, 0);
  BasicBlock* then = nest_->new_block("then");
  BasicBlock* after = nest_->new_block("after");
  BasicBlock* otherwise = statement.other ? nest_->new_block("else") : after;
  builder_.CreateCondBr(condition, then, otherwise);
  builder_.SetInsertPoint(then);
  emit_block(statement.body);
  builder_.CreateBr(after);
  if (statement.other) {
    continue_in(otherwise);
    emit_block(statement.other);
    builder_.CreateBr(after);
  }
  continue_in(after);
}

bool Emitter::is_stable(ExprId id) {
  if (stable_[id.index]) return *stable_[id.index];
  const ir::Expr& expr = function_.expr(id);
  bool stable = true;
  if (expr.kind == ExprKind::kLoad || expr.kind == ExprKind::kGather) {
    stable = false;
  } else if (expr.kind == ExprKind::kVariable) {
    stable = !function_.variables[static_cast<size_t>(expr.bits)].is_register;
  }
  for (ExprId operand : {expr.a, expr.b, expr.c}) {
    if (stable && operand) stable = is_stable(operand);
  }
  stable_[id.index] = stable;
  return stable;
}

Value* Emitter::value(ExprId id) {
  Value*& known = known_[id.index];
  if (!known) {
    known = emit_expr(function_.expr(id));
    (is_stable(id) ? known_in_block_ : known_in_statement_).push_back(id);
  }
  return known;
}

Value* Emitter::emit_expr(const ir::Expr& expr) {
  auto operand_dtype = [&] { return function_.expr(expr.a).type.dtype; };
  switch (expr.kind) {
    case ExprKind::kInteger:
      return llvm::ConstantInt::getSigned(value_type(context_, expr.type), expr.bits);
    case ExprKind::kFloat: return float_constant(context_, expr.type, ir::float_value(expr));
    case ExprKind::kParam: return params_[static_cast<size_t>(expr.bits)];
    case ExprKind::kVariable: {
      auto index = static_cast<size_t>(expr.bits);
      if (!function_.variables[index].is_register) return variables_[index];
      return builder_.CreateLoad(value_type(context_, expr.type), variables_[index]);
    }
    case ExprKind::kFma:
      return emit_fma(builder_, expr.type.dtype, value(expr.a), value(expr.b), value(expr.c));
    case ExprKind::kSelect:
      return builder_.CreateSelect(value(expr.a), value(expr.b), value(expr.c));
    case ExprKind::kCast:
      return emit_cast(builder_, value(expr.a), operand_dtype(), expr.type.dtype);
    case ExprKind::kBitcast:
      return builder_.CreateBitCast(value(expr.a), value_type(context_, expr.type));
    case ExprKind::kBroadcast: return builder_.CreateVectorSplat(expr.type.lanes, value(expr.a));
    case ExprKind::kRamp: return emit_ramp(expr);
    case ExprKind::kExtract: {
      Value* vector = value(expr.a);
      return vector->getType()->isVectorTy()
                 ? builder_.CreateExtractElement(vector, static_cast<uint64_t>(expr.bits))
                 : vector;
    }
    case ExprKind::kShuffle: return emit_shuffle(expr);
    case ExprKind::kReduceAdd:
    case ExprKind::kReduceMul:
    case ExprKind::kReduceMin:
    case ExprKind::kReduceMax:
      return emit_reduce(builder_, expr.kind, expr.type.dtype, value(expr.a));
    case ExprKind::kLoad: {
      Value* index = value(expr.a);
      return memory_->load(expr.buffer, index, expr.type.lanes, value_or_null(expr.b));
    }
    case ExprKind::kGather: {
      Value* indices = emit_cast(builder_, value(expr.a), operand_dtype(), ir::DType::kInt64);
      return memory_->gather(expr.buffer, indices, value_or_null(expr.b));
    }
    default: break;
  }
  if (ir::is_compare(expr.kind)) {
    Value* a = value(expr.a);
    return emit_compare(builder_, expr.kind, operand_dtype(), a, value(expr.b));
  }
  if (ir::is_binary(expr.kind)) {
    Value* a = value(expr.a);
    return emit_binary(builder_, expr.kind, expr.type.dtype, a, value(expr.b));
  }
  return emit_unary(builder_, expr.kind, expr.type.dtype, value(expr.a));
}

Value* Emitter::emit_ramp(const ir::Expr& expr) {
  llvm::Type* type = value_type(context_, {expr.type.dtype, 1});
  llvm::SmallVector<llvm::Constant*> steps;
  for (int64_t i = 0; i < expr.type.lanes; ++i) {
    steps.push_back(llvm::ConstantInt::getSigned(type, i * expr.bits));
  }
  if (steps.size() == 1) return value(expr.a);
  return builder_.CreateAdd(builder_.CreateVectorSplat(expr.type.lanes, value(expr.a)),
                            llvm::ConstantVector::get(steps));
}

Value* Emitter::emit_shuffle(const ir::Expr& expr) {
  auto as_vector = [&](Value* operand) {
    return operand->getType()->isVectorTy() ? operand : builder_.CreateVectorSplat(1, operand);
  };
  Value* a = as_vector(value(expr.a));
  Value* b = as_vector(value(expr.b));
  const std::vector<int>& lanes = function_.shuffles[static_cast<size_t>(expr.bits)];
  Value* shuffled = builder_.CreateShuffleVector(a, b, lanes);
  return lanes.size() == 1 ? builder_.CreateExtractElement(shuffled, uint64_t{0}) : shuffled;
}

}  // namespace

llvm::Function* emit(const ir::Function& function, const Target& target, bool checked,
                     llvm::Module& module) {
  return Emitter(function, target, checked, module).run();
}

}  // namespace tenon::codegen
