// Kernels against what this machine can do at most, measured in the same run.
//
//   bench_kernels [--target x86-64-v3] [--threads 2] [--filter depthwise] [--seconds 0.3]
//
// A row is one shape: several layers of it with weights of their own, so that large weights come
// from memory as in a network; the time is the mean over layers of each one's best. What it reads
// and writes per second is held against what cores read at most that go through as many bytes again
// and again: of one layer with the weights of all, wherever caches or memory hold them; of a
// recurrent layer, without the products of its inputs, the matrix that it reads at every step.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/target.h"
#include "driver/compile.h"
#include "measure/roofline.h"
#include "ops/op.h"
#include "ops/tensor.h"
#include "runtime/abi.h"

namespace {

using namespace tenon;

/// A convolution of `size` x `size` positions; with kernel 0 a matrix product of `size` rows; with
/// gates a recurrent layer of `size` steps.
struct Shape {
  const char* kind;
  int64_t size, in, out, kernel = 0;
  int64_t stride = 1, groups = 1, gates = 0;

  bool is_recurrent() const { return gates > 0; }
  bool is_matmul() const { return kernel == 0 && !is_recurrent(); }
  /// Whether a layer can follow another one, there and back between the two widths.
  bool chains() const { return stride == 1 && in > 4 && !is_recurrent(); }
  int64_t pad() const { return stride == kernel ? 0 : kernel / 2; }
  int64_t weights() const {
    if (is_recurrent()) return gates * in * out;
    return is_matmul() ? in * out : out * (in / groups) * kernel * kernel;
  }
  std::string text() const {
    if (is_recurrent()) return fmt::format("{} {} steps of {}", kind, size, out);
    if (is_matmul()) return fmt::format("{} {}x{}x{}", kind, size, in, out);
    const std::string parts = groups == 1 || groups == in ? "" : fmt::format("/{}", groups);
    return fmt::format("{} {}x{} s{} {}->{}{} @{}", kind, kernel, kernel, stride, in, out, parts,
                       size);
  }
};

constexpr Shape kShapes[] = {
    {"conv", 56, 64, 64, 3},
    {"conv", 28, 128, 128, 3},
    {"conv", 14, 256, 256, 3},
    {"conv", 7, 512, 512, 3},
    {"conv", 56, 128, 128, 3, 2},
    {"conv", 28, 256, 256, 3, 2},
    {"conv", 56, 256, 512, 1, 2},
    {"pointwise", 56, 64, 256, 1},
    {"pointwise", 28, 128, 512, 1},
    {"pointwise", 14, 256, 1024, 1},
    {"pointwise", 7, 512, 2048, 1},
    {"pointwise", 112, 16, 96, 1},
    {"pointwise", 28, 32, 192, 1},
    {"pointwise", 14, 64, 384, 1},
    {"pointwise", 28, 58, 58, 1},
    {"stem", 224, 3, 64, 7, 2},
    {"stem", 224, 3, 32, 3, 2},
    {"stem", 224, 3, 64, 3},
    {"stem", 224, 3, 96, 4, 4},
    {"stem", 224, 3, 768, 16, 16},
    {"stem", 28, 1, 32, 3},
    {"depthwise", 112, 96, 96, 3, 1, 96},
    {"depthwise", 28, 192, 192, 3, 1, 192},
    {"depthwise", 14, 384, 384, 3, 1, 384},
    {"depthwise", 7, 960, 960, 3, 1, 960},
    {"depthwise", 28, 58, 58, 3, 1, 58},
    {"depthwise", 28, 240, 240, 5, 1, 240},
    {"depthwise", 14, 672, 672, 5, 1, 672},
    {"depthwise", 7, 1152, 1152, 5, 1, 1152},
    {"depthwise", 56, 96, 96, 7, 1, 96},
    {"depthwise", 14, 384, 384, 7, 1, 384},
    {"depthwise", 7, 768, 768, 7, 1, 768},
    {"depthwise", 112, 96, 96, 3, 2, 96},
    {"depthwise", 28, 192, 192, 3, 2, 192},
    {"depthwise", 28, 240, 240, 5, 2, 240},
    {"depthwise", 64, 48, 96, 7, 2, 48},
    {"grouped", 56, 128, 128, 3, 1, 32},
    {"grouped", 28, 256, 256, 3, 1, 32},
    {"grouped", 14, 512, 512, 3, 1, 32},
    {"grouped", 7, 1024, 1024, 3, 1, 32},
    {"grouped", 28, 104, 104, 3, 1, 13},
    {"grouped", 28, 168, 168, 3, 1, 7},
    {"grouped", 56, 128, 128, 3, 2, 32},
    {"grouped", 56, 256, 256, 3, 2, 32},
    {"grouped", 28, 512, 512, 3, 2, 32},
    {"grouped", 28, 240, 240, 1, 1, 20},
    {"gemm", 128, 768, 768, 0},
    {"gemm", 128, 768, 3072, 0},
    {"gemm", 197, 768, 3072, 0},
    {"gemm", 512, 1024, 1024, 0},
    {"gemm", 64, 784, 512, 0},
    {"gemm", 49, 512, 2048, 0},
    {"gemm", 16, 1024, 1024, 0},
    {"gemm", 8, 1024, 4096, 0},
    {"gemm", 4, 4096, 4096, 0},
    {"gemm", 1, 1024, 1024, 0},
    {"gemm", 1, 4096, 4096, 0},
    {.kind = "lstm", .size = 64, .in = 128, .out = 128, .gates = 4},
    {.kind = "lstm", .size = 64, .in = 256, .out = 256, .gates = 4},
    {.kind = "lstm", .size = 64, .in = 512, .out = 512, .gates = 4},
    {.kind = "gru", .size = 64, .in = 256, .out = 256, .gates = 3},
    {.kind = "gru", .size = 64, .in = 512, .out = 512, .gates = 3},
};

constexpr const char* kLayer = "layer";

/// Numbers between -limit and limit that look random.
void fill(ops::Tensor& tensor, float limit, uint32_t state) {
  for (float& x : std::span(reinterpret_cast<float*>(tensor.bytes()), tensor.count())) {
    state = state * 1664525 + 1013904223;
    x = (static_cast<float>(state >> 8) / (1 << 23) - 1) * limit;
  }
}

/// The layers of one shape as a model.
class Layers {
 public:
  explicit Layers(const Shape& shape)
      : shape_(shape),
        layer_(module.add_origin({kLayer, ""})),
        relu_(module.add_origin({"relu", ""})) {
    constexpr int64_t kWeightBytes = 48 << 20, kMost = 8;
    const int64_t count =
        std::clamp<int64_t>(kWeightBytes / (4 * shape.weights()), 2, kMost) / 2 * 2;
    std::vector<ir::Dim> dims = {1, shape.in, shape.size, shape.size};
    if (shape.is_matmul()) dims = {shape.size, shape.in};
    if (shape.is_recurrent()) dims = {shape.size, 1, shape.gates * shape.out};
    const ir::ValueId input = module.add_input({ir::DType::kFloat32, dims}, "x");
    ir::ValueId x = input;
    for (int64_t i = 0; i < count; ++i) {
      const bool back = shape.chains() && i % 2 == 1;
      const ir::ValueId y = layer(x, back ? shape.out : shape.in, back ? shape.in : shape.out);
      if (shape.chains()) {
        x = y;
      } else {
        output(y);
      }
    }
    if (shape.chains()) output(x);
  }

