// Text of the graph language. print(parse(print(m))) is print(m): values are numbered in order of
// appearance, and everything that a module says is in its text.
//
//   module "resnet" {
//     input %0 "x": f32[batch, 3, 224, 224]
//     %1: f32[64, 3, 7, 7] = parameter() {data = @0123456789abcdef "conv1.weight"}
//     %2: f32[batch, 64, 112, 112] = conv(%0, %1, _) {groups = 1, ...} from "/conv1" "model.py:12"
//     output %2 "y"
//     place %2 {offset = 0, size = 802816*batch, strides = [802816, 12544, 112, 1]}
//     group [%2] anchor %2
//     size u0 = %3 at most 4*batch
//     limit batch 64
//   }
//
// A text after a value is its name, after data the name of the parameter; `_` is an absent operand;
// `from` gives a node's origin and, when known, its source line. `place %3 in %2` shares storage. A
// group names nodes by their first results. `size` says which scalar a symbol's value is
// read from while the model runs, `limit` how large a symbol can be. A comment runs
// from `//` to the end of its line.
//
// Data of at most 16 elements prints in full, a NaN as its bits; larger data prints as @ and the
// hash of its bytes, which a side table resolves; `_` is data that `prepare` will compute. Its type
// is that of the node's first result.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ir/graph.h"

namespace tenon::ir {

/// The values in the order in which the text of `module` defines them: value %i is the i-th.
std::vector<ValueId> defined_values(const Module& module);

/// Data that the text of `module` names by its hash, in order of appearance.
std::vector<DataId> hashed_data(const Module& module);

/// What data prints as behind the @: XXH64 of its bytes as 16 hexadecimal digits.
std::string data_hash(const Data& data);

/// Finds data by its printed hash; nothing when there is none. Only the bytes are taken from it;
/// the memory must outlive the module that is read.
using DataResolver = std::function<std::optional<Data>(std::string_view hash)>;

/// Reads a module. Errors name line and column. What is read is not verified further than its
/// text goes.
Result<Module> parse_module(std::string_view text, const DataResolver& resolve = {});

}  // namespace tenon::ir
