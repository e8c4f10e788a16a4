// The loop language: a kernel as loops over flat buffers, with scalars, vectors and registers.
//
// Semantics
//
// Function. A kernel is called as kernel(args, begin, end) and runs its body once per task number
// in [begin, end), in order. A step's tasks come in `round_count` rounds of equally many; a round
// begins when the one before it has ended. Tasks of one round may run in any order, on different
// threads at once, so a task reads what tasks of earlier rounds wrote, but never what another task
// of its own round writes. `task_count` (of all rounds, a multiple of `round_count`) and
// `round_count` (>= 1) are expressions over the parameters only.
//
// Types. A type is an element type and a number of lanes; one lane is a scalar. Lanes are
// independent. All operands of an expression have its lanes; `broadcast` is explicit. A constant
// of several lanes holds its value in each. Indices and parameters are i64; gather also takes i32
// indices.
//
// Integers wrap around (two's complement). `div` and `rem` truncate towards zero; `floor_div` and
// `floor_mod` round towards minus infinity (floor_mod has the divisor's sign, also for floats).
// Division by zero and a shift by the width or more give an unspecified value, never a trap. `shr`
// is arithmetic for signed types.
//
// Floats. Every operation rounds to its type, to nearest even; nothing is contracted or
// reassociated after the loops exist: `fma` says where one rounding is wanted. min(a, b) is a if
// a < b, else b; max(a, b) is a if a > b, else b (so a NaN in b comes through). `round` is to
// nearest even. f16 and bf16 are storage: only load, store, cast, select, bitcast and lane moves
// take them. Comparisons with NaN are false, `ne` true. Casting a float to an integer truncates;
// out of range gives an unspecified value. A cast to bool is "not equal to zero".
//
// Booleans are 0 or 1; and, or, xor, not, select, compare and mask take them. In memory a bool is a
// byte.
//
// Lanes. broadcast(a) repeats a scalar; ramp(a, stride) is a, a + stride, a + 2 * stride, ...;
// extract takes one lane; shuffle picks lanes from the concatenation of a and b. reduce_* halve:
// lane i joins lane i + ceil(lanes / 2), until one lane is left. bitcast keeps the bytes (lane 0
// first, little endian): the lanes change where the element sizes differ.
//
// Memory. A buffer is an array of one element type; an index counts elements. A vector load or
// store touches `lanes` consecutive elements, of any alignment; lanes whose mask is false are not
// touched and read as zero. `gather` takes a vector of indices. An argument buffer overlaps no
// other one; an update in place is one buffer, read and written. Scratch buffers belong to the
// thread, hold nothing at the start of a task, and keep nothing after it.
//
// Order. Statements run in order; the loads of an expression happen where the statement that holds
// it stands. A `let` therefore pins a load. Registers are variables that `assign` changes; they
// exist from their first value to the end of that block. Loops run while var < end, adding `step`
// (> 0) each time; begin and end are evaluated once, before the loop. check(condition, code) ends
// the call with the non-zero status `code` when the condition is false.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "ir/dtype.h"