  ir::Module module;

 private:
  ir::ValueId layer(ir::ValueId x, int64_t in, int64_t out) {
    if (shape_.is_matmul()) return add(ir::Op::kMatMul, {x, parameter({in, out}, in)}, {});
    if (shape_.is_recurrent()) {
      // The gates' products with the inputs take the places of both the input and its matrix.
      const bool is_lstm = shape_.gates == 4;
      ir::Attrs attrs = {{"hidden", out}, {"reverse", false}};
      if (!is_lstm) attrs.set("linear_before_reset", true);
      return add(is_lstm ? ir::Op::kLstm : ir::Op::kGru,
                 {x, x, parameter({shape_.gates * out, out}, out)}, attrs);
    }
    const ir::Attrs attrs = {{"strides", std::vector<int64_t>(2, shape_.stride)},
                             {"pads", std::vector<int64_t>(4, shape_.pad())},
                             {"dilations", std::vector<int64_t>(2, 1)},
                             {"groups", shape_.groups}};
    const int64_t kernel = shape_.kernel, depth = in / shape_.groups;
    const int64_t terms = depth * kernel * kernel;
    const ir::ValueId filter = parameter({out, depth, kernel, kernel}, terms);
    const ir::ValueId bias = parameter({out}, terms);
    return add(ir::Op::kRelu, {add(ir::Op::kConv, {x, filter, bias}, attrs)}, {});
  }

