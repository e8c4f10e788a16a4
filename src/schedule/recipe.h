// Recipes: hand-made loops for the heavy operators. A recipe says which nodes it takes, which
// layout their operands must have, and gives finished loops; the analytic model behind its choices
// reads only shapes and the target.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/target.h"
#include "ir/graph.h"
#include "ir/loop_scope.h"

namespace tenon::schedule {

/// What a recipe asks of the memory of a node's operand.
struct OperandLayout {
  bool channels_last =
      false;  ///< axis 1 innermost, then the axes from last to first (N, spatial..., C in memory)
  std::vector<int64_t>
      halo;  ///< zeros that must lie around it: befores, then afters, per axis; empty: none
  int unit_axis = -1;  ///< this axis must have stride 1; -1: any
};

struct Recipe {
  std::string_view name;
  /// Whether this recipe can make loops for the node as it stands (its weights packed as it wants
  /// them).
  bool (*applies)(const ir::Module& module, const ir::Node& node, const Target& target);
  OperandLayout (*operand_layout)(const ir::Module& module, const ir::Node& node, int operand);
  /// Whether its results are to lie channels last; else the last axis is innermost.
  bool channels_last_result;
  void (*loops)(ir::LoopScope& scope);
  /// Whether its loops can store only the largest element of each of these windows
  /// (`LoopScope::pooling`); null: never.
  bool (*pools)(const ir::Module& module, const ir::Node& node, const Target& target,
                std::span<const int64_t> window) = nullptr;
  /// Whether its loops should also compute `producer`, which makes the node's first operand, with
  /// its epilogue (`LoopScope::producer`); null: never.
  bool (*takes_producer)(const ir::Module& module, const ir::Node& node, const ir::Node& producer,
                         const Target& target) = nullptr;
};

/// All recipes; for a node the first that applies is taken.
std::span<const Recipe* const> recipes();

/// The recipe for a node, or nullptr: then the operator's naive loops are used.
const Recipe* find_recipe(const ir::Module& module, const ir::Node& node, const Target& target);

/// How a constant operand is packed.
struct Packing {
  int width = 0;          ///< of a panel; 0: not packed
  bool diagonal = false;  ///< of a filter: its diagonal form
};

/// How `pack-weights` should pack the constant operand of a node for the recipe that will take it.
Packing choose_packing(const ir::Module& module, const ir::Node& node, const Target& target);

/// A way to compute a convolution of a constant filter.
struct ConvForm {
  int tile;              ///< outputs of a tile of Winograd's algorithm along an axis; 1: directly
  int width;             ///< of a panel of the transformed filter
  int64_t filter_bytes;  ///< of the filter in this form
  double cycles;         ///< that one core is expected to take
};

/// The forms of a convolution, from the smallest filter to the largest, each clearly faster than
/// those before it: the direct one first, and no other where Winograd's algorithm cannot be used.
std::vector<ConvForm> conv_forms(const ir::Module& module, const ir::Node& node,
                                 const Target& target);

}  // namespace tenon::schedule
