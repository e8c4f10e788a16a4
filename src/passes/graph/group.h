// Which nodes become one kernel.
#pragma once

#include "base/target.h"
#include "ir/graph.h"

namespace tenon::passes {

struct GroupOptions {
  bool fuse_epilogues = true;  ///< elementwise readers join the node that makes their operand
  bool fuse_producers = true;  ///< elementwise operands with one reader join it; an anchor has that
                               ///< of its first operand along where its recipe takes it
  size_t most_nodes = 24;      ///< of one group: bounds registers and code size
};

/// *Needs*: a clean graph. *Gives*: `module.groups`: every node but leaves and views is in exactly
/// one group; a group has one result that others read, unless its anchor is a node with several
/// results or foreign, which then stands alone. A max pool goes along with the node before it where
/// that one's recipe can do both, and so does the group that makes an anchor's first operand. *Why
/// here*: after all graph rewrites, since groups name nodes; before `place`, since values inside a
/// group need no memory.
void group(ir::Module& module, const Target& target, const GroupOptions& options);

/// The max pool, of windows side by side, that reads the anchor's result within the group; none
/// where there is none.
ir::NodeId pool_of(const ir::Module& module, const ir::Group& group);

/// The part of a group that makes an operand of the anchor, with an anchor of its own; without
/// nodes where there is none.
ir::Group producer_of(const ir::Module& module, const ir::Group& group);

/// The value of a group that other groups read, where it has just one; of a lone node with several
/// results, the first.
ir::ValueId group_result(const ir::Module& module, const ir::Group& group);

/// Values that a group reads and does not make itself, in order of first use, without duplicates.
std::vector<ir::ValueId> group_operands(const ir::Module& module, const ir::Group& group);

}  // namespace tenon::passes
