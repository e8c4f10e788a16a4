// The diagonal method for products of a small matrix and a vector (Halevi and Shoup, Algorithms in
// HElib, 2014): y = sum over r of turn^(B - r)(d_r * x) for B rows and columns, where the diagonal
// d_r[j] is matrix[(j + r) % B][j], * multiplies lane by lane, and a turn moves every lane one down
// and the first to the last place. A register may hold several such products beside each other.
//
// A tap of a convolution with groups is such a matrix for each group that has as many output as
// input channels, or several where these are more than a register has lanes.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tenon {

/// How the channels of a convolution's groups lie in registers of `width` lanes.
struct Diagonals {
  int64_t block;     ///< rows and columns of a matrix; divides the channels of a group
  int64_t channels;  ///< of a register: those of whole blocks; lanes behind them are not used

  /// For groups of that many channels. Those of one block share registers.
  Diagonals(int64_t group, int64_t width) : block(std::max<int64_t>(1, std::min(group, width))) {
    while (group % block != 0) --block;
    channels = block == group ? width / block * block : block;
  }
};

}  // namespace tenon
