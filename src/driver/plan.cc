#include "driver/plan.h"

#include <fmt/format.h>

#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/contains.h"
#include "driver/version.h"
#include "ops/op.h"

namespace tenon::driver {
namespace {

using ir::Dim;
using ir::Expr;
using ir::ExprKind;
using ir::ValueId;

constexpr uint64_t kAlign = 64;

/// The name of the symbol that `dim` is, if it is nothing more.
std::optional<std::string> symbol_name(const ir::Dims& dims, Dim dim) {
  const std::vector<ir::Term> terms = dims.terms(dim);
  if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1) return {};
  const ir::Atom& atom = dims.atom(terms[0].atoms[0]);
  if (atom.kind != ir::AtomKind::kSymbol) return {};
  return atom.symbol;
}

/// Slots by what computes them, so that equal numbers share one.
class Slots {
 public:
  explicit Slots(const ir::Module& module) : module_(module) {
    for (size_t k = 0; k < module.graph.inputs.size(); ++k) {
      const auto& dims = module.value(module.graph.inputs[k]).type.dims;
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        if (const auto symbol = symbol_name(module.dims, dims[axis])) {
          symbols_.try_emplace(*symbol, add(TENON_SLOT_DIM, k, axis));
        }
      }
    }
    for (size_t k = 0; k < module.read_sizes.size(); ++k) {
      const std::string& symbol = module.read_sizes[k].symbol;
      const Dim largest = module.dims.read_symbols().at(symbol);
      const uint32_t bound = limited(of(largest), symbol);
      symbols_.insert_or_assign(symbol, add(TENON_SLOT_READ, 0, bound, static_cast<int64_t>(k)));
    }
  }

  /// The slot of a symbol that some slot depends on.
  uint32_t of_symbol(const std::string& symbol) const { return symbols_.at(symbol); }

  /// At most the limit of `symbol`, if that has one.
  uint32_t limited(uint32_t slot, std::string_view symbol) {
    const auto limit = module_.dims.limits().find(symbol);
    if (limit == module_.dims.limits().end()) return slot;
    return add(TENON_SLOT_MIN, slot, constant(limit->second));
  }

  uint32_t constant(int64_t value) { return add(TENON_SLOT_CONSTANT, 0, 0, value); }

  uint32_t add(uint32_t op, uint32_t a, uint32_t b, int64_t value = 0) {
    const bool computes = op >= TENON_SLOT_ADD && op <= TENON_SLOT_MAX;
    if (computes && is_constant(a) && is_constant(b)) {
      return constant(fold(op, slots[a].value, slots[b].value));
    }
    auto [found, fresh] = known_.try_emplace({op, a, b, value}, slots.size());
    if (fresh) slots.push_back({op, a, b, 0, value});
    return found->second;
  }

  uint32_t of(Dim dim) {
    if (dim.is_constant()) return constant(dim.value());
    std::optional<uint32_t> sum;
    for (const ir::Term& term : module_.dims.terms(dim)) {
      uint32_t product = constant(term.coefficient);
      for (uint32_t atom : term.atoms)
        product = multiply(product, of_atom(module_.dims.atom(atom)));
      sum = sum ? add(TENON_SLOT_ADD, *sum, product) : product;
    }
    return *sum;
  }

  /// An expression of a loop function over its parameters.
  uint32_t of(const ir::Function& function, ir::ExprId id, std::span<const uint32_t> params) {
    const Expr& e = function.expr(id);
    auto binary = [&](uint32_t op) {
      return add(op, of(function, e.a, params), of(function, e.b, params));
    };
    switch (e.kind) {
      case ExprKind::kInteger: return constant(e.bits);
      case ExprKind::kParam: return params[e.bits];
      case ExprKind::kAdd: return binary(TENON_SLOT_ADD);
      case ExprKind::kSub: return binary(TENON_SLOT_SUB);
      case ExprKind::kMul: return binary(TENON_SLOT_MUL);
      case ExprKind::kDiv:
      case ExprKind::kFloorDiv: return binary(TENON_SLOT_FLOOR_DIV);
      case ExprKind::kRem:
      case ExprKind::kFloorMod: return binary(TENON_SLOT_MOD);
      case ExprKind::kMin: return binary(TENON_SLOT_MIN);
      case ExprKind::kMax: return binary(TENON_SLOT_MAX);
      default:
        TENON_CHECK(false, fmt::format("a size is made of sums and products, not {}",
                                       ir::to_string(e.kind)));
    }
    return 0;
  }

