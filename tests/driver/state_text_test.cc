// Stopping after a step and going on from the text.
#include "driver/state_text.h"

#include <fstream>

#include "driver/saved_data.h"
#include "testing/models.h"
#include "testing/temporary_folder.h"

namespace tenon::driver {
namespace {

using ir::Op;
using testing::ModelBuilder;

/// Every kind of kernel and placement: halos, views, weights to prepare, a symbol that bounds
/// loops and one inside a larger size.
ir::Module network() {
  ModelBuilder m;
  const ir::Dim batch = m.module.dims.symbol("batch"), width = m.module.dims.symbol("image width");
  const auto x = m.input("x", {batch, 3, 8, width});
  const ir::Attrs conv = {{"strides", std::vector<int64_t>{1, 1}},
                          {"pads", std::vector<int64_t>{1, 1, 1, 1}},
                          {"dilations", std::vector<int64_t>{1, 1}},
                          {"groups", int64_t{1}}};
  const auto a = m.add(Op::kConv, {x, m.parameter({8, 3, 3, 3}), m.parameter({8})}, conv);
  const auto b = m.add(Op::kGelu, {m.add(Op::kConv, {a, m.parameter({8, 8, 3, 3}), {}}, conv)});
  const auto both = m.add(Op::kConcat, {b, m.add(Op::kRelu, {a})}, {{"axis", int64_t{1}}});
  const auto pooled =
      m.add(Op::kReduce, {both},
            {{"kind", std::string("mean")}, {"axes", std::vector<int64_t>{2, 3}}, {"keep", false}});
  const auto weights = m.add(Op::kMul, {m.parameter({16, 10}), m.scalar(2)});
  m.output(m.add(Op::kTanh, {m.add(Op::kMatMul, {pooled, weights})}));
  m.output(m.add(Op::kReshape, {both},
                 {{"dims", std::vector<ir::Dim>{batch, m.module.dims.mul(128, width)}}}));
  return std::move(m.module);
}

class StateText : public ::testing::Test {
 protected:
  State begin() const {
    return {.module = module_, .target = *find_target("x86-64-v3"), .options = options_};
  }

  /// The file that a state leads to.
  static std::vector<std::byte> finish(State& state, std::string_view from) {
    const Result<std::vector<StepReport>> steps = run_pipeline(state, from);
    EXPECT_TRUE(steps) << steps.error().text();
    const auto bytes = state.artifact.bytes();
    return {bytes.begin(), bytes.end()};
  }

  ir::DataResolver save(const State& state) const {
    std::vector<const ir::Module*> modules = {&state.module};
    if (state.prepare) modules.push_back(&state.prepare->module);
    EXPECT_TRUE(save_data(modules, path_));
    return *open_data(path_);
  }

  std::string error_of(std::string_view text) const {
    State state = begin();
    const Result<std::string> step = read_state(text, {}, state);
    return step ? "no error" : step.error().text();
  }

  const ir::Module module_ = network();
  const CompileOptions options_;
  const testing::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "data";
};

TEST_F(StateText, GoingOnAfterAnyStepGivesTheSameFile) {
  State whole = begin();
  const std::vector<std::byte> expected = finish(whole, kImport);
  std::vector<std::string> steps = step_names();
  steps.back() = kImport;
  for (const std::string& step : steps) {
    State first = begin();
    ASSERT_TRUE(run_pipeline(first, kImport, step)) << step;
    const std::string text = state_text(first, step);
    const ir::DataResolver resolve = save(first);

    State second{.module = {}, .target = first.target, .options = options_};
    const Result<std::string> read = read_state(text, resolve, second);
    ASSERT_TRUE(read) << step << ": " << read.error().text();
    EXPECT_EQ(*read, step);
    EXPECT_EQ(state_text(second, step), text);
    EXPECT_TRUE(finish(second, step) == expected) << step;
  }
}

TEST_F(StateText, RunsInParts) {
  State whole = begin(), parts = begin();
  const std::vector<std::byte> expected = finish(whole, kImport);
  ASSERT_TRUE(run_pipeline(parts, kImport, "group"));
  ASSERT_TRUE(run_pipeline(parts, "group", "vectorise"));
  EXPECT_TRUE(finish(parts, "vectorise") == expected);
}

TEST_F(StateText, StepsThatAreNotOnTheWay) {
  State state = begin();
  EXPECT_NE(run_pipeline(state, "nowhere").error().text().find("no step 'nowhere'"),
            std::string::npos);
  EXPECT_NE(run_pipeline(state, "place", "group").error().text().find("comes before"),
            std::string::npos);
}

TEST_F(StateText, WrongTextsAreNamed) {
  const std::string head = "after to-loops for x86-64-v3\n==== module\n";
  const std::string module = head + "module \"m\" {\n  input %0: f32[2]\n  output %0 \"y\"\n}\n";
  const auto expect_error = [this](const std::string& text, std::string_view part) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  EXPECT_EQ(error_of(module), "no error");
  expect_error("after place for x86-64-v4\n", "made for x86-64-v4, not for x86-64-v3");
  expect_error("place\n", "expected 'after'");
  expect_error(head + "module \"m\" {\n  nonsense\n}\n",
               "in the part 'module' that begins at line 3: line 2, column 3");
  expect_error(module + "==== thing\n", "expected 'module', 'prepare', 'kernels' or 'function'");
  expect_error(module + "==== kernels\nkernel function 0 buffers [%7]", "no such value");
  expect_error(module + "==== kernels\nkernel function 0 buffers [] params [] nodes [%0]",
               "expected the result of a node");
  expect_error(module +
                   "==== kernels\nkernel function 0 buffers [%0] params [] nodes [] flops 0 "
                   "bytes 0\n",
               "kernel 0 has no function 0");
  expect_error(module + "==== prepare [%0]\nmodule \"p\" {}\n", "expected the result of a node");
}

TEST_F(StateText, OnlyFilesAreReplaced) {
  EXPECT_FALSE(driver::save({}, "/dev/null"));
  EXPECT_FALSE(driver::save({}, folder_.path()));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(StateText, DamagedSideFilesAreRefused) {
  const auto write = [this](std::string_view bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
  };
  write("abc");
  EXPECT_FALSE(open_data(path_));
  write(std::string(8, '\xff'));
  EXPECT_FALSE(open_data(path_));
  // One entry that reaches beyond the file.
  std::string entry(8 + 24, '\0');
  entry[0] = 1;
  entry[8 + 16] = 100;
  write(entry);
  EXPECT_FALSE(open_data(path_));
  std::filesystem::remove(path_);
  EXPECT_TRUE(open_data(path_));
}

}  // namespace
}  // namespace tenon::driver
