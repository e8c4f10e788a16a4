#include "interp/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "interp/loop_arithmetic.h"

namespace tenon::interp {
namespace {

using ir::ExprId;
using ir::ExprKind;

constexpr std::byte kPoison{0xAB};

/// Leaves the function with an error for the caller.
struct Stop {
  Error error;
};

class Run {
 public:
  Run(const ir::Function& function, std::span<void* const> buffers,
      std::span<const int64_t> params);

  /// The code of the check that failed, or 0.
  int32_t task(int64_t number);

 private:
  struct Memory {
    std::byte* data;
    std::optional<int64_t> extent;
  };

  int32_t block(ir::BlockId id);
  int32_t statement(const ir::Statement& statement);
  void set(ir::VariableId variable, const std::byte* lanes);
  void store(const ir::Statement& statement);

  const std::byte* lanes(ExprId id);
  void evaluate(const ir::Expr& expr, std::byte* result);
  void load(const ir::Expr& expr, std::byte* result);
  int64_t integer(ExprId id);
  bool condition(ExprId id) { return *reinterpret_cast<const bool*>(lanes(id)); }
  const bool* mask(ExprId id) { return id ? reinterpret_cast<const bool*>(lanes(id)) : nullptr; }
  /// The element of a buffer, after checking the index.
  std::byte* element(ir::BufferId buffer, int64_t index);
  /// Values that a statement computed are known to the next call of this.
  void next_statement() { ++now_; }