namespace tenon::ir {

using ExprId = Id<struct ExprTag>;
using VariableId = Id<struct VariableTag>;
using BufferId = Id<struct BufferTag>;
using BlockId = Id<struct BlockTag>;
using StatementId = Id<struct StatementTag>;

enum class ExprKind : uint8_t {
#define EXPR(name, text, arity) name,
#include "ir/loop.def"
};

/// An element type and a number of lanes.
struct VectorType {
  DType dtype = DType::kInt64;
  uint16_t lanes = 1;
  bool operator==(const VectorType&) const = default;
  VectorType with(DType other) const { return {other, lanes}; }
};

/// One interned expression. Fields that a kind does not use are zero or none.
struct Expr {
  ExprKind kind;
  VectorType type;
  ExprId a, b, c;   ///< operands; load, gather: a = index or indices, b = mask or none
  BufferId buffer;  ///< load, gather
  /// integer: the value, in the dtype's range (u64: its bits); float: the bits of a double that the
  /// dtype holds exactly; param, variable: the index; extract: the lane; ramp: the stride; shuffle:
  /// the index into Function::shuffles.
  int64_t bits = 0;
  bool operator==(const Expr&) const = default;
};
static_assert(sizeof(Expr) <= 32);

enum class BufferKind : uint8_t { kInput, kOutput, kInOut, kScratch };

struct Buffer {
  std::string name;
  DType dtype;
  BufferKind kind;
  ExprId extent;  ///< elements, over parameters; required for scratch, else none when unknown
};

struct Variable {
  std::string name;
  VectorType type;
  bool is_register = false;
};

enum class StatementKind : uint8_t { kLet, kAssign, kStore, kFor, kIf, kPrefetch, kCheck };

/// How a loop is to be executed. `kVector` marks a naive loop whose iterations are independent or a
/// reduction into registers, for `vectorise` to widen.
enum class LoopKind : uint8_t { kSerial, kVector };

struct Statement {
  StatementKind kind;
  VariableId variable;  ///< let, assign: the target; for: the counter
  BufferId buffer;      ///< store, prefetch
  ExprId index;         ///< store, prefetch; for: begin
  ExprId value;  ///< let (or a register's first), assign, store; for: end; if, check: condition
  ExprId mask;   ///< store: mask or none
  BlockId body, other;  ///< for, if: body; if: the else block or none
  int64_t number = 0;   ///< for: step; check: the code; prefetch: 0 read, 1 write
  LoopKind loop = LoopKind::kSerial;
};

struct Block {
  std::vector<StatementId> statements;
};

/// One kernel.
struct Function {
  std::string name;
  std::vector<Buffer> buffers;      ///< arguments in ABI order, then scratch
  std::vector<std::string> params;  ///< i64 parameters in ABI order
  std::vector<Variable> variables;
  std::vector<Expr> exprs;
  std::vector<Statement> statements;
  std::vector<Block> blocks;
  std::vector<std::vector<int>> shuffles;  ///< lane numbers into the concatenation of a and b
  ExprId task_count, round_count;
  VariableId task;
  BlockId body;

  const Expr& expr(ExprId id) const { return exprs[id.index]; }
  const Statement& statement(StatementId id) const { return statements[id.index]; }
  Statement& statement(StatementId id) { return statements[id.index]; }
  const Block& block(BlockId id) const { return blocks[id.index]; }
  Block& block(BlockId id) { return blocks[id.index]; }
  const Buffer& buffer(BufferId id) const { return buffers[id.index]; }
  const Variable& variable(VariableId id) const { return variables[id.index]; }

  /// The id of this expression: the same for equal ones.
  ExprId intern(const Expr& expr);

 private:
  /// Where the expression's number is or, free, belongs.
  uint32_t& slot_of(const Expr& expr);
  void add_slots();

  std::vector<uint32_t> slots_;  ///< a hash table: 0 for free, else 1 + the index of an expression
};

std::string_view to_string(ExprKind kind);
std::optional<ExprKind> find_expr_kind(std::string_view text);
int arity(ExprKind kind);
bool is_binary(ExprKind kind);  ///< two operands and a result of one type
bool is_compare(ExprKind kind);
bool is_math(ExprKind kind);
/// Floating-point operations on a lane of f32: two for a multiply-add, those of its expansion for a
/// math function, none for comparisons and what only moves or rounds.
int flops(ExprKind kind);
bool is_constant(const Expr& expr);  ///< an integer or float constant

/// "f32", "i64x4".
std::string to_string(VectorType type);

/// The number that a float or integer constant expression holds.
double float_value(const Expr& expr);

/// Text that `parse_function` (ir/loop_text.h) reads back.
std::string to_string(const Function& function);

}  // namespace tenon::ir
