#include "ir/loop_structure.h"

namespace tenon::ir {
namespace {

/// Appends numbers, seven bits a byte, so that most take one.
class Writer {
 public:
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
    bytes.push_back(static_cast<char>(value));
  }
  template <class Tag>
  void number(Id<Tag> id) {
    number(id ? uint64_t{id.index} + 1 : 0);
  }
  template <class... T>
  void numbers(T... values) {
    (number(values), ...);
  }
  template <class E>
  void kind(E value) {
    number(static_cast<uint64_t>(value));
  }
  void type(VectorType type) {
    kind(type.dtype);
    number(type.lanes);
  }

  std::string bytes;
};

}  // namespace

// A new field would have to be written below.
static_assert(sizeof(Expr) == 32 && sizeof(Statement) == 48);

std::string structure(const Function& function) {
  Writer out;
  out.numbers(function.buffers.size(), function.params.size(), function.variables.size(),
              function.exprs.size(), function.statements.size(), function.blocks.size(),
              function.shuffles.size());
  for (const Buffer& buffer : function.buffers) {
    out.kind(buffer.dtype);
    out.kind(buffer.kind);
    out.number(buffer.extent);
  }
  for (const Variable& variable : function.variables) {
    out.type(variable.type);
    out.number(variable.is_register);
  }
  for (const Expr& e : function.exprs) {
    out.kind(e.kind);
    out.type(e.type);
    out.numbers(e.a, e.b, e.c, e.buffer, static_cast<uint64_t>(e.bits));
  }
  for (const Statement& s : function.statements) {
    out.kind(s.kind);
    out.kind(s.loop);
    out.numbers(s.variable, s.buffer, s.index, s.value, s.mask, s.body, s.other,
                static_cast<uint64_t>(s.number));
  }
  for (const Block& block : function.blocks) {
    out.number(block.statements.size());
    for (StatementId statement : block.statements) out.number(statement);
  }
  for (const std::vector<int>& lanes : function.shuffles) {
    out.number(lanes.size());
    for (int lane : lanes) out.number(static_cast<uint64_t>(lane));
  }
  out.numbers(function.task_count, function.round_count, function.task, function.body);
  return std::move(out.bytes);
}

}  // namespace tenon::ir