  std::vector<tenon_slot> slots;
  std::vector<std::string> unbound;  ///< symbols that no input shows
  std::vector<Dim> may_be_zero;      ///< divisors of that kind

 private:
  bool is_constant(uint32_t slot) const { return slots[slot].op == TENON_SLOT_CONSTANT; }

  static int64_t fold(uint32_t op, int64_t a, int64_t b) {
    switch (op) {
      case TENON_SLOT_ADD: return a + b;
      case TENON_SLOT_SUB: return a - b;
      case TENON_SLOT_MUL: return a * b;
      case TENON_SLOT_FLOOR_DIV: return a / b - (a % b < 0);
      case TENON_SLOT_MOD: return (a % b + b) % b;
      case TENON_SLOT_MIN: return std::min(a, b);
      default: return std::max(a, b);
    }
  }

  uint32_t multiply(uint32_t a, uint32_t b) {
    if (is_constant(a) && slots[a].value == 1) return b;
    return add(TENON_SLOT_MUL, a, b);
  }

  uint32_t of_atom(const ir::Atom& atom) {
    const bool divides = atom.kind == ir::AtomKind::kFloorDiv || atom.kind == ir::AtomKind::kMod;
    if (divides && module_.dims.is_read(atom.b) && !at_least_one(atom.b)) {
      may_be_zero.push_back(atom.b);
    }
    switch (atom.kind) {
      case ir::AtomKind::kSymbol:
        if (auto found = symbols_.find(atom.symbol); found != symbols_.end()) return found->second;
        unbound.push_back(atom.symbol);
        return constant(1);
      case ir::AtomKind::kFloorDiv: return add(TENON_SLOT_FLOOR_DIV, of(atom.a), of(atom.b));
      case ir::AtomKind::kMod: return add(TENON_SLOT_MOD, of(atom.a), of(atom.b));
      case ir::AtomKind::kMin: return add(TENON_SLOT_MIN, of(atom.a), of(atom.b));
      case ir::AtomKind::kMax: return add(TENON_SLOT_MAX, of(atom.a), of(atom.b));
    }
    std::unreachable();
  }

  /// max(1, size), or a sum with sizes of a number from 1 on.
  bool at_least_one(Dim divisor) const {
    const std::vector<ir::Term> terms = module_.dims.terms(divisor);
    if (terms.back().atoms.empty()) {
      return terms.back().coefficient > 0 && module_.dims.never_negative(divisor);
    }
    if (terms.size() != 1 || terms[0].coefficient < 1 || terms[0].atoms.size() != 1) return false;
    const ir::Atom& atom = module_.dims.atom(terms[0].atoms[0]);
    if (atom.kind != ir::AtomKind::kMax) return false;
    const auto is_positive = [](Dim dim) { return dim.is_constant() && dim.value() > 0; };
    return is_positive(atom.a) || is_positive(atom.b);
  }

  const ir::Module& module_;
  std::map<std::string, uint32_t> symbols_;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, int64_t>, uint32_t> known_;
};

class Planner {
 public:
  Planner(const ir::Module& module, std::span<const passes::Kernel> kernels,
          std::span<const ir::Function> functions, std::span<const uint32_t> function_of)
      : module_(module),
        kernels_(kernels),
        functions_(functions),
        function_of_(function_of),
        slots_(module) {}

