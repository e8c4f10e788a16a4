#include "ir/loop_builder.h"

#include "base/result.h"
#include "ir/loop_constant.h"

namespace tenon::ir {

namespace {

constexpr VectorType kIndex = {DType::kInt64, 1};

}  // namespace

LoopBuilder::LoopBuilder(std::string name) {
  function_.name = std::move(name);
  function_.body = BlockId(0);
  function_.blocks.emplace_back();
  open_ = {function_.body};
  function_.task = declare("task", kIndex);
  function_.task_count = function_.round_count = integer(1).id;
}

Function LoopBuilder::finish() {
  TENON_CHECK(open_.size() == 1, "finish outside of all blocks");
  return std::move(function_);
}

BufferId LoopBuilder::buffer(std::string name, DType dtype, BufferKind kind, E extent) {
  function_.buffers.push_back({std::move(name), dtype, kind, extent.id});
  return BufferId(function_.buffers.size() - 1);
}

void LoopBuilder::also_reads(BufferId buffer) {
  BufferKind& kind = function_.buffers[buffer.index].kind;
  if (kind == BufferKind::kOutput) kind = BufferKind::kInOut;
}

E LoopBuilder::param(std::string name) {
  function_.params.push_back(std::move(name));
  auto index = static_cast<int64_t>(function_.params.size() - 1);
  return expr({.kind = ExprKind::kParam, .type = kIndex, .bits = index});
}

E LoopBuilder::tasks(E count, std::string name) {
  function_.variables[function_.task.index].name = std::move(name);
  function_.task_count = count.id;
  return read(function_.task);
}

E LoopBuilder::integer(int64_t value, DType dtype) {
  TENON_CHECK(!is_float(dtype), "an integer dtype");
  return expr(integer_constant(value, {dtype, 1}));
}

E LoopBuilder::number(double value, VectorType type) {
  TENON_CHECK(is_float(type.dtype), "a float dtype");
  return expr(float_constant(value, type));
}

E LoopBuilder::literal(Number value, VectorType type) {
  if (is_float(type.dtype)) {
    return number(value.is_real ? value.real : static_cast<double>(value.integer), type);
  }
  if (value.is_real) {
    std::optional<Expr> whole =
        fold_cast(float_constant(value.real, {DType::kFloat64, 1}), type.dtype);
    TENON_CHECK(whole && float_value(*whole) == value.real, "a whole number for an integer type");
    return expr(integer_constant(whole->bits, type));
  }
  return expr(integer_constant(value.integer, type));
}

E LoopBuilder::expr(const Expr& e) { return {this, function_.intern(e)}; }

VariableId LoopBuilder::declare(std::string name, VectorType type, bool is_register) {
  function_.variables.push_back({std::move(name), type, is_register});
  return VariableId(function_.variables.size() - 1);
}

E LoopBuilder::read(VariableId variable) {
  return expr({.kind = ExprKind::kVariable,
               .type = function_.variable(variable).type,
               .bits = variable.index});
}

void LoopBuilder::add(Statement statement) {
  StatementId id(function_.statements.size());
  function_.statements.push_back(statement);
  function_.block(open_.back()).statements.push_back(id);
}

BlockId LoopBuilder::block(const std::function<void()>& body) {
  BlockId id(function_.blocks.size());
  function_.blocks.emplace_back();
  open_.push_back(id);
  body();
  open_.pop_back();
  return id;
}

E LoopBuilder::let(std::string name, E value) {
  const bool is_leaf = is_constant(at(value)) || at(value).kind == ExprKind::kParam;
  if (is_leaf && fold_) return value;
  VariableId variable = declare(std::move(name), value.type());
  add({.kind = StatementKind::kLet, .variable = variable, .value = value.id});
  return read(variable);
}

R LoopBuilder::let_register(std::string name, E first) {
  VariableId variable = declare(std::move(name), first.type(), true);
  add({.kind = StatementKind::kLet, .variable = variable, .value = first.id});
  return {variable, read(variable)};
}

void LoopBuilder::assign(const R& reg, E value) {
  E target = reg.value;
  match(target, value);
  TENON_CHECK(target.id == reg.value.id, "a value with the register's lanes");
  add({.kind = StatementKind::kAssign, .variable = reg.variable, .value = value.id});
}

void LoopBuilder::store(BufferId buffer, E index, E value, E mask) {
  VectorType type = value.type().with(function_.buffer(buffer).dtype);
  if (value.type() != type && is_constant(at(value))) value = convert(value, type);
  if (fold_ && mask.id && mask.is(1)) mask = {};
  add({.kind = StatementKind::kStore,
       .buffer = buffer,
       .index = index.id,
       .value = value.id,
       .mask = mask.id});
}

void LoopBuilder::loop(std::string name, E begin, E end, int64_t step,
                       const std::function<void(E)>& body, LoopKind kind) {
  TENON_CHECK(step > 0, "a positive step");
  VariableId variable = declare(std::move(name), kIndex);
  BlockId inner = block([&] { body(read(variable)); });
  add({.kind = StatementKind::kFor,
       .variable = variable,
       .index = begin.id,
       .value = end.id,
       .body = inner,
       .number = step,
       .loop = kind});
}

void LoopBuilder::loop(std::string name, E end, const std::function<void(E)>& body, LoopKind kind) {
  loop(std::move(name), integer(0), end, 1, body, kind);
}

void LoopBuilder::if_then(E condition, const std::function<void()>& then,
                          const std::function<void()>& otherwise) {
  if (auto known = condition.constant(); known && fold_) {
    const auto& taken = *known != 0 ? then : otherwise;
    if (taken) taken();
    return;
  }
  BlockId body = block(then);
  BlockId other = otherwise ? block(otherwise) : BlockId();
  add({.kind = StatementKind::kIf, .value = condition.id, .body = body, .other = other});
}

void LoopBuilder::prefetch(BufferId buffer, E index, bool write) {
  add({.kind = StatementKind::kPrefetch, .buffer = buffer, .index = index.id, .number = write});
}

void LoopBuilder::check(E condition, int code) {
  if (fold_ && condition.is(1)) return;
  add({.kind = StatementKind::kCheck, .value = condition.id, .number = code});
}

}  // namespace tenon::ir
