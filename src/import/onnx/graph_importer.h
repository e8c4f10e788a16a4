// A parsed ONNX model to a module: scopes of names, inputs with their open dims, initializers,
// functions, and the list of what is missing.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "import/emitter.h"
#include "import/missing.h"
#include "import/onnx.h"
#include "import/onnx/model.h"
#include "import/onnx/node_context.h"
#include "import/onnx/tensor_data.h"

namespace tenon::import::onnx {

class GraphImporter : public GraphContext {
 public:
  GraphImporter(const Model& model, TensorReader& tensors, const ImportOptions& options);

  Result<ir::Module> run();
  /// The node at work.
  Where where() const { return emitter_.where(); }

  Result<std::vector<ir::ValueId>> import_body(const Graph& body,
                                               std::span<const ir::ValueId> inputs) override;
  Result<ir::ValueId> import_tensor(const Tensor& tensor) override;

 private:
  /// What a name stands for. An initializer gets its value when it is first read.
  struct Binding {
    ir::ValueId value;
    std::shared_ptr<const List> list = nullptr;  ///< of a sequence, which has no value
    const Tensor* initializer = nullptr;
    bool missing = false;  ///< made by something unsupported, which is already in the list
  };

  struct Scope {
    Scope* outer = nullptr;
    std::unordered_map<std::string_view, Binding> names;
  };

  /// What the nodes of the main graph, or of one function call, are read in.
  struct Frame {
    const OpsetImports* opsets;
    AttributeList attributes;  ///< of the call
    std::string prefix;        ///< of node names: the call's name
    std::string source;        ///< of the call
  };

  Result<void> bind_inputs();
  Result<void> bind_outputs();
  Result<void> bind(std::string_view name, const Binding& binding);
  void bind_initializers(const Graph& graph);
  Result<Binding> lookup(std::string_view name);

  Result<void> import_nodes(const std::vector<Node>& nodes);
  Result<void> import_node(const Node& node);
  Result<void> import_operator(const Node& node, std::vector<Term> inputs,
                               const AttributeList& attributes);
  Result<void> import_call(const Node& node, const Function& function, std::vector<Term> inputs,
                           const AttributeList& attributes);
  Result<void> bind_results(const Node& node, const std::vector<Term>& results);
  Result<void> bind_missing(const Node& node);
  AttributeList resolve_attributes(const Node& node) const;
  ir::OriginId origin_of(const Node& node);
  /// The user's definition of the node's operator, or nullptr.
  const ops::CustomOperator* find_custom(const Node& node) const;
  const Function* find_function(const Node& node) const;

  const Model& model_;
  TensorReader& tensors_;
  const ImportOptions& options_;
  ir::Module module_;
  Emitter emitter_;
  Scope* scope_ = nullptr;
  const Frame* frame_ = nullptr;
  size_t depth_ = 0;
  size_t node_count_ = 0;
  MissingList missing_;
};

}  // namespace tenon::import::onnx