  /// The node's first result.
  ir::ValueId add(ir::Op op, std::vector<ir::ValueId> inputs, ir::Attrs attrs) {
    const Result<ir::NodeId> node = ops::add_node(module, op, std::move(inputs), std::move(attrs),
                                                  op == ir::Op::kRelu ? relu_ : layer_);
    TENON_CHECK(node, "a shape of the table is well formed");
    return module.node(*node).outputs.front();
  }

  /// Of so many terms in a sum, which is as large as they are: no layer makes numbers denormal.
  ir::ValueId parameter(std::vector<int64_t> shape, int64_t terms) {
    ops::Tensor tensor(ir::DType::kFloat32, shape);
    fill(tensor, std::sqrt(3.0F / static_cast<float>(terms)), ++parameters_);
    const std::vector<ir::Dim> dims(shape.begin(), shape.end());
    const ir::DataId data = module.add_owned_data({tensor.dtype(), dims},
                                                  {tensor.bytes(), tensor.byte_count()}, "weights");
    return add(ir::Op::kParameter, {}, {{"data", data}});
  }

  void output(ir::ValueId value) {
    module.graph.outputs.push_back(value);
    module.graph.output_names.push_back(fmt::format("y{}", module.graph.outputs.size()));
  }

  const Shape& shape_;
  ir::OriginId layer_, relu_;
  uint32_t parameters_ = 0;
};

struct Options {
  std::string target = "native", filter;
  uint32_t threads = 1;
  double seconds = 0.3;
};

struct Cost {
  double seconds = 0, flops = 0, bytes = 0;  // of all layers
  int layers = 0;
};

void check(bool ok, const tenon_error& error) { TENON_CHECK(ok, error.message); }

/// The best time of each layer within `options.seconds`, summed.
Cost measure_layers(const ir::Module& module, const Options& options) {
  const driver::CompileOptions compile_options = {.target = options.target};
  Result<driver::CompiledModel> compiled = driver::compile(module, compile_options);
  TENON_CHECK(compiled, compiled.error().text());
  tenon_error error = {};
  const tenon_options load = {options.threads, nullptr};
  const std::unique_ptr<tenon_model, decltype(&tenon_free)> model(
      tenon_load_memory(compiled->artifact.bytes().data(), compiled->artifact.bytes().size(), &load,
                        &error),
      tenon_free);
  check(model != nullptr, error);
  const std::unique_ptr<tenon_context, decltype(&tenon_context_free)> context(
      tenon_context_create(model.get(), &error), tenon_context_free);
  const tenon_module& plan = *tenon_model_module(model.get());

  std::vector<ops::Tensor> tensors;
  auto runtime = [&](const tenon_tensor& like) {
    tenon_tensor tensor = like;
    tensors.emplace_back(static_cast<ir::DType>(like.dtype),
                         std::vector<int64_t>(like.dims, like.dims + like.rank));
    tensor.data = tensors.back().bytes();
    return tensor;
  };
  const std::vector<ir::Dim>& dims = module.value(module.graph.inputs[0]).type.dims;
  tenon_tensor input = {
      nullptr, static_cast<uint32_t>(ir::DType::kFloat32), static_cast<uint32_t>(dims.size()), {}};
  std::ranges::transform(dims, input.dims, [](ir::Dim d) { return d.value(); });
  input = runtime(input);
  fill(tensors.back(), 1, 0);
  std::vector<tenon_tensor> outputs(plan.output_count);
  check(tenon_infer(context.get(), &input, outputs.data(), &error) == TENON_OK, error);
  for (tenon_tensor& output : outputs) output = runtime(output);

  std::vector<double> best(plan.step_count, INFINITY);
  const auto start = std::chrono::steady_clock::now();
  const tenon_step_time* times = nullptr;
  do {
    tenon_profile(context.get(), 1);
    check(tenon_run(context.get(), &input, outputs.data(), &error) == TENON_OK, error);
    times = tenon_profile_times(context.get());
    for (uint32_t i = 0; i < plan.step_count; ++i)
      best[i] = std::min(best[i], 1e-9 * static_cast<double>(times[i].nanoseconds));
  } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
           options.seconds);
  Cost cost;
  for (uint32_t i = 0; i < plan.step_count; ++i) {
    const std::string_view name = plan.strings + plan.steps[i].name;
    if (!name.starts_with(kLayer)) continue;
    ++cost.layers;
    cost.seconds += best[i];
    cost.flops += static_cast<double>(times[i].flops);
    cost.bytes += static_cast<double>(times[i].bytes);
  }
  return cost;
}

