// A parsed program of torch.export to a module: inputs and their payloads, names of values, memory
// that tensors share, and the list of what is missing.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "import/aten.h"
#include "import/emitter.h"
#include "import/missing.h"
#include "import/pt2/memory.h"
#include "import/pt2/node_context.h"
#include "import/pt2/operators.h"
#include "import/pt2/schema.h"
#include "import/pt2/sizes.h"

namespace tenon::import::pt2 {

class GraphImporter {
 public:
  GraphImporter(const Program& program, const Payloads& payloads, const ImportOptions& options);

  Result<ir::Module> run();
  /// The node at work.
  Where where() const { return emitter_.where(); }

 private:
  /// Made by something unsupported, which is already in the list.
  struct Missing {};
  /// A number that depends on the data of inputs. Only checks, which are left out, may read it.
  struct Undecided {};
  using Binding = std::variant<Missing, Undecided, TensorId, ir::Dim, bool, double, std::monostate>;

  struct Scope {
    const Graph* graph;
    std::unordered_map<std::string_view, Binding> names;
  };

  Result<void> bind_inputs();
  Result<void> bind_input(const AtenInput& input);
  Result<void> bind_outputs();
  Result<void> check_writes();
  Result<void> bind(std::string_view name, Binding binding);
  Result<Binding> lookup(std::string_view name);
  Binding size_named(const std::string& name);

  Result<void> import_nodes(const Graph& graph);
  Result<void> import_node(const Node& node);
  std::optional<Operator> operator_named(const std::string& name) const;
  Result<void> import_known(const Node& node, const Operator& row, bool in_place,
                            std::vector<NamedValue> arguments);
  Result<void> import_call(const Node& node, std::vector<NamedValue> arguments);
  Result<void> write_back(const Node& node, const NodeContext& context);
  Result<void> bind_results(const Node& node, const NodeContext& context);
  Result<void> bind_missing(const Node& node);

  /// The argument with values for names; `is_missing` is set when one of them is missing.
  Result<Value> resolve(const Argument& argument, bool& is_missing);
  /// The type that the file gives a value, if it gives one.
  Result<std::optional<ir::TensorType>> type_in_file(const std::string& name);
  Result<void> check_type(const std::string& name, ir::ValueId value);

  const Program& program_;
  const Payloads& payloads_;
  const ImportOptions& options_;
  ir::Module module_;
  Emitter emitter_;
  Memory memory_;
  Sizes sizes_;
  Scope* scope_ = nullptr;
  MissingList missing_;
};

}  // namespace tenon::import::pt2
