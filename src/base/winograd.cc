#include "base/winograd.h"

#include <cmath>

#include "base/result.h"

namespace tenon {
namespace {

std::vector<double> finite_points(const Winograd& winograd) {
  std::vector<double> points = {0};
  for (double p : winograd.pairs) points.insert(points.end(), {p, -p});
  return points;
}

std::vector<double> without(std::vector<double> points, size_t index) {
  points.erase(points.begin() + static_cast<std::ptrdiff_t>(index));
  return points;
}

}  // namespace

std::vector<double> polynomial(const std::vector<double>& roots) {
  std::vector<double> coefficients = {1};
  for (double root : roots) {
    coefficients.insert(coefficients.begin(), 0);
    for (size_t i = 0; i + 1 < coefficients.size(); ++i)
      coefficients[i] -= root * coefficients[i + 1];
  }
  return coefficients;
}

Matrix Winograd::input() const {
  const std::vector<double> points = finite_points(*this);
  Matrix rows;
  for (size_t i = 0; i < points.size(); ++i) {
    rows.push_back(polynomial(without(points, i)));
    rows.back().push_back(0);
  }
  rows.push_back(polynomial(points));
  return rows;
}

Matrix Winograd::filter() const {
  const std::vector<double> points = finite_points(*this);
  Matrix rows;
  for (size_t i = 0; i < points.size(); ++i) {
    double scale = 1;
    for (double other : without(points, i)) scale *= points[i] - other;
    rows.push_back({1 / scale, points[i] / scale, points[i] * points[i] / scale});
  }
  rows.push_back({0, 0, 1});
  return rows;
}

Matrix Winograd::output() const {
  Matrix rows;
  for (int i = 0; i < outputs; ++i) {
    rows.emplace_back();
    for (double point : finite_points(*this)) rows.back().push_back(std::pow(point, i));
    rows.back().push_back(i + 1 == outputs ? 1 : 0);
  }
  return rows;
}

Winograd winograd(int outputs) {
  TENON_CHECK(outputs == 2 || outputs == 4, "tiles have 2 or 4 outputs");
  return outputs == 2 ? Winograd{2, {1}} : Winograd{4, {0.75, 1.5}};
}

}  // namespace tenon
