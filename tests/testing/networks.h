// Small networks of the kinds that users bring, with random weights.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "testing/models.h"

namespace tenon::testing {

/// Layers on top of ModelBuilder, each with weights of its own.
class NetworkBuilder : public ModelBuilder {
 public:
  using Value = ir::ValueId;
  using Integers = std::vector<int64_t>;

  Value conv(Value x, int64_t outputs, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
    const Integers pads(4, kernel / 2);
    return add(
        ir::Op::kConv,
        {x, parameter({outputs, channels(x) / groups, kernel, kernel}), parameter({outputs})},
        {{"strides", Integers{stride, stride}},
         {"pads", pads},
         {"dilations", Integers{1, 1}},
         {"groups", groups}});
  }
  /// Convolution, normalisation, activation.
  Value conv_block(Value x, int64_t outputs, int64_t kernel, int64_t stride = 1, int64_t groups = 1,
                   ir::Op activation = ir::Op::kRelu) {
    const Value y = conv(x, outputs, kernel, stride, groups);
    const Value normal = add(ir::Op::kBatchNorm,
                             {y, parameter({outputs}), parameter({outputs}), parameter({outputs}),
                              add(ir::Op::kExp, {parameter({outputs})})},
                             {{"epsilon", 1e-5}});
    return add(activation, {normal});
  }
  Value up(Value x, int64_t outputs) {
    return add(ir::Op::kConvTranspose,
               {x, parameter({channels(x), outputs, 2, 2}), parameter({outputs})},
               {{"strides", Integers{2, 2}},
                {"pads", Integers(4, 0)},
                {"dilations", Integers{1, 1}},
                {"groups", int64_t{1}},
                {"output_padding", Integers{0, 0}}});
  }
  Value linear(Value x, int64_t outputs) {
    // The result is about as large as x: layers behind it do not magnify what this one rounds.
    const double scale = 1 / std::sqrt(static_cast<double>(last(x)));
    const Value y = add(ir::Op::kMatMul, {x, parameter({last(x), outputs}, scale)});
    return add(ir::Op::kAdd, {y, parameter({outputs})});
  }
  Value layer_norm(Value x) {
    return add(ir::Op::kLayerNorm, {x, parameter({last(x)}), parameter({last(x)})},
               {{"axes", int64_t{1}}, {"epsilon", 1e-5}});
  }
  Value max_pool(Value x) {
    return add(ir::Op::kMaxPool, {x},
               {{"kernel", Integers{2, 2}},
                {"strides", Integers{2, 2}},
                {"pads", Integers(4, 0)},
                {"dilations", Integers{1, 1}},
                {"ceil", false}});
  }
  Value mean(Value x, bool keep) {
    return add(ir::Op::kReduce, {x},
               {{"kind", std::string("mean")}, {"axes", Integers{2, 3}}, {"keep", keep}});
  }
  Value concat(std::vector<Value> parts) {
    return add(ir::Op::kConcat, std::move(parts), {{"axis", int64_t{1}}});
  }
  /// [batch, length, heads * size] to [batch, heads, length, size].
  Value heads(Value x, int64_t count) {
    const auto& dims = module.value(x).type.dims;
    const Value split =
        add(ir::Op::kReshape, {x},
            {{"dims", std::vector<ir::Dim>{dims[0], dims[1], count, last(x) / count}}});
    return add(ir::Op::kTranspose, {split}, {{"perm", Integers{0, 2, 1, 3}}});
  }
  /// The way back.
  Value merge(Value x) {
    const Value turned = add(ir::Op::kTranspose, {x}, {{"perm", Integers{0, 2, 1, 3}}});
    const auto& dims = module.value(turned).type.dims;
    return add(ir::Op::kReshape, {turned},
               {{"dims", std::vector<ir::Dim>{dims[0], dims[1], dims[2].value() * last(turned)}}});
  }
  /// A pre-norm transformer layer.
  Value transformer(Value x, int64_t count) {
    const int64_t width = last(x);
    const Value normal = layer_norm(x);
    const Value q = heads(linear(normal, width), count), k = heads(linear(normal, width), count),
                v = heads(linear(normal, width), count);
    const Value seen = add(ir::Op::kAttention, {q, k, v},
                           {{"scale", 0.125}, {"causal", true}, {"guarded", false}});
    x = add(ir::Op::kAdd, {x, linear(merge(seen), width)});
    const Value inner = add(ir::Op::kGelu, {linear(layer_norm(x), 4 * width)});
    return add(ir::Op::kAdd, {x, linear(inner, width)});
  }

