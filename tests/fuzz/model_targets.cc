// Targets that read models: ONNX files, and the texts of both languages.
#include "driver/pipeline.h"
#include "driver/state_text.h"
#include "fuzz/targets.h"
#include "import/onnx.h"
#include "ir/graph_text.h"
#include "ir/loop_text.h"
#include "ir/verify.h"
#include "testing/onnx_writer.h"

namespace tenon::fuzz {
namespace {

using testing::OnnxAttribute;
using testing::OnnxGraph;

std::vector<std::string> onnx_seeds() {
  OnnxGraph network;
  network.input("x", {"batch", int64_t{2}, int64_t{6}, int64_t{5}})
      .output("y")
      .initializer(testing::onnx_floats("w", {2, 2, 1, 1}, {1, 2, 3, 4}))
      .initializer(testing::onnx_integers("shape", {0, -1}))
      .node({"Conv",
             {"x", "w"},
             {"c"},
             {OnnxAttribute::integers("pads", {1, 1, 1, 1}),
              OnnxAttribute::integers("strides", {2, 2}), OnnxAttribute::integer("group", 1)}})
      .node({"Relu", {"c"}, {"r"}, {}, "activation", "", "model.py:12"})
      .node({"Reshape", {"r", "shape"}, {"f"}})
      .node({"Softmax", {"f"}, {"y"}, {OnnxAttribute::integer("axis", -1)}});

  OnnxGraph shapes;
  shapes.input("x", {"n", int64_t{4}})
      .output("y")
      .initializer(testing::onnx_integers("zero", {0}))
      .initializer(testing::onnx_integers("one", {1}))
      .node({"Shape", {"x"}, {"s"}})
      .node({"Gather", {"s", "zero"}, {"n"}})
      .node({"Concat", {"n", "one", "one"}, {"dims"}, {OnnxAttribute::integer("axis", 0)}})
      .node({"Slice", {"x", "zero", "one", "one"}, {"column"}})
      .node({"ConstantOfShape", {"dims"}, {"filled"}})
      .node({"Pad", {"filled", "shape"}, {"padded"}})
      .node({"Einsum", {"x", "x"}, {"e"}, {OnnxAttribute::text("equation", "ij,kj->ik")}})
      .node({"Resize", {"filled", "", "", "dims"}, {"resized"}})
      .node({"ReduceMean", {"e"}, {"y"}, {OnnxAttribute::integers("axes", {1})}});

  OnnxGraph body;
  body.output("b").node({"Identity", {"x"}, {"b"}});
  OnnxGraph nested;
  nested.input("x", {int64_t{2}, int64_t{3}})
      .output("y")
      .initializer(testing::onnx_tensor<uint8_t>("c", testing::kOnnxBool, {}, {1}))
      .node({"If",
             {"c"},
             {"i"},
             {OnnxAttribute::graph("then_branch", body.bytes()),
              OnnxAttribute::graph("else_branch", body.bytes())}})
      .node({"Twice", {"i"}, {"y"}, {}, "", "local"});
  const std::string twice =
      testing::onnx_function("Twice", {"a"}, {"b"}, {{"Add", {"a", "a"}, {"b"}}});
  return {testing::onnx_model(network), testing::onnx_model(shapes, 13),
          testing::onnx_model(nested, 18, {twice})};
}

Result<ir::Module> import_model(const std::string& file) {
  const auto memory = std::make_shared<std::string>(file);
  import::ImportOptions options;
  options.limits.tensor_bytes = uint64_t{1} << 24;
  return import::import_onnx(std::as_bytes(std::span(*memory)), memory, "/nonexistent", options);
}

/// The texts of a small model after every step.
std::vector<std::string> states() {
  driver::CompileOptions options;
  options.target = "x86-64-v3";
  driver::State state{.module = *import_model(onnx_seeds()[0]),
                      .target = *find_target(options.target),
                      .options = options};
  std::vector<std::string> texts;
  std::string done(driver::kImport);
  for (const std::string& step : driver::step_names()) {
    if (step == driver::kLastStep) break;
    if (!driver::run_pipeline(state, done, step)) break;
    done = step;
    texts.push_back(driver::state_text(state, step));
    if (!state.functions.empty() && texts.size() > 3) break;
  }
  return texts;
}

const std::vector<std::string> kWords = {"(",
                                         ")",
                                         "[",
                                         "]",
                                         "{",
                                         "}",
                                         ",",
                                         ":",
                                         "\"",
                                         "=",
                                         "%0",
                                         "%1",
                                         "-1",
                                         "0",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "4294967296",
                                         "1e999",
                                         "nan",
                                         "_",
                                         "f32",
                                         "bool",
                                         "f32x8",
                                         "i64x65535",
                                         "batch",
                                         "input",
                                         "output",
                                         "parameter()",
                                         "reshape",
                                         "place",
                                         "group",
                                         "limit",
                                         "from",
                                         "@0",
                                         "for i = 0 to 9 step 1 {",
                                         "store",
                                         "load",
                                         "let",
                                         "reg",
                                         "mask(",
                                         "shuffle(",
                                         "ramp(",
                                         "broadcast(",
                                         "tasks",
                                         "==== module\n",
                                         "==== kernels\n",
                                         "==== function\n"};

}  // namespace

Target onnx_target() {
  return {
      .name = "onnx",
      .seeds = onnx_seeds(),
      .read =
          [](const std::string& input) {
            if (const auto module = import_model(input)) ir::to_string(*module);
          },
      .words = {"\x08\x01", "\x12", "\x1a", "\x22", "\x3a", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
                "\xff\xff\xff\xff\x0f", "Conv", "Reshape", "Loop", "Scan", "LSTM", "Expand"}};
}

Target graph_target() {
  std::vector<std::string> seeds;
  for (const std::string& file : onnx_seeds()) {
    if (const auto module = import_model(file)) seeds.push_back(ir::to_string(*module));
  }
  return {.name = "graph",
          .seeds = std::move(seeds),
          .read =
              [](const std::string& input) {
                const auto module = ir::parse_module(input);
                if (module && ir::verify(*module).empty()) ir::to_string(*module);
              },
          .words = kWords};
}

Target loop_target() {
  const std::string seed =
      "func f(n, m; in x: f32, inout y: f32[n * 8], out z: bool, scratch t: f32[1024])\n"
      "    tasks n * 4 as task {\n"
      "  let a: i64 = task * 8 % (m + 1)\n"
      "  reg acc: f32x8 = 0.0\n"
      "  expr e1 = load x[a]\n"
      "  vector for i = 0 to n step 2 {\n"
      "    acc = fma(load x[a + i]:8, broadcast(e1 * e1, 8), acc)\n"
      "  }\n"
      "  if a < n { store y[a] = reduce_add(acc) } else {\n"
      "    store y[a] mask(ramp(a, 1, 8) < broadcast(n, 8)) = shuffle(acc, acc, [0, 8, 1, 9, 2, 3, "
      "4, 5])\n"
      "  }\n"
      "  prefetch write y[a + 64]\n"
      "  store z[0] = !(extract(acc, 3) < 1.5)\n"
      "  check a < n code 1\n"
      "}\n";
  return {.name = "loop",
          .seeds = {seed},
          .read =
              [](const std::string& input) {
                if (const auto function = ir::parse_function(input)) ir::to_string(*function);
              },
          .words = kWords};
}

Target state_target() {
  return {.name = "state",
          .seeds = states(),
          .read =
              [](const std::string& input) {
                const driver::CompileOptions options;
                driver::State state{.target = *find_target("x86-64-v3"), .options = options};
                if (const auto step = driver::read_state(input, {}, state))
                  driver::state_text(state, *step);
              },
          .words = kWords};
}

}  // namespace tenon::fuzz