  Result<Plan> run() {
    for (ValueId input : module_.graph.inputs) {
      plan_.inputs.push_back(binding(input, module_.value(input).name));
      bindings_.emplace(input, std::pair(TENON_BUFFER_INPUT, plan_.inputs.size() - 1));
    }
    for (size_t k = 0; k < module_.graph.outputs.size(); ++k) {
      const ValueId output = module_.graph.outputs[k];
      plan_.outputs.push_back(binding(output, module_.graph.output_names[k]));
      bindings_.emplace(output, std::pair(TENON_BUFFER_OUTPUT, k));
    }
    for (size_t i = 0; i < kernels_.size(); ++i) add_step(static_cast<uint32_t>(i));
    for (const ir::ReadSize& read : module_.read_sizes) locate(read);
    if (!slots_.unbound.empty()) {
      return fail(
          ErrorKind::kUnsupported,
          fmt::format("the size '{}' is not the size of any input dimension", slots_.unbound[0]),
          {},
          "fix it with --shape, or export the model so that an input has a dimension of that size");
    }
    if (!slots_.may_be_zero.empty()) {
      return fail(ErrorKind::kUnsupported,
                  fmt::format("a size is divided by {}, which the model's data decides and which "
                              "may be 0",
                              module_.dims.to_string(slots_.may_be_zero[0])));
    }
    plan_.slots = std::move(slots_.slots);
    return std::move(plan_);
  }

 private:
  uint32_t text(std::string_view name) {
    auto [found, fresh] = strings_.try_emplace(std::string(name), plan_.strings.size());
    if (fresh) plan_.strings.append(name).push_back('\0');
    return found->second;
  }

  uint32_t foreign(std::string_view name) {
    const uint64_t at = text(name);
    const auto found = std::ranges::find(plan_.foreign, at);
    const auto index = static_cast<size_t>(found - plan_.foreign.begin());
    if (found == plan_.foreign.end()) plan_.foreign.push_back(at);
    return static_cast<uint32_t>(functions_.size() + index);
  }

  tenon_binding binding(ValueId value, std::string_view name) {
    const ir::TensorType& type = module_.value(value).type;
    tenon_binding result = {};
    result.name = text(name);
    result.dtype = static_cast<uint32_t>(type.dtype);
    result.rank = static_cast<uint32_t>(type.rank());
    for (size_t axis = 0; axis < type.rank(); ++axis) {
      result.dims[axis] = slots_.of(type.dims[axis]);
      if (const auto symbol = symbol_name(module_.dims, type.dims[axis])) {
        result.dims[axis] = slots_.limited(result.dims[axis], *symbol);
      }
    }
    return result;
  }

  /// Says where the size lies, and from which step on.
  void locate(const ir::ReadSize& read) {
    tenon_slot& slot = slots_.slots[slots_.of_symbol(read.symbol)];
    const ir::Placement& place = module_.placements[read.value.index];
    TENON_CHECK(place.offset.is_constant(), "a size that is read from a known place");
    slot.a = buffer_of(place.storage);
    slot.step = known_from(read.value);
    slot.value = place.offset.value() * ir::size_of(ir::DType::kInt64);
  }

  uint32_t known_from(ValueId value) const {
    ir::NodeId producer = module_.producer(value);
    while (producer && ops::operator_of(module_.node(producer).op).traits.view) {
      producer = module_.producer(module_.node(producer).inputs[0]);
    }
    for (size_t i = 0; i < kernels_.size(); ++i) {
      if (contains(kernels_[i].nodes, producer)) return static_cast<uint32_t>(i) + 1;
    }
    return 0;
  }

  uint32_t buffer(ValueId storage, uint32_t step) {
    const uint32_t index = buffer_of(storage);
    tenon_buffer& buffer = plan_.buffers[index];
    if (used_.insert(index).second) buffer.first = step;
    buffer.last = step;
    return index;
  }

