// Values that depend on constants and parameters only.
#pragma once

#include <unordered_set>

#include "ir/graph.h"

namespace tenon::passes {

/// What `split_prepare` will take out of the run graph; kept up to date by the pass that adds
/// nodes.
class ConstantWork {
 public:
  explicit ConstantWork(const ir::Module& module);

  bool contains(ir::ValueId value) const;
  /// Takes in a node whose operands have been seen.
  void learn(ir::NodeId id);

 private:
  const ir::Module& module_;
  std::unordered_set<ir::NodeId> nodes_;
};

}  // namespace tenon::passes