void run(const Options& options) {
  const Target target = *find_target(options.target);
  const measure::Roofline peak = measure::measure_roofline(options.threads, target.vector_bytes);
  fmt::print("{}, {} threads; this machine, now: {:.1f} GFLOP/s, {:.1f} GB/s from memory\n",
             target.name, options.threads, 1e-9 * peak.flops_per_second,
             1e-9 * peak.bytes_per_second);
  fmt::print("{:<34} {:>9} {:>9} {:>7} {:>8} {:>7}\n", "shape", "us", "GFLOP/s", "of peak", "GB/s",
             "of peak");
  for (const Shape& shape : kShapes) {
    const std::string text = shape.text();
    if (text.find(options.filter) == std::string::npos) continue;
    Cost cost = measure_layers(Layers(shape).module, options);
    const int64_t weights = 4 * shape.weights();
    if (shape.is_recurrent()) cost.bytes = static_cast<double>(cost.layers * shape.size * weights);
    const int64_t layer = static_cast<int64_t>(cost.bytes) / cost.layers;
    const int64_t held = shape.is_recurrent() ? weights : layer + weights * (cost.layers - 1);
    double bandwidth = measure::cached_bytes_per_second(options.threads, held, target.vector_bytes);
    if (bandwidth == 0) bandwidth = peak.bytes_per_second;
    const double flops = cost.flops / cost.seconds, bytes = cost.bytes / cost.seconds;
    fmt::print("{:<34} {:>9.1f} {:>9.1f} {:>5.0f} % {:>8.1f} {:>5.0f} %\n", text,
               1e6 * cost.seconds / cost.layers, 1e-9 * flops, 100 * flops / peak.flops_per_second,
               1e-9 * bytes, 100 * bytes / bandwidth);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Kernels against the roofline");
  app.add_option("--target", options.target, "CPU to compile for")->capture_default_str();
  app.add_option("--threads", options.threads, "Threads to run with")->capture_default_str();
  app.add_option("--filter", options.filter, "Only shapes whose name contains this");
  app.add_option("--seconds", options.seconds, "Time per shape")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  run(options);
}