  uint32_t buffer_of(ValueId storage) {
    auto [found, fresh] = buffers_.try_emplace(storage, plan_.buffers.size());
    if (!fresh) return found->second;
    const ir::Value& value = module_.value(storage);
    tenon_buffer made = {};
    const uint32_t element = slots_.constant(ir::size_of(value.type.dtype));
    made.bytes =
        slots_.add(TENON_SLOT_MUL, slots_.of(module_.placements[storage.index].size), element);
    made.kind = TENON_BUFFER_ARENA;
    if (auto bound = bindings_.find(storage); bound != bindings_.end()) {
      made.kind = bound->second.first;
      made.index = static_cast<uint32_t>(bound->second.second);
    } else if (value.producer && module_.node(value.producer).attrs.has("data")) {
      made.kind = TENON_BUFFER_WEIGHT;
      made.offset = plan_.weight_bytes;
      const ir::DataId data = module_.node(value.producer).attrs.data("data");
      plan_.weights.push_back(data);
      const uint64_t bytes = value.type.element_count() * ir::size_of(value.type.dtype);
      plan_.weight_sizes.push_back(bytes);
      plan_.weight_bytes += (bytes + kAlign - 1) / kAlign * kAlign;
    }
    plan_.buffers.push_back(made);
    return found->second;
  }

  std::string step_name(const passes::Kernel& kernel) const {
    std::string name;
    for (ir::NodeId node : kernel.nodes) {
      const std::string origin = module_.where(node).node;
      if (!name.empty()) name += " + ";
      name += origin.empty() ? std::string(ir::info(module_.node(node).op).name) : origin;
      if (name.size() > 160) return name + " + ...";
    }
    return name;
  }

  void add_step(uint32_t i) {
    const passes::Kernel& kernel = kernels_[i];
    const ir::Function& function = functions_[function_of_[i]];
    tenon_step step = {};
    step.kernel = kernel.foreign.empty() ? function_of_[i] : foreign(kernel.foreign);
    step.name = text(step_name(kernel));
    step.first_buffer = static_cast<uint32_t>(plan_.step_buffers.size());
    step.buffer_count = static_cast<uint32_t>(kernel.buffers.size());
    for (ValueId storage : kernel.buffers) plan_.step_buffers.push_back(buffer(storage, i));
    std::vector<uint32_t> params;
    for (Dim param : kernel.params) params.push_back(slots_.of(param));
    step.first_param = static_cast<uint32_t>(plan_.step_params.size());
    step.param_count = static_cast<uint32_t>(params.size());
    plan_.step_params.insert(plan_.step_params.end(), params.begin(), params.end());
    step.tasks = slots_.of(function, function.task_count, params);
    step.rounds = slots_.of(function, function.round_count, params);
    step.scratch = scratch(function, params);
    step.flops = slots_.of(kernel.flops);
    step.bytes = slots_.of(kernel.bytes);
    plan_.steps.push_back(step);
  }

  /// The scratch buffers one after another, each aligned (codegen/codegen.h).
  uint32_t scratch(const ir::Function& function, std::span<const uint32_t> params) {
    uint32_t total = slots_.constant(0);
    for (const ir::Buffer& buffer : function.buffers) {
      if (buffer.kind != ir::BufferKind::kScratch) continue;
      uint32_t bytes = slots_.add(TENON_SLOT_MUL, slots_.of(function, buffer.extent, params),
                                  slots_.constant(ir::size_of(buffer.dtype)));
      bytes = slots_.add(TENON_SLOT_ADD, bytes, slots_.constant(kAlign - 1));
      bytes = slots_.add(TENON_SLOT_FLOOR_DIV, bytes, slots_.constant(kAlign));
      bytes = slots_.add(TENON_SLOT_MUL, bytes, slots_.constant(kAlign));
      total = slots_.add(TENON_SLOT_ADD, total, bytes);
    }
    return total;
  }

  const ir::Module& module_;
  std::span<const passes::Kernel> kernels_;
  std::span<const ir::Function> functions_;
  std::span<const uint32_t> function_of_;
  Slots slots_;
  Plan plan_;
  std::map<std::string, uint32_t> strings_;
  std::unordered_map<ValueId, uint32_t> buffers_;
  std::unordered_set<uint32_t> used_;  ///< buffers that a step has
  std::unordered_map<ValueId, std::pair<uint32_t, size_t>> bindings_;
};

}  // namespace

Result<Plan> make_plan(const ir::Module& module, std::span<const passes::Kernel> kernels,
                       std::span<const ir::Function> functions,
                       std::span<const uint32_t> function_of) {
  return Planner(module, kernels, functions, function_of).run();
}

}  // namespace tenon::driver