 private:
  int64_t channels(Value x) const { return module.value(x).type.dims[1].value(); }
  int64_t last(Value x) const { return module.value(x).type.dims.back().value(); }
};

inline ir::Module residual_network() {
  NetworkBuilder m;
  auto x = m.conv_block(m.input("x", {1, 3, 64, 64}), 32, 7, 2);
  for (int64_t width : {32, 64, 128}) {
    const int64_t stride = width == 32 ? 1 : 2;
    const auto inner = m.conv(m.conv_block(x, width, 3, stride), width, 3);
    const auto shortcut = stride == 1 ? x : m.conv(x, width, 1, stride);
    x = m.add(ir::Op::kRelu, {m.add(ir::Op::kAdd, {inner, shortcut})});
  }
  m.output(m.linear(m.mean(x, false), 100));
  return m.module;
}

/// Expanded, depthwise and gated convolutions.
inline ir::Module mobile_network() {
  NetworkBuilder m;
  auto x = m.conv_block(m.input("x", {1, 3, 64, 64}), 16, 3, 2);
  for (int64_t width : {24, 40}) {
    const int64_t inner = 6 * width;
    auto y = m.conv_block(x, inner, 1, 1, 1, ir::Op::kHardSwish);
    y = m.conv_block(y, inner, width == 24 ? 3 : 5, 2, inner, ir::Op::kHardSwish);
    const auto gate = m.conv(m.conv_block(m.mean(y, true), width, 1), inner, 1);
    x = m.conv(m.add(ir::Op::kMul, {y, m.add(ir::Op::kSigmoid, {gate})}), width, 1);
  }
  m.output(m.linear(m.mean(x, false), 100));
  return m.module;
}

/// Grouped convolutions beside each other.
inline ir::Module grouped_network() {
  NetworkBuilder m;
  auto x = m.conv_block(m.input("x", {1, 32, 28, 28}), 64, 1);
  x = m.concat({m.conv_block(x, 64, 3, 1, 8), m.conv_block(x, 32, 3, 1, 2)});
  m.output(m.conv_block(x, 64, 1));
  return m.module;
}

/// Down, up, and a connection between.
inline ir::Module segmentation_network() {
  NetworkBuilder m;
  const auto fine = m.conv_block(m.input("x", {1, 3, 48, 48}), 32, 3);
  const auto coarse = m.conv_block(m.max_pool(fine), 64, 3);
  m.output(m.conv(m.conv_block(m.concat({m.up(coarse, 32), fine}), 32, 3), 2, 1));
  return m.module;
}

inline ir::Module transformer_network() {
  NetworkBuilder m;
  auto x = m.input("x", {1, 50, 192});
  for (int i = 0; i < 2; ++i) x = m.transformer(x, 3);
  m.output(m.layer_norm(x));
  return m.module;
}

inline ir::Module recurrent_network() {
  NetworkBuilder m;
  const auto x = m.input("x", {20, 1, 64});
  const auto layer = [&](ir::Op op, ir::ValueId from, int64_t gates, ir::Attrs attrs) {
    attrs.set("hidden", int64_t{64});
    attrs.set("reverse", false);
    std::vector<ir::ValueId> operands = {from, m.parameter({gates * 64, 64}, 0.1),
                                         m.parameter({gates * 64, 64}, 0.1),
                                         m.parameter({2 * gates * 64}, 0.1)};
    operands.resize(op == ir::Op::kLstm ? 6 : 5);
    return m.add(op, operands, std::move(attrs));
  };
  const auto squeezed = [&](ir::ValueId y) {
    return m.add(ir::Op::kReshape, {y}, {{"dims", std::vector<ir::Dim>{20, 1, 64}}});
  };
  const auto y = squeezed(layer(ir::Op::kLstm, x, 4, {}));
  m.output(m.linear(squeezed(layer(ir::Op::kGru, y, 3, {{"linear_before_reset", true}})), 10));
  return m.module;
}

inline ir::Module dense_network() {
  NetworkBuilder m;
  auto x = m.input("x", {8, 128});
  for (int64_t width : {512, 256}) x = m.add(ir::Op::kRelu, {m.linear(x, width)});
  m.output(m.linear(x, 10));
  return m.module;
}

/// By name.
inline const std::map<std::string, ir::Module>& networks() {
  static const std::map<std::string, ir::Module> all = {{"dense", dense_network()},
                                                        {"grouped", grouped_network()},
                                                        {"mobile", mobile_network()},
                                                        {"recurrent", recurrent_network()},
                                                        {"residual", residual_network()},
                                                        {"segmentation", segmentation_network()},
                                                        {"transformer", transformer_network()}};
  return all;
}

}  // namespace tenon::testing
