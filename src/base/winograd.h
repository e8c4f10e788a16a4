// Winograd's minimal filtering (Arithmetic Complexity of Computations, 1980) for filters of three
// taps: `outputs` neighbouring results of a convolution along one axis from outputs + 2
// multiplications,
//
//   y = output * ((filter * w) . (input * x)),
//
// where . multiplies element by element. In two axes every matrix acts on both sides.
//
// Each product is the value of a polynomial at a point. The points are 0, pairs +-p, and infinity;
// p = 3/4 and 3/2 for four outputs lose the fewest digits (Barabasz et al., Error Analysis and
// Improving the Accuracy of Winograd Convolution, 2020), and all coefficients are exact.
#pragma once

#include <vector>

namespace tenon {

using Matrix = std::vector<std::vector<double>>;

struct Winograd {
  int outputs = 0;            ///< of a tile along one axis
  std::vector<double> pairs;  ///< p of each pair of points +-p

  /// Inputs of a tile along one axis; also the number of products.
  int inputs() const { return outputs + 2; }
  /// Products of a tile of two axes.
  int products() const { return inputs() * inputs(); }

  // Rows and columns that belong to points are in the order 0, p, -p, ..., infinity.
  Matrix input() const;   ///< [inputs][inputs]
  Matrix filter() const;  ///< [inputs][3]
  Matrix output() const;  ///< [outputs][inputs]
};

/// The algorithm with 2 or 4 outputs.
Winograd winograd(int outputs);

/// Coefficients, lowest power first, of the product over r in `roots` of (x - r).
std::vector<double> polynomial(const std::vector<double>& roots);

}  // namespace tenon
