#include "driver/state_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unordered_map>

#include "base/sections.h"
#include "ir/dim_text.h"
#include "ir/loop_text.h"
#include "ir/text_cursor.h"
#include "ir/verify.h"

namespace tenon::driver {
namespace {

using ir::ValueId;

class Printer {
 public:
  explicit Printer(const State& state) : state_(state) {
    const std::vector<ValueId> values = ir::defined_values(state.module);
    for (size_t i = 0; i < values.size(); ++i) numbers_[values[i]] = i;
  }

  std::string print(std::string_view step) const {
    std::string out = fmt::format("after {} for {}\n", step, state_.target.name);
    out += fmt::format("==== module\n{}", ir::to_string(state_.module));
    if (state_.prepare) {
      out += fmt::format("==== prepare {}\n{}",
                         list(state_.prepare->results,
                              [this](ir::DataId data) { return value(parameter_with(data)); }),
                         ir::to_string(state_.prepare->module));
    }
    if (state_.kernels.empty()) return out;
    const bool distinct = !state_.function_of.empty();
    out += fmt::format("==== kernels{}\n", distinct ? " distinct" : "");
    for (size_t i = 0; i < state_.kernels.size(); ++i) {
      out += kernel(state_.kernels[i], distinct ? state_.function_of[i] : i);
    }
    const auto add_function = [&out](const ir::Function& function) {
      out += fmt::format("==== function\n{}", ir::to_string(function));
    };
    if (distinct) {
      for (const ir::Function& function : state_.functions) add_function(function);
    } else {
      for (const passes::Kernel& kernel : state_.kernels) add_function(kernel.function);
    }
    return out;
  }

 private:
  template <class Item, class ToText>
  static std::string list(const std::vector<Item>& items, ToText to_text) {
    std::vector<std::string> texts;
    for (const Item& item : items) texts.push_back(to_text(item));
    return fmt::format("[{}]", fmt::join(texts, ", "));
  }

  std::string value(ValueId id) const { return fmt::format("%{}", numbers_.at(id)); }

  ValueId parameter_with(ir::DataId data) const {
    for (ir::NodeId id : state_.module.graph.nodes) {
      const ir::Node& node = state_.module.node(id);
      if (node.op == ir::Op::kParameter && node.attrs.data("data") == data) return node.outputs[0];
    }
    internal_error("a result of prepare that no parameter takes", __FILE__, __LINE__);
  }

  std::string kernel(const passes::Kernel& kernel, size_t function) const {
    const ir::Dims& dims = state_.module.dims;
    return fmt::format(
        "kernel function {} buffers {} params {} nodes {} flops {} bytes {}{}\n", function,
        list(kernel.buffers, [this](ValueId id) { return value(id); }),
        list(kernel.params, [&dims](ir::Dim dim) { return dims.to_string(dim); }),
        list(kernel.nodes,
             [this](ir::NodeId id) { return value(state_.module.node(id).outputs[0]); }),
        dims.to_string(kernel.flops), dims.to_string(kernel.bytes),
        kernel.foreign.empty() ? "" : " foreign " + ir::quoted(kernel.foreign));
  }

  const State& state_;
  std::unordered_map<ValueId, size_t> numbers_;
};

class Reader {
 public:
  Reader(std::string_view text, const ir::DataResolver& resolve, State& state)
      : sections_(split_sections(text)), resolve_(resolve), state_(state) {}

  Result<std::string> read() {
    TENON_TRY(std::string step, located(sections_[0], head(sections_[0].body)));
    for (const Section& section : std::span(sections_).subspan(1)) {
      TENON_TRY_DO(located(section, read(section)));
    }
    TENON_TRY_DO(give_functions());
    if (std::string wrong = verify(state_); !wrong.empty()) return bad(wrong);
    return step;
  }

 private:
  static std::unexpected<Error> bad(std::string_view message) {
    return fail(ErrorKind::kBadModel, std::string(message));
  }

  /// An error in a section counts lines from the section's first.
  template <class T>
  static Result<T> located(const Section& section, Result<T> result) {
    if (!result) {
      for (Diagnostic& diagnostic : result.error().diagnostics) {
        diagnostic.message = fmt::format("in the part '{}' that begins at line {}: {}",
                                         section.title, section.line, diagnostic.message);
      }
    }
    return result;
  }

  Result<std::string> head(std::string_view text) {
    ir::TextCursor cursor(text);
    TENON_TRY_DO(cursor.expect("after"));
    TENON_TRY(const std::string_view step, cursor.number_text());
    TENON_TRY_DO(cursor.expect("for"));
    TENON_TRY(const std::string_view target, cursor.number_text());
    if (target != state_.target.name) {
      return fail(ErrorKind::kUsage,
                  fmt::format("this was made for {}, not for {}", target, state_.target.name), {},
                  fmt::format("give --target {}", target));
    }
    return std::string(step);
  }