  const ir::Function& function_;
  std::span<const int64_t> params_;
  std::vector<Memory> memory_;
  std::vector<std::vector<std::byte>> scratch_;
  std::vector<std::vector<std::byte>> variables_;
  std::vector<std::vector<std::byte>> values_;  // of expressions
  std::vector<int64_t> computed_;               // the statement that computed each
  int64_t now_ = 1;
  int64_t operations_ = 0;
};

size_t bytes_of(ir::VectorType type) { return size_t{type.lanes} * ir::size_of(type.dtype); }

Run::Run(const ir::Function& function, std::span<void* const> buffers,
         std::span<const int64_t> params)
    : function_(function), params_(params), computed_(function.exprs.size()) {
  for (const ir::Variable& variable : function.variables) {
    variables_.emplace_back(bytes_of(variable.type));
  }
  for (const ir::Expr& expr : function.exprs) values_.emplace_back(bytes_of(expr.type));
  size_t next = 0;
  for (const ir::Buffer& buffer : function.buffers) {
    std::optional<int64_t> extent;
    if (buffer.extent) extent = integer(buffer.extent);
    if (buffer.kind == ir::BufferKind::kScratch) {
      TENON_CHECK(extent && *extent >= 0, "a size for " + buffer.name);
      scratch_.emplace_back(static_cast<size_t>(*extent) * ir::size_of(buffer.dtype));
      memory_.push_back({scratch_.back().data(), extent});
    } else {
      TENON_CHECK(next < buffers.size(), "memory for " + buffer.name);
      memory_.push_back({static_cast<std::byte*>(buffers[next++]), extent});
    }
  }
}

int32_t Run::task(int64_t number) {
  for (auto& bytes : scratch_) std::ranges::fill(bytes, kPoison);
  set(function_.task, reinterpret_cast<const std::byte*>(&number));
  return block(function_.body);
}

int32_t Run::block(ir::BlockId id) {
  for (ir::StatementId statement_id : function_.block(id).statements) {
    next_statement();
    if (int32_t code = statement(function_.statement(statement_id))) return code;
  }
  return 0;
}

int32_t Run::statement(const ir::Statement& statement) {
  switch (statement.kind) {
    case ir::StatementKind::kLet:
    case ir::StatementKind::kAssign: set(statement.variable, lanes(statement.value)); return 0;
    case ir::StatementKind::kStore: store(statement); return 0;
    case ir::StatementKind::kFor: {
      int64_t end = integer(statement.value);
      for (int64_t i = integer(statement.index); i < end; i += statement.number) {
        set(statement.variable, reinterpret_cast<const std::byte*>(&i));
        if (int32_t code = block(statement.body)) return code;
      }
      return 0;
    }
    case ir::StatementKind::kIf:
      if (condition(statement.value)) return block(statement.body);
      return statement.other ? block(statement.other) : 0;
    case ir::StatementKind::kPrefetch: return 0;
    case ir::StatementKind::kCheck:
      return condition(statement.value) ? 0 : static_cast<int32_t>(statement.number);
  }
  return 0;
}

void Run::set(ir::VariableId variable, const std::byte* lanes) {
  std::vector<std::byte>& place = variables_[variable.index];
  std::memcpy(place.data(), lanes, place.size());
}

std::byte* Run::element(ir::BufferId buffer, int64_t index) {
  const Memory& memory = memory_[buffer.index];
  const ir::Buffer& declared = function_.buffer(buffer);
  if (memory.extent && (index < 0 || index >= *memory.extent)) {
    throw Stop{{ErrorKind::kRuntime,
                {{fmt::format("{}: index {} is outside of buffer {} with {} elements",
                              function_.name, index, declared.name, *memory.extent)}}}};
  }
  return memory.data + index * ir::size_of(declared.dtype);
}

void Run::store(const ir::Statement& statement) {
  int64_t index = integer(statement.index);
  const std::byte* value = lanes(statement.value);
  const bool* wanted = mask(statement.mask);
  ir::VectorType type = function_.expr(statement.value).type;
  size_t size = ir::size_of(type.dtype);
  for (int i = 0; i < type.lanes; ++i) {
    if (!wanted || wanted[i]) {
      std::memcpy(element(statement.buffer, index + i), value + i * size, size);
    }
  }
}

const std::byte* Run::lanes(ExprId id) {
  std::vector<std::byte>& value = values_[id.index];
  if (computed_[id.index] == now_) return value.data();
  const ir::Expr& expr = function_.expr(id);
  operations_ += expr.type.lanes;
  if (operations_ > kMaxOperations) {
    throw Stop{{ErrorKind::kUnsupported,
                {{fmt::format("{} takes more than {} operations, too many to interpret",
                              function_.name, kMaxOperations)}}}};
  }
  evaluate(expr, value.data());
  computed_[id.index] = now_;
  return value.data();
}

void Run::evaluate(const ir::Expr& expr, std::byte* result) {
  auto index = static_cast<size_t>(expr.bits);
  switch (expr.kind) {
    case ExprKind::kParam: std::memcpy(result, &params_[index], sizeof(int64_t)); return;
    case ExprKind::kVariable:
      std::memcpy(result, variables_[index].data(), variables_[index].size());
      return;
    case ExprKind::kLoad:
    case ExprKind::kGather: return load(expr, result);
    default: break;
  }
  auto operand = [&](ExprId id) { return id ? lanes(id) : nullptr; };
  compute(function_, expr, {operand(expr.a), operand(expr.b), operand(expr.c)}, result);
}

void Run::load(const ir::Expr& expr, std::byte* result) {
  const std::byte* indices = lanes(expr.a);
  const bool* wanted = mask(expr.b);
  bool narrow = function_.expr(expr.a).type.dtype == ir::DType::kInt32;
  auto index = [&](int lane) -> int64_t {
    if (expr.kind == ExprKind::kLoad) return *reinterpret_cast<const int64_t*>(indices) + lane;
    return narrow ? reinterpret_cast<const int32_t*>(indices)[lane]
                  : reinterpret_cast<const int64_t*>(indices)[lane];
  };
  size_t size = ir::size_of(expr.type.dtype);
  std::memset(result, 0, bytes_of(expr.type));
  for (int i = 0; i < expr.type.lanes; ++i) {
    if (wanted && !wanted[i]) continue;
    std::memcpy(result + i * size, element(expr.buffer, index(i)), size);
    if (expr.type.dtype == ir::DType::kBool) result[i] = std::byte{result[i] != std::byte{0}};
  }
}

int64_t Run::integer(ExprId id) {
  int64_t number = 0;
  std::memcpy(&number, lanes(id), sizeof number);
  return number;
}

}  // namespace

Result<int32_t> run(const ir::Function& function, std::span<void* const> buffers,
                    std::span<const int64_t> params, int64_t begin, int64_t end) {
  try {
    Run run(function, buffers, params);
    for (int64_t task = begin; task < end; ++task) {
      if (int32_t code = run.task(task)) return code;
    }
    return 0;
  } catch (Stop& stop) {
    return std::unexpected(std::move(stop.error));
  }
}

}  // namespace tenon::interp