  Result<void> read(const Section& section) {
    ir::TextCursor title(section.title);
    if (title.accept("module")) {
      TENON_TRY(state_.module, ir::parse_module(section.body, resolve_));
      values_ = ir::defined_values(state_.module);
      return {};
    }
    if (title.accept("prepare")) {
      passes::Prepare prepare;
      TENON_TRY_DO(list(title, [&]() -> Result<void> {
        TENON_TRY(const ir::NodeId node, node_of(title));
        if (state_.module.node(node).op != ir::Op::kParameter) return bad("expected a parameter");
        prepare.results.push_back(state_.module.node(node).attrs.data("data"));
        return {};
      }));
      TENON_TRY(prepare.module, ir::parse_module(section.body, resolve_));
      if (prepare.module.graph.outputs.size() != prepare.results.size()) {
        return bad("prepare has another number of outputs than its title says");
      }
      state_.prepare = std::move(prepare);
      return {};
    }
    if (title.accept("kernels")) {
      distinct_ = title.accept("distinct");
      ir::TextCursor cursor(section.body);
      while (!cursor.at_end()) TENON_TRY_DO(kernel(cursor));
      return {};
    }
    if (title.accept("function")) {
      TENON_TRY(state_.functions.emplace_back(), ir::parse_function(section.body));
      return {};
    }
    return title.error("expected 'module', 'prepare', 'kernels' or 'function'");
  }

  static Result<void> list(ir::TextCursor& cursor, auto item) {
    TENON_TRY_DO(cursor.expect("["));
    for (bool first = true; !cursor.accept("]"); first = false) {
      if (!first) TENON_TRY_DO(cursor.expect(","));
      TENON_TRY_DO(item());
    }
    return {};
  }

  Result<ValueId> value(ir::TextCursor& cursor) {
    const ir::TextCursor start = cursor;
    TENON_TRY_DO(cursor.expect("%"));
    TENON_TRY(const int64_t number, cursor.integer());
    if (number < 0 || static_cast<size_t>(number) >= values_.size()) {
      return start.error("no such value");
    }
    return values_[static_cast<size_t>(number)];
  }

  Result<ir::NodeId> node_of(ir::TextCursor& cursor) {
    const ir::TextCursor start = cursor;
    TENON_TRY(const ValueId result, value(cursor));
    const ir::NodeId node = state_.module.producer(result);
    if (!node) return start.error("expected the result of a node");
    return node;
  }

  Result<ir::Dim> dim(ir::TextCursor& cursor) { return parse_dim(cursor, state_.module.dims); }

  Result<void> kernel(ir::TextCursor& cursor) {
    passes::Kernel& kernel = state_.kernels.emplace_back();
    TENON_TRY_DO(cursor.expect("kernel"));
    TENON_TRY_DO(cursor.expect("function"));
    TENON_TRY(const int64_t function, cursor.integer());
    state_.function_of.push_back(static_cast<uint32_t>(function));
    TENON_TRY_DO(cursor.expect("buffers"));
    TENON_TRY_DO(list(cursor, [&]() -> Result<void> {
      TENON_TRY(kernel.buffers.emplace_back(), value(cursor));
      return {};
    }));
    TENON_TRY_DO(cursor.expect("params"));
    TENON_TRY_DO(list(cursor, [&]() -> Result<void> {
      TENON_TRY(kernel.params.emplace_back(), dim(cursor));
      return {};
    }));
    TENON_TRY_DO(cursor.expect("nodes"));
    TENON_TRY_DO(list(cursor, [&]() -> Result<void> {
      TENON_TRY(kernel.nodes.emplace_back(), node_of(cursor));
      return {};
    }));
    TENON_TRY_DO(cursor.expect("flops"));
    TENON_TRY(kernel.flops, dim(cursor));
    TENON_TRY_DO(cursor.expect("bytes"));
    TENON_TRY(kernel.bytes, dim(cursor));
    if (cursor.accept("foreign")) {
      TENON_TRY(kernel.foreign, cursor.quoted_text());
    }
    return {};
  }

  /// Every kernel names a function that is there; it moves into the kernel unless they share.
  Result<void> give_functions() {
    for (size_t i = 0; i < state_.kernels.size(); ++i) {
      const uint32_t function = state_.function_of[i];
      if (function >= state_.functions.size() || (!distinct_ && function != i)) {
        return bad(fmt::format("kernel {} has no function {}", i, function));
      }
    }
    if (distinct_) return {};
    for (size_t i = 0; i < state_.kernels.size(); ++i) {
      state_.kernels[i].function = std::move(state_.functions[i]);
    }
    state_.functions.clear();
    state_.function_of.clear();
    return {};
  }

  std::vector<Section> sections_;
  const ir::DataResolver& resolve_;
  State& state_;
  std::vector<ValueId> values_;
  bool distinct_ = false;
};

}  // namespace

std::string state_text(const State& state, std::string_view step) {
  return Printer(state).print(step);
}

Result<std::string> read_state(std::string_view text, const ir::DataResolver& resolve,
                               State& state) {
  return Reader(text, resolve, state).read();
}

std::string verify(const State& state) {
  if (std::string wrong = ir::verify(state.module); !wrong.empty()) return wrong;
  const auto wrong_in = [](const ir::Function& function) {
    std::string wrong = ir::verify(function);
    return wrong.empty() ? wrong : fmt::format("{}: {}", function.name, wrong);
  };
  for (const ir::Function& function : state.functions) {
    if (std::string wrong = wrong_in(function); !wrong.empty()) return wrong;
  }
  if (!state.function_of.empty()) return {};
  for (const passes::Kernel& kernel : state.kernels) {
    if (std::string wrong = wrong_in(kernel.function); !wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace tenon::driver
